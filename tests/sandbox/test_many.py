"""Many at once: every verdict once, time-outs tried again alone, limits by the reference's own time."""

import threading
import time
from collections.abc import Callable

import pytest

from repoloom.sandbox import Limits, Verdict, judge, judge_many, limits_for


def test_limits_scale_with_the_reference() -> None:
    assert limits_for(0.01, Limits(seconds=3)).seconds == 3.0
    assert limits_for(2.0, Limits(seconds=3)).seconds == 20.0
    assert limits_for(2.0, Limits(processes=5)) == Limits(seconds=20.0, processes=5)


def test_a_time_out_is_tried_again_alone_and_last() -> None:
    running, most_beside_a_retry, tries = [0], [0], [0] * 6
    lock = threading.Lock()

    def judgement(number: int) -> Callable[[], Verdict]:
        def run() -> Verdict:
            with lock:
                running[0] += 1
                tries[number] += 1
                if tries[number] == 2:
                    most_beside_a_retry[0] = max(most_beside_a_retry[0], running[0])
            time.sleep(0.02)
            with lock:
                running[0] -= 1
            slow = number == 4 or (number == 1 and tries[number] == 1)
            return Verdict(not slow, "time limit" if slow else "passed", str(number), 0.1)

        return run

    found = list(judge_many([judgement(number) for number in range(6)], workers=3))
    assert sorted(number for number, _ in found[:4]) == [0, 2, 3, 5]
    assert [(number, verdict.outcome) for number, verdict in found[4:]] == [(1, "passed"), (4, "time limit")]
    assert tries == [1, 2, 1, 1, 2, 1]
    assert most_beside_a_retry == [1]
    assert all(verdict.detail == str(number) for number, verdict in found)


def test_an_error_ends_it() -> None:
    def breaks() -> Verdict:
        raise RuntimeError("no sandbox")

    with pytest.raises(RuntimeError, match="no sandbox"):
        list(judge_many([breaks] * 50, workers=2))


@pytest.mark.usefixtures("sandbox")
def test_real_programs() -> None:
    def judgement(number: int) -> Callable[[], Verdict]:
        program = f"def f():\n    return {number % 3}"
        return lambda: judge(program, "assert f() == 1", entry_point="f", limits=Limits(seconds=60))

    found = dict(judge_many([judgement(number) for number in range(12)], workers=2))
    assert [found[number].passed for number in range(12)] == [number % 3 == 1 for number in range(12)]


@pytest.mark.usefixtures("sandbox")
def test_without_walls_the_verdicts_are_the_same() -> None:
    for body, outcome in (("return 1", "passed"), ("return 2", "wrong answer"), ("while True: pass", "time limit")):
        limits = Limits(seconds=2 if outcome == "time limit" else 60)
        found = judge(f"def f():\n    {body}", "assert f() == 1", entry_point="f", limits=limits, unsafe=True)
        assert found.outcome == outcome, found
