"""The shards that curate reads, a row group at a time, and what it knows of each file without its content."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from repoloom.errors import UserError
from repoloom.formats import SHARD

_CHUNK = 8_000_000
"""Bytes of source in one piece of work for a worker."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a file stands in the shards."""

    shard: int
    group: int
    row: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive row groups of one shard: a piece of work."""

    shard: int
    first: int
    last: int
    bytes: int


@dataclass(slots=True)
class Entry:
    """One file of the corpus. `rule` names what dropped it; None as long as it is kept."""

    place: Place
    repo: str
    path: str
    revision: str | None
    language: str
    license: str | None
    bytes: int
    words: int
    plain: int
    """Hash of its text without white space."""
    benchmark: str | None = None
    """The benchmark whose text it holds, and how many of its grams."""
    shared: int | None = None
    rule: str | None = None
    measure: float | None = None
    threshold: float | None = None
    kept_as: str | None = None

    def drop(self, rule: str, measure: float, threshold: float, kept_as: str | None = None) -> None:
        """Say why this file goes; a file goes for its first reason."""
        if self.rule is None:
            self.rule, self.measure, self.threshold, self.kept_as = rule, measure, threshold, kept_as


class Source:
    """Shards on disk. Cheap to send to a worker: it holds paths alone."""

    def __init__(self, shards: Sequence[Path]) -> None:
        self.shards = tuple(shards)

    def chunks(self) -> list[Chunk]:
        """The corpus in pieces of about 8 MB. Raises UserError where a shard cannot be read or lacks a column."""
        chunks: list[Chunk] = []
        for shard, path in enumerate(self.shards):
            with _open(path) as file:
                first = size = 0
                for group in range(file.num_row_groups):
                    size += file.metadata.row_group(group).total_byte_size
                    if size >= _CHUNK or group == file.num_row_groups - 1:
                        chunks.append(Chunk(shard, first, group, size))
                        first, size = group + 1, 0
        return chunks

    def rows(self, chunk: Chunk) -> Iterator[tuple[Place, dict[str, Any]]]:
        """Every row of a chunk with its place, one row group in memory at a time."""
        with _open(self.shards[chunk.shard]) as file:
            for group in range(chunk.first, chunk.last + 1):
                for row, values in enumerate(_rows(file.read_row_group(group, SHARD.names))):
                    yield Place(chunk.shard, group, row), values

    def texts(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, str]]:
        """The content of each entry, in the order of the shards."""
        wanted = sorted(entries, key=lambda entry: entry.place)
        for (shard, group), members in groupby(wanted, key=lambda entry: (entry.place.shard, entry.place.group)):
            with _open(self.shards[shard]) as file:
                content = file.read_row_group(group, ["content"]).column("content")
            for entry in members:
                yield entry, content[entry.place.row].as_py() or ""


def _open(path: Path) -> pq.ParquetFile:
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"cannot read the shard {path}: {str(error).splitlines()[0]}") from None
    missing = [name for name in SHARD.names if name not in file.schema_arrow.names]
    if missing:
        raise UserError(f"{path} is not a shard: it has no column named {missing[0]}")
    return file


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in table.to_batches(max_chunksize=256):
        yield from batch.to_pylist()
