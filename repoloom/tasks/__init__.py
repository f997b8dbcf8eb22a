"""Benchmark tasks: what a model is asked, what judges the answer, and the texts that training must not have seen.

Two rooms read them: curate (decontamination, hence no torch here) and evaluate. One file a benchmark; adding one is a
row in `_BENCHMARKS`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from repoloom.errors import UsageError
from repoloom.tasks import humaneval, mbpp
from repoloom.tasks.jsonl import read
from repoloom.tasks.task import Task

__all__ = ["BENCHMARKS", "Task", "load", "texts"]


@dataclass(frozen=True, slots=True)
class _Benchmark:
    data: Callable[[], Path]
    task: Callable[[Mapping[str, object]], Task]
    texts: Callable[[Task], Iterator[str]]
    scored: Callable[[Task], bool] = lambda _: True


_BENCHMARKS = {
    "humaneval": _Benchmark(humaneval.data, humaneval.task, humaneval.texts),
    "mbpp": _Benchmark(mbpp.data, mbpp.task, mbpp.texts, mbpp.scored),
}

BENCHMARKS = tuple(_BENCHMARKS)
"""The names that `load` and `texts` know."""


def load(benchmark: str, data: Path | None = None) -> list[Task]:
    """The tasks that the published protocol scores, in the order of the data.

    `data` is a JSON Lines file (.gz or not) of the same form as the benchmark's own, instead of the one that came with
    the package. Raises UsageError for a benchmark it does not know, UserError (file and line) for data it cannot read.
    """
    known = _find(benchmark)
    return [task for task in read(data or known.data(), known.task) if known.scored(task)]


def texts(benchmark: str) -> Iterator[str]:
    """Every docstring, question and solution of the benchmark, its unscored splits among them, for decontamination.

    Some are very short ("return number % 1.0"): what a match of so little means is for the reader to judge.
    """
    known = _find(benchmark)
    for task in read(known.data(), known.task):
        yield from known.texts(task)


def _find(benchmark: str) -> _Benchmark:
    if benchmark not in _BENCHMARKS:
        raise UsageError(f"no benchmark named {benchmark!r}: choose one of {', '.join(_BENCHMARKS)}")
    return _BENCHMARKS[benchmark]
