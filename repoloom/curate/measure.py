"""First pass, a chunk of a shard a worker: filter rules, contamination, and the signatures that later steps compare.

What it finds is written as a small Parquet file of this stage's own, so that the second pass can be planned with the
corpus still on disk, and a killed run does not measure again.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from repoloom import recipe
from repoloom.curate import rules
from repoloom.curate.decontaminate import contamination
from repoloom.curate.grams import Hashes, ngrams, words
from repoloom.curate.minhash import Signatures, signatures
from repoloom.curate.source import Chunk, Entry, Place, Source
from repoloom.stage import Work

_BATCH = 512

_SCHEMA = pa.schema(
    [
        ("shard", pa.int32()),
        ("group", pa.int32()),
        ("row", pa.int32()),
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
_NO_GRAMS = np.empty(0, np.uint64)


@dataclass(frozen=True, slots=True)
class Job:
    """One chunk to measure, and the name of the file that holds what was found."""

    work: Work
    source: Source
    chunk: Chunk
    settings: recipe.Curate
    name: str


def measure(job: Job) -> str:
    """Measure one chunk and write what was found; nothing where that stands already. Returns the job's name."""
    if not job.work.path(job.name).exists():
        with job.work.write(job.name) as partial, pq.ParquetWriter(partial, _SCHEMA, compression="zstd") as writer:
            rows: list[dict[str, Any]] = []
            grams: list[Hashes] = []
            for place, values in job.source.rows(job.chunk):
                row, gram = _measured(place, values, job.settings)
                rows.append(row)
                grams.append(gram)
                if len(rows) == _BATCH:
                    _write(writer, rows, grams, job.settings)
            _write(writer, rows, grams, job.settings)
    return job.name


def read(work: Work, name: str) -> Iterator[tuple[list[Entry], Signatures]]:
    """What one chunk's measuring found, a batch of files at a time, with their signatures."""
    with pq.ParquetFile(work.path(name)) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            flat = np.frombuffer(b"".join(table.column("signature").to_pylist()), np.uint32)
            rows = table.drop_columns(["signature"]).to_pylist()
            entries = [Entry(Place(row.pop("shard"), row.pop("group"), row.pop("row")), **row) for row in rows]
            yield entries, flat.reshape(len(entries), -1)


def gram_set(text: str, n: int) -> Hashes:
    """The distinct n-grams of a text, sorted."""
    return np.unique(ngrams(words(text), n))


def _measured(place: Place, values: dict[str, Any], settings: recipe.Curate) -> tuple[dict[str, Any], Hashes]:
    text, language = values["content"] or "", values["language"] or ""
    row: dict[str, Any] = {
        "shard": place.shard,
        "group": place.group,
        "row": place.row,
        **{key: values[key] for key in ("revision", "license")},
        "repo": values["repo"] or "",
        "path": values["path"] or "",
        "language": language,
        "bytes": len(text.encode()),
        "words": 0,
        "plain": 0,
    }
    broken = rules.first_broken(rules.rules(settings.rules), language, text)
    if broken is not None:
        return {**row, "rule": broken.rule.name, "measure": broken.value, "threshold": broken.threshold}, _NO_GRAMS
    hashes = words(text)
    plain = hashlib.blake2b("".join(text.split()).encode(), digest_size=8).digest()
    row |= {"words": len(hashes), "plain": int.from_bytes(plain, "little")}
    if found := contamination(text, settings.decontaminate, settings.contamination_ngram):
        row["benchmark"], row["shared"] = found
    return row, ngrams(hashes, settings.duplicate_ngram)


def _write(writer: pq.ParquetWriter, rows: list[dict[str, Any]], grams: list[Hashes], settings: recipe.Curate) -> None:
    if rows:
        found = signatures(grams, settings.duplicate_permutations)
        for row, signature in zip(rows, found, strict=True):
            row["signature"] = signature.tobytes()
        writer.write_table(pa.Table.from_pylist(rows, _SCHEMA))
    rows.clear()
    grams.clear()
