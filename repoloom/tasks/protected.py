"""The texts that training must not have seen, by the entries of a recipe's `curate.decontaminate`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from repoloom.errors import UsageError
from repoloom.tasks import gsm8k, humaneval, mbpp, reference
from repoloom.tasks.jsonl import read

_CARRIED: dict[str, tuple[Callable[[], Path], Callable[[Mapping[str, object]], Iterator[str]]]] = {
    "humaneval": (humaneval.data, humaneval.texts),
    "mbpp": (mbpp.data, mbpp.texts),
    "gsm8k": (gsm8k.data, gsm8k.texts),
}


def texts(entry: str) -> Iterator[str]:
    """Every docstring, question and solution of a benchmark, its unscored splits among them, for decontamination.

    `entry` is one of a recipe's `curate.decontaminate`: a benchmark's name or a user's file (see `reference`). Some
    texts are very short ("return number % 1.0"): what a match of so little means is for the reader to judge. Raises
    UsageError for an entry it does not understand, UserError for data it cannot read.
    """
    if entry in _CARRIED:
        data, of = _CARRIED[entry]
        for found in read(data(), lambda row: list(of(row))):
            yield from found
    else:
        yield from _reference(entry).texts()


def name(entry: str) -> str:
    """What the ledger calls an entry of `curate.decontaminate`. Raises UsageError as `texts` does."""
    return entry if entry in _CARRIED else _reference(entry).name


def files(entry: str) -> list[Path]:
    """The files that `texts` reads for an entry, in order, for a fingerprint. Raises as `texts` does."""
    return [_CARRIED[entry][0]()] if entry in _CARRIED else _reference(entry).files()


def check(entries: Sequence[str]) -> None:
    """Raises ValueError for an entry that `texts` would not understand, and for two of one name. Reads no file."""
    seen: set[str] = set()
    for entry in entries:
        try:
            called = name(entry)
        except UsageError as error:
            raise ValueError(str(error)) from None
        if called in seen:
            raise ValueError(f"two entries are called {called!r}: give {entry!r} a name of its own, as NAME=PATH")
        seen.add(called)


def _reference(entry: str) -> reference.Reference:
    try:
        return reference.parse(entry)
    except ValueError:
        names = ", ".join(_CARRIED)
        raise UsageError(
            f"no benchmark named {entry!r}: choose one of {names}, or a file: [NAME=]PATH[:FIELD,...]"
        ) from None
