"""`dir:PATH`: one folder is one repository, named by the folder.

The folder is read as it lies; links are not followed. Installed environments are not entered (`node_modules`, a
folder with `pyvenv.cfg`: other people's code, which has repositories of its own). Version-control stores, caches
(`__pycache__`, a folder with `CACHEDIR.TAG`) and what Repoloom itself wrote count as no part of the repository: a
run's folder often lies in the one it learns from, and must not change it.
"""

import os
from pathlib import Path

from repoloom.collect import licenses, local
from repoloom.collect.entry import DEPTH, Entry, Listing, printable, safe
from repoloom.errors import UserError
from repoloom.stage import digest_json, is_stage

_STORES = frozenset({".git", ".hg", ".svn", ".jj", "__pycache__"})


class Directory:
    """A folder on this machine."""

    def __init__(self, source: str, path: Path) -> None:
        """`source` as the user wrote it, for messages."""
        self._source = source
        try:
            self.root = path.expanduser().resolve(strict=True)
            with os.scandir(self.root):
                pass
        except NotADirectoryError:
            raise UserError(f"{source} is no folder") from None
        except FileNotFoundError:
            raise UserError(f"{source} does not exist") from None
        except PermissionError:
            raise UserError(f"{source} cannot be read: permission denied") from None
        except (OSError, RuntimeError) as error:
            raise UserError(f"{source} cannot be read: {error}") from None
        self.name = printable(self.root.name) or "root"
        self.revision = ""

    def fingerprint(self) -> object:
        """Paths, sizes and times of change: no file is opened."""
        return digest_json([(e.path, e.rule, e.size, 0 if e.rule else _changed(e.place)) for e in self.entries()])

    def entries(self) -> list[Entry]:
        """Every file below the folder; a folder that was not entered is one entry with its rule."""
        found = Listing(self._source)
        stack = [("", str(self.root), 0)]
        while stack:
            prefix, place, depth = stack.pop()
            found.enter(prefix)
            try:
                with os.scandir(place) as listing:
                    children = list(listing)
            except OSError:
                found.add(Entry(prefix.removesuffix("/"), 0, place, rule="unreadable"))
                continue
            names = {child.name for child in children}
            if prefix and "pyvenv.cfg" in names:
                found.add(Entry(prefix.removesuffix("/"), 0, place, rule="environment"))
                continue
            if (
                "CACHEDIR.TAG" in names
                or is_stage(Path(place))
                or ("collect" in names and is_stage(Path(place, "collect")))
            ):
                continue
            for child in children:
                path = prefix + child.name
                if not safe(child.name):
                    if child.name not in _STORES:
                        found.add(Entry(prefix + printable(child.name), 0, child.path, rule="name"))
                elif not child.is_dir(follow_symlinks=False):
                    found.add(local.entry(path, child.path))
                elif child.name in _STORES:
                    continue
                elif child.name == "node_modules":
                    found.add(Entry(path, 0, child.path, rule="environment"))
                elif depth >= DEPTH:
                    found.add(Entry(path, 0, child.path, rule="depth", measure=depth + 1, threshold=DEPTH))
                else:
                    stack.append((path + "/", child.path, depth + 1))
        return found.sorted()

    def read(self, entry: Entry, length: int) -> bytes:
        """Bytes of a file of this folder. Raises OSError."""
        return local.read(entry.place, length)

    def license(self) -> str | None:
        """From the texts that lie beside the code, else from a manifest there."""
        files = sorted(self.root.iterdir())
        return licenses.of_repository(
            (local.contents(str(file), licenses.LENGTH) for file in files if licenses.is_text(file.name)),
            (
                (file.name, local.contents(str(file), licenses.LENGTH))
                for file in files
                if file.name in licenses.MANIFESTS
            ),
        )


def _changed(place: str) -> int:
    try:
        return os.lstat(place).st_mtime_ns
    except OSError:
        return 0
