"""Second pass, some repositories in each worker: the screens over what is left, redaction, order, and documents.

What a repository came to is kept in the stage's cache by a digest of its files and of what was decided about each: its
documents as tables, and a note (JSON) of what was dropped and counted.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from typing import Any

import pyarrow as pa

from repoloom import engine, recipe, stage
from repoloom.curate import compilers, documents, quality
from repoloom.curate.cache import Cache
from repoloom.curate.screen import syntax
from repoloom.curate.secrets import redact_batch
from repoloom.curate.source import PIECE, Entry, Place, Source
from repoloom.formats import DOCUMENT

NODES = 65_536
"""Bytes up to which a file that a filter rule dropped is read again as a node of the graph."""
LARGEST = 256_000_000
"""Bytes of a repository that are ordered at once, in memory: a larger one is ordered in parts, cut between files."""
SECONDS = 60
"""For one file in the screens: a parser that takes longer is taken to hang."""
MEMORY = 2_000_000_000
"""Resident bytes of a worker in the screens."""
BINS = 20
"""Of the scores' distributions, from 0 to 1."""
_ROWS = 512
_EXAMPLE = 40
"""Files up to which a repository's graph is noted, for the report's example."""

Note = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """A repository, or as much of it as is ordered at once: the files that are kept or are nodes of its graph."""

    key: str
    number: int
    entries: tuple[Entry, ...]
    bytes: int


@dataclass(frozen=True, slots=True)
class Job:
    """The parts that one worker takes, and where the results are kept."""

    source: Source
    parts: tuple[Part, ...]
    settings: recipe.Curate
    seed: int
    cache: Cache
    lost: tuple[tuple[Place, str, float, float], ...] = ()
    """Files on which a worker was lost before: each with its rule, measure and threshold."""

    @property
    def bytes(self) -> int:
        """Of source that is kept so far."""
        return sum(part.bytes for part in self.parts)


def parts(base: str, content: str, entries: Sequence[Entry]) -> Iterator[Part]:
    """The parts of one repository. `content` is a digest of all its files, `base` of all that decides besides."""
    chosen: list[Entry] = []
    size = number = 0
    # Whether a dropped file is still a node must not depend on which rule was asked first.
    taken = "".join("k" if entry.rule is None else "n" if _is_node(entry) else "-" for entry in entries)
    for entry, letter in zip(entries, taken, strict=True):
        if size and size + entry.bytes > LARGEST:
            yield Part(stage.digest_json([base, content, taken, number]), number, tuple(chosen), size)
            chosen, size, number = [], 0, number + 1
        if letter != "-":
            chosen.append(entry)
            size += entry.bytes * (letter == "k")
    if size:
        yield Part(stage.digest_json([base, content, taken, number]), number, tuple(chosen), size)


def jobs(parts: Iterable[Part]) -> Iterator[tuple[Part, ...]]:
    """Parts in jobs of about 8 MB, in order."""
    chosen: list[Part] = []
    size = 0
    for part in parts:
        chosen.append(part)
        size += part.bytes
        if size >= PIECE:
            yield tuple(chosen)
            chosen, size = [], 0
    if chosen:
        yield tuple(chosen)


def without(loss: engine.Loss[Job]) -> Job:
    """The job once more, without the file on which its worker crashed, hung, or ran out of memory."""
    lost = (Place(*loss.at), f"parser-{loss.why}", loss.measure, loss.threshold)
    return replace(loss.item, lost=(*loss.item.lost, lost))


def weave(job: Job) -> None:
    """Screen and order each part, hide what is secret, and keep the documents."""
    screened = [_screen(part, job) for part in job.parts]
    if job.settings.redact:
        # After the imports were read: a placeholder in one must not cost an edge.
        _redact(screened, str(job.seed).encode())
    limit = int(job.settings.document_megabytes * 1e6)
    with job.cache.write(job.parts[0].key) as writer:
        for part, of_part in zip(job.parts, screened, strict=True):
            made = list(documents.documents(of_part.left, of_part.texts, of_part.woven, limit, part.number))
            of_part.note["documents"] = [len(document["text"].encode()) for document in made]
            writer.add(part.key, _tables(made), of_part.note)


