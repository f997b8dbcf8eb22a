"""`installed:` and `installed:NAME,NAME`: the distributions of the running environment, each one a repository.

The files are those of its RECORD that lie inside its own library folder: no scripts and data put elsewhere, no
bytecode, and not the installer's notes (`*.dist-info`). Nothing is imported. Repoloom itself is left out.
"""

import csv
import importlib.metadata
import os
import re
from collections.abc import Sequence

from repoloom.collect import licenses, local
from repoloom.collect.entry import Entry, printable, safe
from repoloom.errors import UserError
from repoloom.progress import say
from repoloom.stage import digest_json


class Distribution:
    """One installed distribution."""

    def __init__(self, name: str, distribution: importlib.metadata.Distribution, record: str) -> None:
        self.name = printable(name).replace("/", "_")
        self.revision = distribution.metadata["Version"] or ""
        self._distribution = distribution
        self._record = record
        self._root = os.path.realpath(str(distribution.locate_file("")))

    def fingerprint(self) -> object:
        """Version and digest of the RECORD, which holds the digests of the files."""
        return [self.revision, digest_json(self._record)]

    def entries(self) -> list[Entry]:
        """The files of the RECORD; what it places outside of the library folder does not belong to it."""
        inside: dict[str, bool] = {}
        return [self._entry(path, inside) for path in self._paths() if _is_source(path)]

    def read(self, entry: Entry, length: int) -> bytes:
        """Bytes of an installed file. Raises OSError."""
        return local.read(entry.place, length)

    def license(self) -> str | None:
        """From the metadata; else from the licence texts that the distribution carries."""
        metadata = self._distribution.metadata
        expression, field = ((metadata.get_all(name) or [None])[0] for name in ("License-Expression", "License"))
        stated = licenses.from_metadata(expression, field, metadata.get_all("Classifier") or [])
        if stated:
            return stated
        return licenses.from_texts(
            local.contents(f"{self._root}/{path}", licenses.LENGTH)
            for path in self._paths()
            if ".dist-info/" in path and licenses.is_text(path.rpartition("/")[2])
        )

    def _paths(self) -> list[str]:
        """What the RECORD places inside the library folder."""
        try:
            paths = {row[0] for row in csv.reader(self._record.splitlines()) if row}
        except csv.Error as error:
            raise UserError(f"installed:{self.name}: its RECORD cannot be read: {error}") from None
        return sorted(path for path in paths if not path.startswith("/") and ".." not in path.split("/"))

    def _entry(self, path: str, inside: dict[str, bool]) -> Entry:
        """`inside` remembers which folders really lie where their path says."""
        place = f"{self._root}/{path}"
        if not all(safe(part) for part in path.split("/")):
            return Entry(printable(path), 0, place, rule="name")
        folder = place.rpartition("/")[0]
        if folder not in inside:
            inside[folder] = os.path.realpath(folder) == folder
        if not inside[folder]:
            return Entry(path, 0, place, rule="symlink")
        return local.entry(path, place)


def find(names: Sequence[str] = ()) -> list[Distribution]:
    """The distributions of this environment, or those named. Raises UserError for a name that is not installed."""
    found: dict[str, Distribution] = {}
    bare: set[str] = set()
    for distribution in importlib.metadata.distributions():
        name = normalised(distribution.metadata["Name"] or "")
        record = distribution.read_text("RECORD")
        if not name or name == "repoloom" or name in found:
            continue
        if record is None:
            bare.add(name)
        else:
            found[name] = Distribution(name, distribution, record)
    for name in names:
        if normalised(name) not in found:
            why = "has no RECORD of its files" if normalised(name) in bare else "is not installed here"
            raise UserError(f"installed:{name}: the distribution {why}")
    if names:
        return [found[name] for name in sorted({normalised(name) for name in names})]
    for name in sorted(bare - set(found)):
        say(f"  installed: {name} left out, it has no RECORD of its files")
    if not found:
        raise UserError("installed: this environment holds no distribution besides repoloom")
    return [found[name] for name in sorted(found)]


def normalised(name: str) -> str:
    """A distribution's name as PyPI compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _is_source(path: str) -> bool:
    top = path.partition("/")[0]
    return not top.endswith((".dist-info", ".egg-info")) and "__pycache__" not in path.split("/")
