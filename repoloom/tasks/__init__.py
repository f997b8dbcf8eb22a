"""Benchmark tasks: what a model is asked, what judges the answer, and the texts that training must not have seen.

Two rooms read them: curate (decontamination, `protected`, hence no torch here) and evaluate. One file a benchmark, by
the contract of `task`; adding one is a row in `_BENCHMARKS`.
"""

from collections.abc import Sequence
from pathlib import Path

from repoloom.errors import UsageError, UserError
from repoloom.tasks import crosscodeeval, ds1000, gsm8k, humaneval, infilling, leetcode, mbpp, multiple, repobench
from repoloom.tasks.protected import check, files, name, texts
from repoloom.tasks.rows import located, read
from repoloom.tasks.task import Benchmark, Task, Variant

__all__ = ["BENCHMARKS", "Benchmark", "Task", "Variant", "check", "files", "find", "load", "name", "texts", "variant"]

_BENCHMARKS: dict[str, Benchmark] = {
    "humaneval": humaneval.BENCHMARK,
    **multiple.BENCHMARKS,
    "mbpp": mbpp.BENCHMARK,
    **infilling.BENCHMARKS,
    "crosscodeeval": crosscodeeval.BENCHMARK,
    "repobench": repobench.BENCHMARK,
    "ds1000": ds1000.BENCHMARK,
    "leetcode": leetcode.BENCHMARK,
    "gsm8k-pal": gsm8k.BENCHMARK,
}

BENCHMARKS = tuple(_BENCHMARKS)
"""The names that `load` knows."""


def find(benchmark: str) -> Benchmark:
    """The benchmark of that name. Raises UsageError that lists them."""
    if benchmark not in _BENCHMARKS:
        raise UsageError(f"no benchmark named {benchmark!r}: choose one of {', '.join(_BENCHMARKS)}")
    return _BENCHMARKS[benchmark]


def variant(benchmark: str, name: str | None = None, *, samples: bool = False) -> Variant:
    """A variant by name, or the default; with `samples` that of samples made elsewhere. Raises UsageError."""
    known = find(benchmark)
    chosen = name or (known.samples if samples else None) or next(iter(known.variants))
    if chosen not in known.variants:
        raise UsageError(f"{benchmark} has no variant {chosen!r}: choose one of {', '.join(known.variants)}")
    return known.variants[chosen]


def load(benchmark: str, data: Path | str | None = None) -> list[Task]:
    """The tasks that the published protocol scores, in the order of the data.

    `data` is a file of the form that the benchmark was published in (JSON Lines, JSON or Parquet; a path, or
    `hf:OWNER/NAME/FILE`), instead of the one that came with the package; for some benchmarks a curated corpus's folder,
    too. Raises UsageError for a benchmark it does not know or has no data for, UserError (file, line, key) for data it
    cannot read.
    """
    known = find(benchmark)
    if data is None:
        if known.data is None:
            raise UsageError(
                f"{benchmark}: its data does not come with the package: give --data, see docs/benchmarks.md"
            )
        place = known.data()
    else:
        place = located(str(data))
    if place.is_dir() and known.built is not None:
        tasks = [task for row in known.built(place) for task in known.tasks(row)]
    else:
        tasks = [task for found in read(place, lambda row: list(known.tasks(row))) for task in found]
    _distinct(place, tasks)
    return tasks


def _distinct(place: Path, tasks: Sequence[Task]) -> None:
    """Samples name their task, so two of one name, or none at all, would be scored wrongly. Raises UserError."""
    if not tasks:
        raise UserError(f"{place} holds no task")
    seen: set[str] = set()
    for task in tasks:
        if task.task_id in seen:
            raise UserError(f"{place}: two tasks are called {task.task_id!r}")
        seen.add(task.task_id)
