"""The shards that curate reads, a repository at a time, and what it knows of each file without its content."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from repoloom.errors import UserError
from repoloom.formats import SHARD

PIECE = 8_000_000
"""Bytes of source in one piece of a repository, and about that many in one piece of work for a worker."""
_LARGE = 64_000_000
"""A row group over this many bytes is read by one worker: it can only be read from its beginning."""
_ROWS = 512

T = TypeVar("T")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a file stands in the shards."""

    shard: int
    group: int
    row: int


@dataclass(frozen=True, slots=True)
class Span:
    """Rows `first` to `end` of a row group."""

    shard: int
    group: int
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive rows of one repository: it whole, or about 8 MB of it, counted from its first file."""

    repo: str
    spans: tuple[Span, ...]
    bytes: int

    def places(self) -> list[Place]:
        """Where each of its rows stands."""
        return [Place(span.shard, span.group, row) for span in self.spans for row in range(span.first, span.end)]


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

    def forbid(self, rule: str) -> None:
        """This file may not be used at all, whatever else it is."""
        self.rule, self.measure, self.threshold, self.kept_as = rule, 1.0, 0.0, None


class Source:
    """Shards on disk. Cheap to send to a worker: it holds paths alone."""

    def __init__(self, shards: Sequence[Path]) -> None:
        self.shards = tuple(shards)

    def pieces(self) -> Iterator[Piece]:
        """The corpus in pieces, in order. Raises UserError where a shard cannot be read or lacks a column.

        Where a piece begins depends on its own repository alone, so that it is found again when others have changed.
        """
        repo, spans, size = "", list[Span](), 0
        for span, name, sizes in self._runs():
            if name != repo and spans:
                yield Piece(repo, tuple(spans), size)
                spans, size = [], 0
            repo, start = name, span.first
            for row, more in enumerate(sizes.tolist(), start=span.first):
                size += more
                if size >= PIECE:
                    yield Piece(repo, (*spans, Span(span.shard, span.group, start, row + 1)), size)
                    spans, size, start = [], 0, row + 1
            if start < span.end:
                spans.append(Span(span.shard, span.group, start, span.end))
        if spans:
            yield Piece(repo, tuple(spans), size)

    def _runs(self) -> Iterator[tuple[Span, str, "np.ndarray[tuple[int], np.dtype[np.int64]]"]]:
        """Each run of rows of one repository in a row group, with its name and its files' sizes."""
        for shard, path in enumerate(self.shards):
            with _open(path) as file:
                for group in range(file.num_row_groups):
                    table = _readable(path, lambda file=file, group=group: file.read_row_group(group, ["repo", "size"]))  # type: ignore[misc]
                    names = np.array(table.column("repo").fill_null("").to_pylist(), object)
                    sizes = table.column("size").fill_null(0).to_numpy()
                    borders = np.flatnonzero(names[1:] != names[:-1]) + 1
                    for first, end in zip([0, *borders.tolist()], [*borders.tolist(), len(names)], strict=True):
                        if end > first:
                            yield Span(shard, group, first, end), names[first], np.maximum(sizes[first:end], 0)

    def jobs(self, pieces: Iterable[Piece]) -> list[list[Piece]]:
        """Consecutive pieces, about 8 MB a job."""
        jobs: list[list[Piece]] = []
        size, last = PIECE, None
        for piece in pieces:
            group = (piece.spans[0].shard, piece.spans[0].group)
            if size >= PIECE and not (group == last and self._large[group[0]][group[1]]):
                jobs.append([])
                size = 0
            jobs[-1].append(piece)
            size += piece.bytes
            last = (piece.spans[-1].shard, piece.spans[-1].group)
        return jobs

    @cached_property
    def _large(self) -> list[list[bool]]:
        found = []
        for path in self.shards:
            with _open(path) as file:
                groups = range(file.num_row_groups)
                found.append([file.metadata.row_group(group).total_byte_size > _LARGE for group in groups])
        return found

    def tables(self, pieces: Iterable[Piece]) -> Iterator[pa.Table]:
        """The rows of each piece, with the columns of a shard. Pieces in their order are read in one walk."""
        reader = _Reader(self.shards, SHARD.names)
        for piece in pieces:
            yield pa.concat_tables([reader.rows(span) for span in piece.spans]).combine_chunks()

    def texts(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, str]]:
        """The content of each entry, in the order of the shards."""
        reader = _Reader(self.shards, ["content"])
        for entry in sorted(entries, key=lambda entry: entry.place):
            yield entry, reader.row(entry.place)["content"].as_py() or ""


class _Reader:
    """Rows of the shards in their order, a few megabytes in memory at a time; going back starts a row group again."""

    def __init__(self, shards: Sequence[Path], columns: list[str]) -> None:
        self._shards, self._columns = shards, columns
        self._at: tuple[int, int] | None = None
        self._first = 0
        self._batch = pa.RecordBatch.from_pydict({})
        self._batches: Iterator[pa.RecordBatch] = iter(())

    def rows(self, span: Span) -> pa.Table:
        """The rows of one span."""
        found = []
        row = span.first
        while row < span.end:
            self._go_to(span.shard, span.group, row)
            end = min(span.end, self._first + len(self._batch))
            found.append(self._batch.slice(row - self._first, end - row))
            row = end
        return pa.Table.from_batches(found)

    def row(self, place: Place) -> dict[str, pa.Scalar]:
        """One row, by column."""
        self._go_to(place.shard, place.group, place.row)
        return {name: self._batch.column(name)[place.row - self._first] for name in self._columns}

    def _go_to(self, shard: int, group: int, row: int) -> None:
        """Read on to the batch that holds a row."""
        if (shard, group) != self._at or row < self._first:
            file = _open(self._shards[shard])
            about = file.metadata.row_group(group)
            # A batch of about 8 MB, whatever the files' sizes.
            rows = max(1, min(_ROWS, PIECE * max(1, about.num_rows) // max(1, about.total_byte_size)))
            self._at, self._first = (shard, group), 0
            self._batches = file.iter_batches(rows, [group], self._columns)
            self._batch = _readable(self._shards[shard], lambda: next(self._batches))
        while row >= self._first + len(self._batch):
            self._first += len(self._batch)
            self._batch = _readable(self._shards[shard], lambda: next(self._batches))


def _readable(path: Path, read: Callable[[], T]) -> T:
    try:
        return read()
    except (OSError, pa.ArrowException, StopIteration) as error:
        reason = str(error).splitlines()[:1] or ["it ends too early"]
        raise UserError(f"cannot read the shard {path}: {reason[0]}") from None


def _open(path: Path) -> pq.ParquetFile:
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"cannot read the shard {path}: {str(error).splitlines()[0]}") from None
    missing = [name for name in SHARD.names if name not in file.schema_arrow.names]
    if missing:
        raise UserError(f"{path} is not a shard: it has no column named {missing[0]}")
    return file
