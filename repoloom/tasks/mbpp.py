"""MBPP: 974 small Python problems (Austin et al., arXiv 2108.07732), CC-BY-4.0, carried in `data/`.

Ids 11 to 510 are the test split that DeepSeek Coder scores; the first ten are the prompt's examples, the rest was for
tuning. Decontamination covers them all.
"""

import ast
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

from repoloom.tasks.jsonl import text
from repoloom.tasks.task import Task

_SCORED = range(11, 511)


def data() -> Path:
    """The file in this package."""
    return Path(__file__).parent / "data" / "mbpp.jsonl.gz"


def task(row: Mapping[str, object]) -> Task:
    """A row of the data as a task: the prompt is the bare question, a completion is a whole program."""
    number = row.get("task_id")
    tests = row.get("test_list")
    if not isinstance(number, int):
        raise ValueError("expected a whole number under 'task_id'")
    if not isinstance(tests, list) or not all(isinstance(test, str) for test in tests):
        raise ValueError("expected a list of texts under 'test_list'")
    judge = "\n".join([text(row, "test_setup_code"), *tests]) + "\n"
    return Task(
        task_id=str(number),
        prompt=text(row, "text"),
        suffix="",
        reference=text(row, "code"),
        test=judge,
        entry_point=_entry_point(text(row, "code"), judge),
    )


def scored(task: Task) -> bool:
    """Whether the task belongs to the published test split."""
    return int(task.task_id) in _SCORED


def texts(row: Mapping[str, object]) -> Iterator[str]:
    """The question and the solution."""
    yield text(row, "text")
    yield text(row, "code")


def _entry_point(reference: str, test: str) -> str:
    """The first function in the tests that the solution defines: one of them shadows a built-in (`sum`, task 126)."""
    with warnings.catch_warnings(action="ignore"):  # the solutions hold "\\d" and the like
        solution, tests = ast.parse(reference), ast.parse(test)
    defined = {node.name for node in solution.body if isinstance(node, ast.FunctionDef)}
    names = (node.id for node in ast.walk(tests) if isinstance(node, ast.Name) and node.id in defined)
    return next(names, "")
