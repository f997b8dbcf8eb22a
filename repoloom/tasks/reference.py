"""What training must not have seen, as a recipe names it: a benchmark that comes with the package, or a user's file.

    decontaminate = ["humaneval", "gsm8k", "math=data/MATH/test", "ours.jsonl", "apps.jsonl:question,solutions"]

An entry is a benchmark's name or `[NAME=]PATH[:FIELD,...]`. PATH is a file of JSON Lines, JSON (a row, a list of rows)
or Parquet, the first two gzip-compressed or not, or a folder of such files. Of each row count the strings under the
fields named, or all; strings inside lists and objects count too. NAME, by default the file's own, is what the ledger
says.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from repoloom.errors import UserError
from repoloom.tasks import jsonl, rows

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_FIELDS = re.compile(r"[A-Za-z0-9_-]+(?:,[A-Za-z0-9_-]+)*")
_SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".json.gz", ".parquet")


@dataclass(frozen=True, slots=True)
class Reference:
    """A user's file or folder of texts."""

    name: str
    path: Path
    fields: tuple[str, ...]
    """The fields whose strings count; none: all."""

    def files(self) -> list[Path]:
        """The files that are read, in order. Raises UserError where there is none."""
        if self.path.is_file():
            return [self.path]
        found = sorted(path for path in self.path.rglob("*") if path.name.endswith(_SUFFIXES) and path.is_file())
        if not found:
            if not self.path.is_dir():
                raise UserError(f"{self.path} is neither a file nor a folder")
            raise UserError(f"{self.path} holds no file that ends in {', '.join(_SUFFIXES)}")
        return found

    def texts(self) -> Iterator[str]:
        """Every text. Raises UserError for a file that cannot be read, and where nothing has the fields."""
        empty = True
        for path in self.files():
            for row in _rows(path):
                for value in (row.get(field) for field in self.fields) if self.fields else row.values():
                    for text in _strings(value):
                        empty = False
                        yield text
        if empty:
            raise UserError(f"{self.path} holds no text" + (f" under {', '.join(self.fields)}" if self.fields else ""))


def parse(entry: str) -> Reference:
    """An entry that is no benchmark's name. Raises ValueError where it is no path to a file or folder of texts."""
    name, equals, rest = entry.partition("=")
    if not equals or not _NAME.fullmatch(name):
        name, rest = "", entry
    place, colon, fields = rest.rpartition(":")
    if not colon or not _FIELDS.fullmatch(fields):
        place, fields = rest, ""
    path = Path(place)
    if not place or not (name or "/" in place or path.name.endswith(_SUFFIXES)):
        raise ValueError(f"{entry!r} is neither a benchmark that comes with the package nor [NAME=]PATH[:FIELD,...]")
    name = name or re.sub(r"[^A-Za-z0-9_.-]+", "-", path.name.partition(".")[0]) or "texts"
    return Reference(name, path, tuple(fields.split(",")) if fields else ())


def _rows(path: Path) -> Iterator[Mapping[str, object]]:
    if path.suffix == ".parquet":
        yield from rows.parquet(path)
    elif path.name.endswith((".json", ".json.gz")):
        for row in rows.in_json(path):
            yield row if isinstance(row, dict) else {"": row}
    else:
        yield from jsonl.read(path, dict)


def _strings(value: object) -> Iterator[str]:
    """The strings in a value, in order; by a stack, since nothing says how deep it is."""
    left = [value]
    while left:
        value = left.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            left.extend(reversed(list(value.values())))
        elif isinstance(value, Sequence) and not isinstance(value, bytes):
            left.extend(reversed(value))
