"""Entries to shards: what goes into which shard is planned from sizes first, then each shard is written alone.

A plan holds numbers, not entries: a repository is listed again when its shard is written, so that memory holds one
repository's entries and a few megabytes of text, however large the corpus. A shard's ledger part and its counts (a
note of this stage to itself) are written before and after it; a shard whose counts stand is whole and not made again.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from repoloom import ledger
from repoloom.collect import intake, sample
from repoloom.collect.entry import Entry, Repository
from repoloom.collect.licenses import file_license
from repoloom.formats import SHARD, part_name
from repoloom.progress import Bar
from repoloom.recipe import Collect
from repoloom.stage import Work, atomic_write

_ROWS = 512
_BYTES = 8_000_000

Counts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Piece:
    """Entries `start` to `end` of the repository at this index."""

    repository: int
    start: int
    end: int
    bytes: int


class Survey:
    """Lists repositories under a recipe's settings; the last one stays in memory for the shards it is spread over."""

    def __init__(self, repositories: Sequence[Repository], settings: Collect, seed: int) -> None:
        self.repositories = repositories
        self.settings = settings
        self.seed = seed
        self.left_out: set[str] = set()
        """Names of the repositories that `megabytes` leaves out."""
        self._last: tuple[int, list[Entry]] = (-1, [])

    def entries(self, index: int) -> list[Entry]:
        """Every entry of a repository, sorted by path, with its language or the rule that drops it."""
        if self._last[0] != index:
            self._last = (index, self._listed(self.repositories[index]))
        entries = self._last[1]
        if self.repositories[index].name not in self.left_out:
            return entries
        total, cap = _taken(entries), _bytes(self.settings.megabytes)
        return [_sampled(entry, total, cap) if entry.language else entry for entry in entries]

    def _listed(self, repository: Repository) -> list[Entry]:
        entries = intake.sift(repository, repository.entries(), _bytes(self.settings.file_megabytes))
        cap, total = _bytes(self.settings.megabytes_per_repository), _taken(entries)
        if cap and total > cap:
            kept = sample.cut([entry for entry in entries if entry.language], cap, self.seed, repository.name)
            entries = [_sampled(e, total, cap) if e.language and e.path not in kept else e for e in entries]
        return entries

    def plan(self, progress: Bar) -> tuple[list[list[Piece]], int]:
        """The pieces of every shard, and the bytes of all files that are to be read."""
        sizes, lengths = {}, []
        for index, repository in enumerate(self.repositories):
            entries = self.entries(index)
            sizes[repository.name] = _taken(entries)
            lengths.append(len(entries))
            progress.advance(1, repository.name)
        if self.settings.megabytes:
            chosen = sample.choose_repositories(sizes, _bytes(self.settings.megabytes), self.seed)
            self.left_out = set(sizes) - chosen
        limit = _bytes(self.settings.shard_megabytes)
        shards: list[list[Piece]] = [[]]
        filled = 0
        for index, repository in enumerate(self.repositories):
            size = 0 if repository.name in self.left_out else sizes[repository.name]
            whole = Piece(index, 0, lengths[index], size)
            for piece in [whole] if size <= limit else self._split(index, limit):
                if filled and filled + piece.bytes > limit:
                    shards.append([])
                    filled = 0
                shards[-1].append(piece)
                filled += piece.bytes
        return shards, sum(piece.bytes for shard in shards for piece in shard)

    def _split(self, index: int, limit: int) -> Iterator[Piece]:
        start = size = 0
        entries = self.entries(index)
        for position, entry in enumerate(entries):
            more = entry.size if entry.language else 0
            if size and size + more > limit:
                yield Piece(index, start, position, size)
                start, size = position, 0
            size += more
        yield Piece(index, start, len(entries), size)


