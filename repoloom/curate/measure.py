"""First pass, some repositories a worker: filter rules, contamination, and the signatures that later steps compare.

What it finds is kept in the stage's cache by a digest of the files, so that the second pass can be planned with the
corpus still on disk, a killed run does not measure again, and a later run measures what changed alone.
"""

import contextlib
import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from repoloom import recipe
from repoloom.curate import filters
from repoloom.curate.cache import Cache, Found, Writer, known
from repoloom.curate.decontaminate import Detector
from repoloom.curate.filters import Batch
from repoloom.curate.grams import Hashes, ngrams, ngrams_of, words, words_of
from repoloom.curate.minhash import Signatures, signatures
from repoloom.curate.source import PIECE, Entry, Piece, Source

SCHEMA = pa.schema(
    [
        ("repo", pa.string()),
        ("path", pa.string()),
        ("revision", pa.string()),
        ("language", pa.string()),
        ("license", pa.string()),
        ("bytes", pa.int64()),
        ("words", pa.int64()),
        ("plain", pa.uint64()),
        ("rule", pa.string()),
        ("measure", pa.float64()),
        ("threshold", pa.float64()),
        ("benchmark", pa.string()),
        ("shared", pa.int64()),
        ("signature", pa.binary()),
    ]
)
_ABOUT = ("repo", "path", "revision", "language", "license")
_SHARED = ("repo", "revision", "language", "license", "rule")


@dataclass(frozen=True, slots=True)
class Job:
    """The pieces that one worker measures, and where the results are kept."""

    source: Source
    pieces: tuple[Piece, ...]
    settings: recipe.Curate
    base: str
    """A digest of all that decides what is measured besides the files."""
    cache: Cache

    @property
    def bytes(self) -> int:
        """Of source."""
        return sum(piece.bytes for piece in self.pieces)


def measure(job: Job) -> list[str]:
    """Measure the pieces that were not measured before; the key of each piece, in order."""
    keys: list[str] = []
    with contextlib.ExitStack() as stack:
        writer: Writer | None = None
        waiting: dict[str, pa.Table] = {}
        for table in job.source.tables(job.pieces):
            keys.append(key(job.base, table))
            if keys[-1] in known(job.cache):
                continue
            writer = writer or stack.enter_context(job.cache.write(keys[-1]))
            waiting[keys[-1]] = table
            if sum(one.nbytes for one in waiting.values()) >= PIECE:
                _write(writer, waiting, job.settings)
        if writer and waiting:
            _write(writer, waiting, job.settings)
    return keys


def read(cache: Cache, piece: Piece, found: Found) -> Iterator[tuple[list[Entry], Signatures]]:
    """What was measured in a piece: its files and their signatures."""
    places = iter(piece.places())
    for table in cache.read(found):
        flat = np.frombuffer(b"".join(table.column("signature").to_pylist()), np.uint32)
        rows = table.drop_columns(["signature"]).to_pylist()
        for row in rows:
            # One text for all files of a repository: all files are known at once, some hundred bytes each.
            row |= {name: sys.intern(row[name]) for name in _SHARED if row[name] is not None}
        yield [Entry(next(places), **row) for row in rows], flat.reshape(len(rows), -1)


def key(base: str, table: pa.Table) -> str:
    """A digest of a piece's rows, whatever the buffers behind them."""
    digest = hashlib.blake2b(base.encode(), digest_size=16)
    for batch in table.combine_chunks().to_batches():
        digest.update(batch.serialize())
    return digest.hexdigest()


def verdicts(table: pa.Table, settings: recipe.Curate) -> tuple[list[str], NDArray[np.int64], filters.Verdicts]:
    """Of rows of a shard: the names of the rule set's rules, each file's bytes, and the rules' verdicts."""
    rules = filters.rule_set(settings.rules, settings.thresholds)
    paths, languages = (table.column(name).fill_null("").to_pylist() for name in ("path", "language"))
    content = table.column("content").fill_null("").combine_chunks()
    return [rule.name for rule in rules], _lengths(content), filters.judge(rules, Batch(paths, languages, content))


def gram_set(text: str, n: int) -> Hashes:
    """The distinct n-grams of a text, sorted."""
    return np.unique(ngrams(words(text), n))


@cache
def _detector(names: tuple[str, ...], n: int) -> Detector:
    return Detector(names, n)


def _write(writer: Writer, waiting: dict[str, pa.Table], settings: recipe.Curate) -> None:
    """Measure what waits at once: a thousand small repositories cost as little as a large one."""
    measured = _measured(pa.concat_tables(waiting.values()), settings)
    start = 0
    for name, table in waiting.items():
        writer.add(name, [measured.slice(start, len(table))])
        start += len(table)
    waiting.clear()


def _measured(table: pa.Table, settings: recipe.Curate) -> pa.Table:
    """Rows of `SCHEMA` for rows of a shard."""
    columns = {name: table.column(name).combine_chunks().cast(pa.string()) for name in _ABOUT}
    for name in ("repo", "path", "language"):
        columns[name] = columns[name].fill_null("")
    names, sizes, judged = verdicts(table, settings)
    broken = judged.rule >= 0
    passed = np.flatnonzero(~broken)
    texts = table.column("content").fill_null("").combine_chunks().take(pa.array(passed))
    data, offsets = _buffers(texts)
    hashes = words_of(data, offsets)
    grams = ngrams_of(hashes, settings.duplicate_ngram)
    count = np.zeros(len(table), np.int64)
    count[passed] = np.diff(hashes.offsets)
    plain = np.zeros(len(table), np.uint64)
    plain[passed] = [_plain(data[start:end]) for start, end in pairwise(offsets)]
    signature = np.full((len(table), settings.duplicate_permutations), np.iinfo(np.uint32).max, np.uint32)
    signature[passed] = signatures([grams[row] for row in range(len(passed))], settings.duplicate_permutations)
    benchmark: list[str | None] = [None] * len(table)
    shared: list[int | None] = [None] * len(table)
    if settings.decontaminate:
        detector = _detector(settings.decontaminate, settings.contamination_ngram)
        languages = columns["language"].take(pa.array(passed)).to_pylist()
        # The first benchmark of the recipe's is the one that is named.
        for found in reversed(detector.found_batch(data, offsets, languages, hashes)):
            benchmark[passed[found.row]], shared[passed[found.row]] = found.benchmark, found.shared
    return pa.table(
        {
            **columns,
            "bytes": sizes,
            "words": count,
            "plain": plain,
            "rule": pa.array([names[rule] if rule >= 0 else None for rule in judged.rule], pa.string()),
            "measure": pa.array(judged.value, mask=~broken),
            "threshold": pa.array(judged.threshold, mask=~broken),
            "benchmark": pa.array(benchmark, pa.string()),
            "shared": pa.array(shared, pa.int64()),
            "signature": pa.array([row.tobytes() for row in signature], pa.binary()),
        },
        SCHEMA,
    )


def _buffers(texts: pa.Array) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The UTF-8 bytes of texts end to end, and where each begins."""
    _, offsets, data = texts.buffers()
    places = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return np.frombuffer(data or b"", np.uint8), places


def _lengths(texts: pa.Array) -> NDArray[np.int64]:
    return np.diff(_buffers(texts)[1])


def _plain(data: NDArray[np.uint8]) -> int:
    return int.from_bytes(hashlib.blake2b(b"".join(data.tobytes().split()), digest_size=8).digest(), "little")
