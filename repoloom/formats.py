"""The published formats between the rooms, as Arrow schemas, and how their files are named and read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from repoloom.errors import UserError

SHARD = pa.schema(
    [
        ("repo", pa.string()),
        ("revision", pa.string()),
        ("path", pa.string()),
        ("language", pa.string()),
        ("license", pa.string()),
        ("size", pa.int64()),
        ("content", pa.large_string()),
    ]
)
"""One row a file (collect -> curate). `size` is the file's bytes as UTF-8; a repository's rows stand together."""

DOCUMENT = pa.schema(
    [
        ("document_id", pa.string()),
        ("repo", pa.string()),
        ("revision", pa.string()),
        ("language", pa.string()),
        ("license", pa.string()),
        (
            "files",
            pa.list_(
                pa.struct(
                    [("path", pa.string()), ("language", pa.string()), ("start", pa.int64()), ("end", pa.int64())]
                )
            ),
        ),
        ("text", pa.large_string()),
    ]
)
"""One row a training document (curate -> tokens). `text[start:end]`, counted in characters (code points), is one file:
the comment line with its path, its content, and a line break at the end."""


def part_name(kind: str, number: int) -> str:
    """The name of a stage's n-th output of a kind: `shards/part-00003.parquet`."""
    return f"{kind}/part-{number:05d}.parquet"


def parts(folder: Path, kind: str) -> list[Path]:
    """The Parquet files of one kind (`shards`, `documents`, `heldout`) of a stage's folder, in order.

    Raises UserError where there is none.
    """
    found = sorted((folder / kind).glob("part-*.parquet"))
    if not found:
        raise UserError(f"{folder} holds no {kind}/part-*.parquet: is it the folder of a finished stage?")
    return found


def rows(path: Path, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of one Parquet file as dictionaries, a few megabytes of a row group in memory at a time."""
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            # Not over the borders of groups: 256 documents of 4 MB were a gigabyte.
            for batch in file.iter_batches(batch_size=256, row_groups=[group], columns=columns):
                yield from batch.to_pylist()