def _tables(rows: Sequence[documents.Document]) -> Iterator[pa.Table]:
    """A few megabytes a table: a row group of one short document would cost more than it holds."""
    chosen: list[documents.Document] = []
    size = 0
    for row in rows:
        chosen.append(row)
        size += len(row["text"])
        if size >= PIECE or len(chosen) >= _ROWS:
            yield pa.Table.from_pylist(chosen, DOCUMENT)
            chosen, size = [], 0
    if chosen:
        yield pa.Table.from_pylist(chosen, DOCUMENT)


@dataclass(slots=True)
class _Screened:
    """What is left of a part: its files and nodes with their texts, in order, and what there is to say of it."""

    left: list[Entry]
    texts: list[str]
    woven: documents.Woven
    note: Note


def _screen(part: Part, job: Job) -> _Screened:
    drops: list[tuple[int, str, float, float]] = []
    left: list[Entry] = []
    texts: list[str] = []
    scores = {name: [0] * BINS for name in ("readability", "modularity")}
    asked: list[tuple[str, str, str]] = []
    passes: list[bool] = []
    lost = {place: (rule, measure, threshold) for place, rule, measure, threshold in job.lost}
    for number, (entry, text) in enumerate(job.source.texts(part.entries)):
        if entry.place in lost:
            drops.append((number, *lost[entry.place]))
            continue
        engine.at(*astuple(entry.place))
        failed = _screened(entry, text, job.settings, scores) if entry.rule is None else None
        if job.settings.compilers and entry.rule is None and (failed is None or failed[0] == "syntax"):
            asked.append((entry.language, entry.path, text))
            passes.append(failed is None)
        if failed:
            drops.append((number, *failed))
        else:
            left.append(entry)
            texts.append(text)
    engine.at(-1)
    woven = documents.weave(left, texts, job.settings.order, job.seed)
    note: Note = {
        "repo": part.entries[0].repo,
        "drops": drops,
        "found": len(woven.edges),
        "forward": woven.forward,
        "redacted": {},
        "scores": scores,
        "compilers": _agreement(asked, passes),
    }
    files = [node for group in woven.components for node in group]
    if 1 < len(files) <= _EXAMPLE and woven.edges:
        note["graph"] = {
            "files": [left[node].path for node in files],
            "edges": [[left[user].path, left[used].path] for user, used in woven.edges],
        }
    return _Screened(left, texts, woven, note)


def _redact(screened: Sequence[_Screened], salt: bytes) -> None:
    """Hide secrets in the files that documents will hold, some megabytes at a time: a call costs some milliseconds."""
    batch: list[tuple[_Screened, int]] = []
    size = 0
    every = [
        (of_part, number) for of_part in screened for number, entry in enumerate(of_part.left) if entry.rule is None
    ]
    for count, (of_part, number) in enumerate(every, start=1):
        batch.append((of_part, number))
        size += len(of_part.texts[number])
        if size >= PIECE or count == len(every):
            cleaned = redact_batch([of.texts[n] for of, n in batch], salt)
            for (of, n), clean in zip(batch, cleaned, strict=True):
                of.texts[n] = clean.text
                of.note["redacted"] = dict(sorted((Counter(of.note["redacted"]) + Counter(clean.counts)).items()))
            batch, size = [], 0


def _screened(
    entry: Entry, text: str, settings: recipe.Curate, scores: dict[str, list[int]]
) -> tuple[str, float, float] | None:
    """The screen that a file fails, with its measure and threshold; its scores are counted, where it has some.

    The scores come first: what they drop need not be parsed, which costs five times as much.
    """
    if found := quality.scores(entry.language, text):
        for name, score, least in (
            ("readability", found.readability, settings.readability),
            ("modularity", found.modularity, settings.modularity),
        ):
            scores[name][min(int(score * BINS), BINS - 1)] += 1
            if score < least:
                return (name, score, least)
    failed = syntax(entry.language, entry.path, text)
    return ("syntax", *failed) if failed else None


def _agreement(asked: Sequence[tuple[str, str, str]], passes: Sequence[bool]) -> dict[str, dict[str, int]]:
    """By language: files on which the screen and the compiler agree, and on which they do not."""
    if not asked:
        return {}
    languages = (language for language, _, _ in asked)
    rows = compilers.agreement(zip(languages, passes, compilers.opinions(asked), strict=True))
    return {row.language: {key: value for key, value in asdict(row).items() if key != "language"} for row in rows}


def _is_node(entry: Entry) -> bool:
    """Whether a dropped file is still read for the graph: one that a filter rule dropped, if it is no heap of data."""
    return not entry.words and entry.bytes <= NODES
