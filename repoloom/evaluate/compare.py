"""Two models on the same tasks: what `repoloom compare` prints, from the samples that two evaluations left."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from repoloom.errors import UserError
from repoloom.evaluate import metrics
from repoloom.tasks.jsonl import read, text

MEASURES = ("passed", "exact_match")
"""What a sample's row is compared by: the first that it has."""


def compare(ours: Path, theirs: Path) -> dict[str, dict[str, Any]]:
    """By benchmark, for those that both folders of `evaluate` hold: both means, their difference, its interval, chance.

    Tasks that only one of them scored are left out and counted. Raises UserError where they have none in common.
    """
    files = [{path.stem: path for path in (folder / "samples").glob("*.jsonl")} for folder in (ours, theirs)]
    common = sorted(files[0].keys() & files[1].keys())
    if not common:
        raise UserError(f"{ours} and {theirs} hold samples of no benchmark in common: are they folders of evaluate?")
    return {name: _compared(files[0][name], files[1][name]) for name in common}


def _compared(ours: Path, theirs: Path) -> dict[str, Any]:
    a, groups = _scores(ours)
    b, _ = _scores(theirs)
    tasks = [task for task in a if task in b]
    if not tasks:
        raise UserError(f"{ours} and {theirs} hold no task in common")
    found = metrics.compare({task: a[task] for task in tasks}, {task: b[task] for task in tasks}, groups)
    return {
        "ours": sum(a[task] for task in tasks) / len(tasks),
        "theirs": sum(b[task] for task in tasks) / len(tasks),
        "difference": found.difference.mean,
        "low": found.difference.low,
        "high": found.difference.high,
        "chance": found.chance,
        "tasks": len(tasks),
        "left_out": len(a.keys() ^ b.keys()),
    }


def _scores(samples: Path) -> tuple[dict[str, float], dict[str, str]]:
    """The mean of each task's samples, and what each task was made from."""
    found: dict[str, list[float]] = {}
    groups: dict[str, str] = {}
    for task, score, group in read(samples, _scored):
        found.setdefault(task, []).append(score)
        groups[task] = group
    return {task: sum(of) / len(of) for task, of in found.items()}, groups


def _scored(row: Mapping[str, object]) -> tuple[str, float, str]:
    value = next((row[name] for name in MEASURES if name in row), None)
    if not isinstance(value, int | float):
        raise ValueError(f"expected a number under one of {', '.join(MEASURES)}")
    task = text(row, "task_id")
    return task, float(value), str(row.get("group", task))
