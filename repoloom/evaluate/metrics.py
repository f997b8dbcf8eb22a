"""pass@k, and how far a score can be trusted: intervals by resampling the tasks, and two models compared on the same.

What varies between one evaluation and the next is which tasks a benchmark happens to have, so tasks are resampled, not
samples. Tasks that were made from one function (the lines of one solution) are drawn together: taken for independent
they would make an interval several times too narrow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

ROUNDS = 10_000
LEVEL = 0.95
_DRAWN = 1 << 22
"""Draws held in memory at one time."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over tasks, and the interval that holds `LEVEL` of its resamples."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """How much better the first of two models is on the same tasks."""

    difference: Estimate
    chance: float
    """How often a difference as large, to either side, would come up if there were none: two-sided."""
    tasks: int


def pass_at_k(samples: int, passed: int, k: int) -> float:
    """The unbiased estimate that one of `k` samples passes, from `samples` of one task [arXiv 2107.03374, 2.1].

    Raises ValueError for more `k` than samples, which say nothing of it.
    """
    if not 0 <= passed <= samples or not 0 < k <= samples:
        raise ValueError(f"pass@{k} of {passed} among {samples} samples")
    return 1.0 - comb(samples - passed, k) / comb(samples, k)


def estimate(scores: Mapping[str, float], groups: Mapping[str, str] | None = None, seed: int = 0) -> Estimate:
    """The mean of the tasks' scores, with its percentile bootstrap interval [Efron 1979] of `ROUNDS` resamples.

    Where no task was solved, or all were, resamples say nothing, and the interval is the exact one [Clopper and Pearson
    1934]. `groups` names what each task was made from, where several share it. Raises ValueError without a task.
    """
    sums, sizes = _by_group(scores, groups)
    unseen = 1.0 - ((1 - LEVEL) / 2) ** (1 / len(sums))
    if not sums.any():
        return Estimate(0.0, 0.0, unseen)
    if (sums == sizes).all():
        return Estimate(1.0, 1.0 - unseen, 1.0)
    means = _resampled(sums, sizes, seed)
    return Estimate(float(sums.sum() / sizes.sum()), *_interval(means))


def compare(
    ours: Mapping[str, float], theirs: Mapping[str, float], groups: Mapping[str, str] | None = None, seed: int = 0
) -> Difference:
    """The paired bootstrap [Koehn 2004]: both models keep the tasks that a resample drew.

    Raises ValueError where the two were not scored on the same tasks.
    """
    if ours.keys() != theirs.keys():
        raise ValueError(f"not the same tasks: {len(ours.keys() ^ theirs.keys())} were scored for one model alone")
    sums, sizes = _by_group({task: ours[task] - theirs[task] for task in ours}, groups)
    means = _resampled(sums, sizes, seed)
    mean = float(sums.sum() / sizes.sum())
    # Resamples scatter around the difference as it does around the truth: so far out is 0, seen from it.
    beyond = int((np.abs(means - mean) >= abs(mean) - 1e-12).sum())
    return Difference(Estimate(mean, *_interval(means)), (beyond + 1) / (ROUNDS + 1), len(ours))


def _by_group(scores: Mapping[str, float], groups: Mapping[str, str] | None) -> tuple[Floats, Floats]:
    """The sum of the scores of each group, and its size."""
    if not scores:
        raise ValueError("no task was scored")
    names = list(scores) if groups is None else [groups[task] for task in scores]
    number = {name: place for place, name in enumerate(dict.fromkeys(names))}
    of_task = np.array([number[name] for name in names])
    values = np.array(list(scores.values()), np.float64)
    return np.bincount(of_task, values).astype(np.float64), np.bincount(of_task).astype(np.float64)


def _resampled(sums: Floats, sizes: Floats, seed: int) -> Floats:
    """The mean of each of `ROUNDS` resamples of groups."""
    draw = np.random.Generator(np.random.Philox(seed))
    rounds = max(1, _DRAWN // len(sums))
    means = []
    for first in range(0, ROUNDS, rounds):
        drawn = draw.integers(0, len(sums), (min(rounds, ROUNDS - first), len(sums)))
        means.append(sums[drawn].sum(1) / sizes[drawn].sum(1))
    return np.concatenate(means)


def _interval(means: Floats) -> tuple[float, float]:
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def passes(rows: Sequence[Mapping[str, object]], k: int) -> dict[str, float]:
    """pass@k of each task that has as many samples, from rows of `task_id` and `passed`."""
    found: dict[str, list[bool]] = {}
    for row in rows:
        found.setdefault(str(row["task_id"]), []).append(bool(row["passed"]))
    return {task: pass_at_k(len(of), sum(of), k) for task, of in found.items() if len(of) >= k}
