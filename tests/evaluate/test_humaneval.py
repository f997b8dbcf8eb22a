"""The published protocol: what is asked, what is judged."""

import pytest

from repoloom.evaluate.score import verdicts
from repoloom.sandbox import Limits, probe
from repoloom.tasks import Task, load, variant

WAY = variant("humaneval", "deepseek")
LIMITS = Limits(seconds=WAY.seconds)
needs_sandbox = pytest.mark.skipif(probe().reason is not None, reason=f"no sandbox: {probe().reason}")


def program(task: Task, completion: str) -> str:
    return WAY.program(task, WAY.answer(task, completion))


@needs_sandbox
def test_solutions_pass_as_the_protocol_puts_them_together() -> None:
    tasks = load("humaneval")[::8]
    programs = [program(task, task.reference) for task in tasks]
    found = dict(verdicts(tasks, programs, LIMITS))
    assert [found[number].passed for number in range(len(tasks))] == [True] * len(tasks)


@needs_sandbox
def test_the_prelude_is_there_and_numpy_where_it_is_named() -> None:
    task = load("humaneval")[53]
    assert task.entry_point == "add"
    completions = ["    return int(np.add(x, y))", "    return math.floor(Counter(a=x + y)['a'])", "    return npp"]
    found = dict(verdicts([task] * 3, [program(task, text) for text in completions], LIMITS))
    assert [found[number].passed for number in range(3)] == [True, True, False]


def test_numpy_is_not_imported_for_nothing() -> None:
    task = load("humaneval")[0]
    assert "numpy" not in program(task, "    return True")
