"""Task data as JSON Lines, gzip-compressed or not, read with errors that name the file and the line."""

import contextlib
import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TextIO, TypeVar, cast

from repoloom.errors import UserError

Item = TypeVar("Item")

_LONGEST = 1 << 26
"""Characters of a line. One without an end would fill the memory."""


def read(path: Path, parse: Callable[[Mapping[str, object]], Item]) -> Iterator[Item]:
    """Yield `parse(row)` for every line that is not blank. Raises UserError where a line is not a row `parse` knows."""
    number = 0
    try:
        with opened(path) as file:
            while line := file.readline(_LONGEST):
                number += 1
                if len(line) == _LONGEST:
                    raise ValueError(f"longer than {_LONGEST:,} characters")
                if line.strip():
                    yield parse(_row(line))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}, line {max(number, 1)}: {error}") from None


@contextlib.contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    """The file as text, gzip-compressed where its name ends in .gz. Raises UserError where it cannot be read."""
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8") as file:
            yield cast(TextIO, file)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None


def text(row: Mapping[str, object], key: str) -> str:
    """The string under `key`. Raises ValueError that names the key."""
    value = row.get(key)
    if not isinstance(value, str):
        raise ValueError(f"expected a text under {key!r}")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError(f"half of a surrogate pair under {key!r}") from None
    return value


def texts(row: Mapping[str, object], key: str) -> list[str]:
    """The list of strings under `key`. Raises ValueError that names the key."""
    values = row.get(key)
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"expected a list of texts under {key!r}")
    return [text({key: value}, key) for value in values]


def table(row: Mapping[str, object], key: str) -> Mapping[str, object]:
    """The object under `key`. Raises ValueError that names the key."""
    value = row.get(key)
    if not isinstance(value, dict):
        raise ValueError(f"expected an object under {key!r}")
    return value


def tables(row: Mapping[str, object], key: str) -> list[Mapping[str, object]]:
    """The list of objects under `key`. Raises ValueError that names the key."""
    values = row.get(key)
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise ValueError(f"expected a list of objects under {key!r}")
    return values


def _row(line: str) -> Mapping[str, object]:
    row = json.loads(line)
    if not isinstance(row, dict):
        raise ValueError("expected a JSON object")
    return row
