"""Second pass, some repositories in each worker: the syntax screen over what is left, order, and documents.

A job writes the documents of its repositories as one Parquet file of this stage's own, then a note (JSON) with what it
dropped and counted. The note comes last, so where it stands the documents are whole.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from repoloom import recipe
from repoloom.curate import documents
from repoloom.curate.screen import syntax
from repoloom.curate.source import Entry, Source
from repoloom.formats import DOCUMENT
from repoloom.stage import Work, atomic_write

NODES = 65_536
"""Bytes up to which a file that a filter rule dropped is read again as a node of the graph."""
_CHUNK = 8_000_000
_ROWS = 512
_EXAMPLE = 40
"""Files up to which a repository's graph is noted, for the report's example."""

Note = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """The repositories of one kind (`documents` or `heldout`) that one worker takes."""

    work: Work
    source: Source
    settings: recipe.Curate
    kind: str
    number: int
    repositories: tuple[tuple[Entry, ...], ...]
    bytes: int

    @property
    def texts(self) -> str:
        """The name of the file that holds the documents."""
        return f".work/{self.kind}-{self.number:05d}.parquet"

    @property
    def note(self) -> str:
        """The name of the note."""
        return f".work/{self.kind}-{self.number:05d}.json"


def jobs(
    work: Work, source: Source, settings: recipe.Curate, kind: str, repositories: Iterable[Sequence[Entry]]
) -> Iterator[Job]:
    """Cut `repositories` into jobs of about 8 MB, in order; a repository is never cut."""
    chosen: list[tuple[Entry, ...]] = []
    size = number = 0
    for entries in repositories:
        kept = sum(entry.bytes for entry in entries if entry.rule is None)
        if not kept:
            continue
        chosen.append(tuple(entry for entry in entries if entry.rule is None or _is_node(entry)))
        size += kept
        if size >= _CHUNK:
            yield Job(work, source, settings, kind, number, tuple(chosen), size)
            chosen, size, number = [], 0, number + 1
    if chosen:
        yield Job(work, source, settings, kind, number, tuple(chosen), size)


def weave(job: Job) -> Note:
    """Screen, order and write one job's repositories. Returns its note, also where it stood already."""
    if not job.work.path(job.note).exists():
        with job.work.write(job.texts) as partial, _Writer(partial) as writer:
            notes = [_repository(entries, job, writer) for entries in job.repositories]
        note = {"bytes": sum(size for note in notes for size in note["documents"]), "repositories": notes}
        atomic_write(job.work.path(job.note), json.dumps(note, ensure_ascii=False))
    answer: Note = json.loads(job.work.path(job.note).read_text("utf-8"))
    return answer


class _Writer:
    """Writes documents a few megabytes at a time: a row group of one short document would cost more than it holds."""

    def __init__(self, path: Path) -> None:
        self._file = pq.ParquetWriter(path, DOCUMENT, compression="zstd")
        self._rows: list[documents.Document] = []
        self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._file.close()

    def add(self, document: documents.Document, size: int) -> None:
        self._rows.append(document)
        self._bytes += size
        if self._bytes >= _CHUNK or len(self._rows) >= _ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._file.write_table(pa.Table.from_pylist(self._rows, DOCUMENT))
        self._rows, self._bytes = [], 0


def _repository(entries: Sequence[Entry], job: Job, writer: _Writer) -> Note:
    drops: list[tuple[int, int, int, float, float]] = []
    left: list[Entry] = []
    texts: list[str] = []
    for entry, text in job.source.texts(entries):
        failed = syntax(entry.language, entry.path, text) if entry.rule is None else None
        if failed:
            drops.append((entry.place.shard, entry.place.group, entry.place.row, *failed))
        else:
            left.append(entry)
            texts.append(text)
    woven = documents.weave(left, texts)
    sizes: list[int] = []
    for document in documents.documents(left, texts, woven, int(job.settings.document_megabytes * 1e6)):
        sizes.append(len(document["text"].encode()))
        writer.add(document, sizes[-1])
    note: Note = {
        "repo": entries[0].repo,
        "syntax": drops,
        "documents": sizes,
        "found": len(woven.edges),
        "forward": woven.forward,
    }
    files = [node for group in woven.components for node in group]
    if 1 < len(files) <= _EXAMPLE and woven.edges:
        note["graph"] = {
            "files": [left[node].path for node in files],
            "edges": [[left[user].path, left[used].path] for user, used in woven.edges],
        }
    return note


def _is_node(entry: Entry) -> bool:
    """Whether a dropped file is still read for the graph: one that a filter rule dropped, if it is no heap of data."""
    return not entry.words and entry.bytes <= NODES
