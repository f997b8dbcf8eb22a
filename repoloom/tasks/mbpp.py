"""MBPP: 974 small Python problems (Austin et al., arXiv 2108.07732), CC-BY-4.0, carried in `data/`.

Ids 11 to 510 are the test split that DeepSeek Coder scores; ids 2, 3 and 4 are its examples [R Evaluation/MBPP].
Decontamination covers them all. Variants: `deepseek` (3-shot, of which the last examples go where the prompt is too
long), `instruct` (the same examples in a message, the answer in a fenced block).
"""

import ast
import functools
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

from repoloom.tasks.answers import cut, fenced
from repoloom.tasks.humaneval import prelude
from repoloom.tasks.jsonl import read, text
from repoloom.tasks.jsonl import texts as texts_of
from repoloom.tasks.task import Benchmark, Row, Task, Variant

_SCORED = range(11, 511)
_SHOTS = range(2, 5)
_DONE = ("[DONE]",)


def data() -> Path:
    """The file in this package."""
    return Path(__file__).parent / "data" / "mbpp.jsonl.gz"


def task(row: Row) -> Task:
    """A row of the data as a task: the prompt is the bare question, a completion is a whole program."""
    number = row.get("task_id")
    if not isinstance(number, int):
        raise ValueError("expected a whole number under 'task_id'")
    judge = "\n".join([text(row, "test_setup_code"), *texts_of(row, "test_list")]) + "\n"
    return Task(
        task_id=str(number),
        prompt=text(row, "text"),
        suffix="",
        reference=text(row, "code"),
        test=judge,
        entry_point=_entry_point(text(row, "code"), judge),
        row=row,
    )


def tasks(row: Row) -> list[Task]:
    """The row's task, if it belongs to the published test split."""
    found = task(row)
    return [found] if int(found.task_id) in _SCORED else []


def texts(row: Mapping[str, object]) -> Iterator[str]:
    """The question and the solution."""
    yield text(row, "text")
    yield text(row, "code")


@functools.cache
def _shots() -> tuple[Task, ...]:
    """The examples always are those of the package: a user's own data needs not hold them."""
    return tuple(found for found in read(data(), task) if int(found.task_id) in _SHOTS)


def _solution(shot: Task) -> str:
    return shot.reference.replace("\r", "").replace("\t", "    ")


def _question(task: Task) -> str:
    tests = "\n".join(texts_of(task.row, "test_list"))
    return (
        f"You are an expert Python programmer, and here is your task: {task.prompt} "
        f"Your code should pass these tests:\n\n{tests}\n[BEGIN]"
    )


def _few_shots(task: Task) -> tuple[str, ...]:
    """[R utils/dataset.py, mbpp.py]: the prompt ends at [BEGIN], without a line break."""
    shots = [f"{_question(shot)}\n{_solution(shot)}\n[DONE]\n" for shot in _shots()]
    return tuple("".join(shots[:number]) + _question(task) for number in range(len(shots), -1, -1))


def _problem(task: Task) -> str:
    tests = "\n".join(texts_of(task.row, "test_list"))
    return f">>> Problem:\n{task.prompt.strip()}\n>>> Test Cases:\n{tests}\n"


def _message(task: Task) -> tuple[str, ...]:
    """[R eval_instruct.py]"""
    shots = [
        f"- Example {number}:\n{_problem(shot)}\n>>> Code:\n```python\n{_solution(shot)}\n```"
        for number, shot in enumerate(_shots(), 1)
    ]
    return (
        "Please refer the given examples and generate a python function for my problem.\n"
        "Examples are listed as follows:\n" + "\n\n".join(shots) + f"\n\nHere is my problem:\n{_problem(task)}",
    )


def _program(_: Task, code: str) -> str:
    return f"{prelude(code)}{code}\n"


def _entry_point(reference: str, test: str) -> str:
    """The first function in the tests that the solution defines: one of them shadows a built-in (`sum`, task 126)."""
    try:
        with warnings.catch_warnings(action="ignore"):  # the solutions hold "\\d" and the like
            solution, tests = ast.parse(reference), ast.parse(test)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"expected Python under 'code' and 'test_list': {error}") from None
    defined = {node.name for node in solution.body if isinstance(node, ast.FunctionDef)}
    names = (node.id for node in ast.walk(tests) if isinstance(node, ast.Name) and node.id in defined)
    return next(names, "")


BENCHMARK = Benchmark(
    tasks=tasks,
    data=data,
    variants={
        "deepseek": Variant(_few_shots, lambda _, completion: cut(completion, _DONE).strip(), _program, _DONE),
        "instruct": Variant(
            _message,
            lambda _, completion: fenced(completion, "python") or completion,
            _program,
            new_tokens=512,
            chat=True,
        ),
    },
)
