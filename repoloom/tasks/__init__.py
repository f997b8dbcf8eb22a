"""Benchmark tasks: what a model is asked, what judges the answer, and the texts that training must not have seen.

Two rooms read them: curate (decontamination, hence no torch here) and evaluate. One file a benchmark; adding one is a
row in `_BENCHMARKS`. GSM8K gives texts alone; a user's own files are named by their paths (`reference`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from repoloom.errors import UsageError
from repoloom.tasks import gsm8k, humaneval, mbpp, reference
from repoloom.tasks.jsonl import read
from repoloom.tasks.task import Task

__all__ = ["BENCHMARKS", "Task", "check", "files", "load", "name", "texts"]


@dataclass(frozen=True, slots=True)
class _Benchmark:
    data: Callable[[], Path]
    task: Callable[[Mapping[str, object]], Task]
    texts: Callable[[Mapping[str, object]], Iterator[str]]
    scored: Callable[[Task], bool] = lambda _: True


_BENCHMARKS = {
    "humaneval": _Benchmark(humaneval.data, humaneval.task, humaneval.texts),
    "mbpp": _Benchmark(mbpp.data, mbpp.task, mbpp.texts, mbpp.scored),
}

BENCHMARKS = tuple(_BENCHMARKS)
"""The names that `load` knows."""

_GSM8K = "gsm8k"


def load(benchmark: str, data: Path | None = None) -> list[Task]:
    """The tasks that the published protocol scores, in the order of the data.

    `data` is a JSON Lines file (.gz or not) of the same form as the benchmark's own, instead of the one that came with
    the package. Raises UsageError for a benchmark it does not know, UserError (file and line) for data it cannot read.
    """
    known = _find(benchmark)
    return [task for task in read(data or known.data(), known.task) if known.scored(task)]


def texts(entry: str) -> Iterator[str]:
    """Every docstring, question and solution of a benchmark, its unscored splits among them, for decontamination.

    `entry` is one of a recipe's `curate.decontaminate`: a benchmark's name or a user's file (see `reference`). Some
    texts are very short ("return number % 1.0"): what a match of so little means is for the reader to judge. Raises
    UsageError for an entry it does not understand, UserError for data it cannot read.
    """
    if entry == _GSM8K:
        yield from gsm8k.texts()
    elif entry in _BENCHMARKS:
        known = _BENCHMARKS[entry]
        for found in read(known.data(), lambda row: list(known.texts(row))):
            yield from found
    else:
        yield from _reference(entry).texts()


def name(entry: str) -> str:
    """What the ledger calls an entry of `curate.decontaminate`. Raises UsageError as `texts` does."""
    return entry if entry in (*_BENCHMARKS, _GSM8K) else _reference(entry).name


def files(entry: str) -> list[Path]:
    """The files that `texts` reads for an entry, in order, for a fingerprint. Raises as `texts` does."""
    if entry == _GSM8K:
        return [gsm8k.data()]
    return [_BENCHMARKS[entry].data()] if entry in _BENCHMARKS else _reference(entry).files()


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
        names = ", ".join((*_BENCHMARKS, _GSM8K))
        raise UsageError(
            f"no benchmark named {entry!r}: choose one of {names}, or a file: [NAME=]PATH[:FIELD,...]"
        ) from None


def _find(benchmark: str) -> _Benchmark:
    if benchmark not in _BENCHMARKS:
        raise UsageError(f"no benchmark named {benchmark!r}: choose one of {', '.join(_BENCHMARKS)}")
    return _BENCHMARKS[benchmark]
