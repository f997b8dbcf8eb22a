"""pass@k and bootstrap against what can be reckoned exactly."""

import itertools
import math

import numpy as np
import pytest

from repoloom.evaluate import metrics


@pytest.mark.parametrize(("samples", "passed", "k"), [(5, 2, 1), (5, 2, 3), (6, 0, 2), (6, 6, 2), (7, 1, 7)])
def test_pass_at_k_is_the_share_of_all_choices_of_k(samples: int, passed: int, k: int) -> None:
    choices = list(itertools.combinations([True] * passed + [False] * (samples - passed), k))
    expected = sum(any(choice) for choice in choices) / len(choices)
    assert math.isclose(metrics.pass_at_k(samples, passed, k), expected)


@pytest.mark.parametrize(("samples", "passed", "k"), [(3, 1, 4), (3, 4, 1), (3, -1, 1), (3, 1, 0)])
def test_what_no_samples_can_say_is_refused(samples: int, passed: int, k: int) -> None:
    with pytest.raises(ValueError, match="pass@"):
        metrics.pass_at_k(samples, passed, k)


def test_of_many_tasks_the_interval_is_that_of_the_central_limit() -> None:
    values = np.random.default_rng(0).random(2_000)
    found = metrics.estimate({str(number): value for number, value in enumerate(values)})
    reach = 1.96 * values.std() / math.sqrt(len(values))
    assert found.mean == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((values.mean() - reach, values.mean() + reach), abs=0.05 * reach)


def test_an_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        passed = rng.random(164) < 0.3
        found = metrics.estimate({str(number): float(one) for number, one in enumerate(passed)})
        held += found.low <= 0.3 <= found.high
    assert 180 <= held <= 199


@pytest.mark.parametrize(("solved", "low", "high"), [(0.0, 0.0, 0.0222), (1.0, 0.9778, 1.0)])
def test_none_of_many_is_not_never(solved: float, low: float, high: float) -> None:
    found = metrics.estimate({str(number): solved for number in range(164)})
    assert (found.mean, found.low, found.high) == pytest.approx((solved, low, high), abs=1e-4)


def test_tasks_of_one_function_are_drawn_together() -> None:
    rng = np.random.default_rng(2)
    solved = rng.random(50) < 0.5
    scores = {f"{function}/{line}": float(solved[function]) for function in range(50) for line in range(10)}
    alone = metrics.estimate(scores)
    together = metrics.estimate(scores, {task: task.partition("/")[0] for task in scores})
    once = metrics.estimate({str(function): float(one) for function, one in enumerate(solved)})
    assert together.mean == alone.mean == once.mean
    assert together.high - together.low == pytest.approx(once.high - once.low, rel=0.05)
    assert together.high - together.low > 2.5 * (alone.high - alone.low)


def test_a_paired_comparison_sees_what_two_intervals_do_not() -> None:
    rng = np.random.default_rng(3)
    theirs = {str(number): float(one) for number, one in enumerate(rng.random(164) < 0.5)}
    ours = dict(theirs)
    for task in [task for task, value in theirs.items() if not value][:8]:
        ours[task] = 1.0
    found = metrics.compare(ours, theirs)
    assert found.difference.mean == pytest.approx(8 / 164)
    assert found.difference.low > 0
    assert found.chance < 0.02
    assert metrics.estimate(ours).low < metrics.estimate(theirs).high  # their intervals overlap


def test_equal_models_do_not_differ() -> None:
    scores = {str(number): float(number % 3 == 0) for number in range(60)}
    found = metrics.compare(scores, scores)
    assert found.difference == metrics.Estimate(0.0, 0.0, 0.0)
    assert found.chance == 1.0


def test_models_of_no_real_difference_seldom_seem_to_differ() -> None:
    rng = np.random.default_rng(4)
    seemed = 0
    for _ in range(100):
        ours, theirs = ({str(number): float(one) for number, one in enumerate(rng.random(164) < 0.4)} for _ in range(2))
        seemed += metrics.compare(ours, theirs).chance < 0.05
    assert seemed <= 12


def test_other_tasks_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="not the same tasks: 2"):
        metrics.compare({"a": 1.0, "b": 0.0}, {"a": 1.0, "c": 0.0})


def test_the_same_seed_gives_the_same_interval_at_any_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = {str(number): float(number % 3 == 0) for number in range(60)}
    whole = metrics.estimate(scores)
    assert metrics.estimate(scores) == whole
    monkeypatch.setattr(metrics, "_DRAWN", 600)
    assert metrics.estimate(scores) == whole


def test_only_tasks_with_enough_samples_have_a_pass_at_k() -> None:
    rows = [{"task_id": "a", "passed": passed} for passed in (True, False)] + [{"task_id": "b", "passed": True}]
    assert metrics.passes(rows, 1) == {"a": 0.5, "b": 1.0}
    assert metrics.passes(rows, 2) == {"a": 1.0}
