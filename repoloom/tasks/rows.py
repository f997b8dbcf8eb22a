"""A benchmark's data in any of the forms it is handed round in: JSON Lines, JSON, Parquet, or a file of a hub."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from repoloom.errors import UsageError, UserError
from repoloom.tasks import jsonl

Item = TypeVar("Item")

_HUB = "hf:"


def read(path: Path, parse: Callable[[Mapping[str, object]], Item]) -> Iterator[Item]:
    """Yield `parse(row)` for every row. Raises UserError with file and line or row for one that `parse` refuses."""
    if path.suffix == ".parquet":
        rows: Iterator[object] = parquet(path)
    elif path.name.endswith((".json", ".json.gz")):
        rows = in_json(path)
    else:
        yield from jsonl.read(path, parse)
        return
    for number, row in enumerate(rows, 1):
        try:
            if not isinstance(row, dict):
                raise ValueError("expected a JSON object")
            item = parse(row)
        except ValueError as error:
            raise UserError(f"{path}, row {number}: {error}") from None
        yield item


def parquet(path: Path) -> Iterator[Mapping[str, object]]:
    """The rows of a Parquet file. Raises UserError where it is none."""
    import pyarrow as pa  # here, because a recipe is checked without it
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=256):
                yield from batch.to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"cannot read {path}: {str(error).splitlines()[0]}") from None


def in_json(path: Path) -> Iterator[object]:
    """A row, a list of rows, or rows a line: files of all three kinds are called .json."""
    try:
        with jsonl.opened(path) as file:
            whole = json.load(file)
    except (ValueError, RecursionError):
        yield from jsonl.read(path, dict)
        return
    yield from whole if isinstance(whole, list) else [whole]


def located(data: str) -> Path:
    """The file that `--data` names: a path, or `hf:OWNER/NAME/FILE[@REVISION]`, a file of a Hugging Face dataset.

    What is on the hub is fetched once and then found in its cache. Raises UsageError for another form, UserError
    where it cannot be had.
    """
    if not data.startswith(_HUB):
        return Path(data)
    name, _, revision = data.removeprefix(_HUB).partition("@")
    parts = name.split("/")
    if len(parts) < 3 or not all(parts):
        raise UsageError(f"{data}: expected hf:OWNER/NAME/FILE[@REVISION], such as hf:xlangai/DS-1000/test.jsonl")
    from huggingface_hub import hf_hub_download  # a second to import, and most data is a file here

    try:
        return Path(
            hf_hub_download("/".join(parts[:2]), "/".join(parts[2:]), repo_type="dataset", revision=revision or None)
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"cannot fetch {data}: {str(error).strip().splitlines()[0]}") from None
