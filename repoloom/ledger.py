"""The ledger: a row for every file or repository a stage dropped: the rule, its measure, its threshold."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

SCHEMA = pa.schema(
    [
        ("repo", pa.string()),
        ("path", pa.string()),
        ("stage", pa.string()),
        ("rule", pa.string()),
        ("measure", pa.float64()),
        ("threshold", pa.float64()),
        ("bytes", pa.int64()),
        ("kept_as", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Row:
    """One drop. `path` is empty where the whole repository went; `kept_as` names what it duplicates, if
    anything, whose own row leads on if that went too."""

    repo: str
    path: str
    stage: str
    rule: str
    measure: float | None = None
    threshold: float | None = None
    bytes: int = 0
    kept_as: str | None = None


def table(rows: Iterable[Row]) -> pa.Table:
    """The rows as an Arrow table of `SCHEMA`, in the order given."""
    return pa.Table.from_pylist([asdict(row) for row in rows], SCHEMA)


def write(rows: Iterable[Row], path: Path) -> None:
    """Write the rows to one Parquet file (zstd)."""
    pq.write_table(table(rows), path, compression="zstd")


def read(folder: Path) -> pa.Table:
    """All rows of a stage's `ledger/` folder; an empty table where there is none."""
    parts = sorted((folder / "ledger").glob("*.parquet"))
    return pa.concat_tables([pq.read_table(part, schema=SCHEMA) for part in parts]) if parts else SCHEMA.empty_table()