def write(work: Work, number: int, pieces: Sequence[Piece], survey: Survey, progress: Bar) -> Counts:
    """Make one shard, its part of the ledger and its counts, or read the counts where it stands already."""
    note = work.path(f".counts/part-{number:05d}.json")
    if note.exists():
        counts: Counts = json.loads(note.read_text("utf-8"))
        progress.advance(sum(piece.bytes for piece in pieces) / 1e6)
        return counts
    counts = empty_counts()
    drops: list[ledger.Row] = []
    with work.write(part_name("shards", number)) as partial:
        _write_rows(partial, pieces, survey, progress, counts, drops)
        with work.write(part_name("ledger", number)) as place:
            ledger.write(drops, place)
    note.parent.mkdir(exist_ok=True)
    atomic_write(note, json.dumps(counts, ensure_ascii=False))
    return counts


def _write_rows(
    place: Path, pieces: Sequence[Piece], survey: Survey, progress: Bar, counts: Counts, drops: list[ledger.Row]
) -> None:
    rows: list[dict[str, Any]] = []
    pending = 0
    with pq.ParquetWriter(place, SHARD, compression="zstd") as writer:
        for piece in pieces:
            repository = survey.repositories[piece.repository]
            about = {"repo": repository.name, "revision": repository.revision, "license": repository.license()}
            for entry in survey.entries(piece.repository)[piece.start : piece.end]:
                rule, content = entry.rule, ""
                if entry.language:
                    progress.advance(entry.size / 1e6, repository.name)
                    try:
                        content = intake.text(repository, entry)
                    except intake.RefusedError as refusal:
                        rule = str(refusal)
                if rule:
                    drops.append(
                        ledger.Row(
                            about["repo"] or "", entry.path, "collect", rule, entry.measure, entry.threshold, entry.size
                        )
                    )
                    _count(counts, entry.size, dropped=rule)
                    continue
                size = len(content.encode())
                row = {**about, "path": entry.path, "language": entry.language, "size": size, "content": content}
                rows.append({**row, "license": file_license(content) or about["license"]})
                _count(counts, size, language=entry.language, repository=about)
                pending += size
                if len(rows) >= _ROWS or pending >= _BYTES:
                    writer.write_table(pa.Table.from_pylist(rows, SHARD))
                    rows, pending = [], 0
        if rows:
            writer.write_table(pa.Table.from_pylist(rows, SHARD))


def empty_counts() -> Counts:
    """Nothing counted yet."""
    return {"in": _zero(), "kept": _zero(), "dropped": {}, "languages": {}, "repositories": {}}


def merged(parts: Sequence[Counts]) -> Counts:
    """The sum of the counts of all shards."""
    total = empty_counts()
    for part in parts:
        for name in ("in", "kept"):
            _add(total[name], part[name])
        for table in ("dropped", "languages"):
            for name, counted in part[table].items():
                _add(total[table].setdefault(name, _zero()), counted)
        for name, counted in part["repositories"].items():
            known = total["repositories"].setdefault(name, {**counted, **_zero()})
            _add(known, counted)
    return total


def _count(
    counts: Counts, size: int, dropped: str = "", language: str = "", repository: dict[str, str | None] | None = None
) -> None:
    one = {"files": 1, "bytes": size}
    _add(counts["in"], one)
    if repository is None:
        _add(counts["dropped"].setdefault(dropped, _zero()), one)
        return
    _add(counts["kept"], one)
    _add(counts["languages"].setdefault(language, _zero()), one)
    _add(counts["repositories"].setdefault(repository["repo"], {**repository, **_zero()}), one)


def _zero() -> dict[str, int]:
    return {"files": 0, "bytes": 0}


def _add(total: dict[str, Any], more: dict[str, Any]) -> None:
    total["files"] += more["files"]
    total["bytes"] += more["bytes"]


def _bytes(megabytes: float | None) -> int:
    return int((megabytes or 0) * 1_000_000)


def _taken(entries: Sequence[Entry]) -> int:
    return sum(entry.size for entry in entries if entry.language)


def _sampled(entry: Entry, total: int, cap: int) -> Entry:
    return replace(entry, language="", rule="sample", measure=total, threshold=cap)
