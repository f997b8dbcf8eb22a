"""What earlier runs found, by a digest of what they found it from: so that a second run redoes only what changed.

A cache is a folder of Parquet files whose row groups belong to keys; which, stands in each file's footer with a small
note a key. Files are written whole, under the name of their first key, and never changed: workers need no lock, and a
run that was killed finds what it had finished. What the last run did not use is removed at its end.
"""

import contextlib
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from repoloom.stage import CACHE, whole

Note = dict[str, Any]
_KEYS = b"repoloom.keys"


@dataclass(frozen=True, slots=True)
class Found:
    """Where the result of a key stands: `count` row groups of a file from `first`, and the note beside them."""

    file: str
    first: int
    count: int
    note: Note


@dataclass(frozen=True)
class Cache:
    """The results of one kind, such as `measured`, below a stage's folder. Cheap to send to a worker."""

    stage: Path
    kind: str
    schema: pa.Schema = field(compare=False)
    opened: int = field(default_factory=time.monotonic_ns)
    """Tells this run from the next in the same process, see `known`."""

    @property
    def folder(self) -> Path:
        """Where the files stand."""
        return self.stage / CACHE / self.kind

    def index(self) -> dict[str, Found]:
        """All results that stand whole. A file that cannot be read counts for nothing."""
        found: dict[str, Found] = {}
        for path in sorted(self.folder.glob("*.parquet")):
            with contextlib.suppress(OSError, pa.ArrowException, KeyError, ValueError, TypeError):
                for key, first, count, note in json.loads(pq.read_metadata(path).metadata[_KEYS]):
                    found[key] = Found(path.name, first, count, note)
        return found

    def read(self, found: Found) -> Iterator[pa.Table]:
        """The tables of one result, a row group in memory at a time."""
        with pq.ParquetFile(self.folder / found.file) as file:
            for group in range(found.first, found.first + found.count):
                yield file.read_row_group(group)

    @contextlib.contextmanager
    def write(self, first: str) -> Iterator["Writer"]:
        """Write results to one file, named by the first one's key."""
        with whole(self.folder / f"{first}.parquet") as partial, Writer(partial, self.schema) as writer:
            yield writer

    def prune(self, used: Iterable[str]) -> None:
        """Remove the files of which no key is in `used`."""
        index = self.index()
        kept = {index[key].file for key in used if key in index}
        for path in self.folder.glob("*.parquet"):
            if path.name not in kept:
                path.unlink()


@lru_cache(4)
def known(cache: Cache) -> frozenset[str]:
    """The keys that stood when this process first asked, which is enough: no two jobs of a run make the same."""
    return frozenset(cache.index())


class Writer:
    """Writes results one after the other: `begin`, `add` its tables, and so on."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._file = pq.ParquetWriter(path, schema, compression="zstd")
        self._groups = 0
        self._keys: list[tuple[str, int, int, Note]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.add_key_value_metadata({_KEYS: json.dumps(self._keys)})
        self._file.close()

    def add(self, key: str, tables: Iterable[pa.Table], note: Note | None = None) -> None:
        """One result whole: its tables, a row group each, and its note."""
        first = self._groups
        for table in tables:
            self._file.write_table(table, row_group_size=max(1, len(table)))
            self._groups += len(table) > 0
        self._keys.append((key, first, self._groups - first, note or {}))
