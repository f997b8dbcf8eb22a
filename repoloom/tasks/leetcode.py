"""LeetCode contests of July 2023 to January 2024: 180 problems, a hundred tests each, by DeepSeek Coder [P 4.1].

The data is the user's: [R Evaluation/LeetCode/data/20240121-Jul.jsonl], rows `task_id, prompt, prompt_sft, test, meta`.
Variants: `deepseek` asks an instruct model for the solution, `outline` for an outline first [P Table 5], `completion`
lets a base model go on with the class. An answer is a fenced block, a whole program, or what goes on with the class.
"""

from repoloom.tasks.answers import cut, fenced, one_prompt
from repoloom.tasks.humaneval import STOP, prelude
from repoloom.tasks.jsonl import text
from repoloom.tasks.task import Benchmark, Row, Task, Variant

_OUTLINE = "\nYou need first write a step-by-step outline and then write the code."


def task(row: Row) -> Task:
    """A row of the data as a task. It has no solution."""
    text(row, "prompt_sft")
    return Task(
        task_id=text(row, "task_id"),
        prompt=text(row, "prompt"),
        suffix="",
        reference="",
        test=text(row, "test"),
        entry_point="Solution",
        row=row,
    )


def _answer(task: Task, completion: str) -> str:
    """[R evaluate_leetcode.py]; a continuation is told from a program by the class, which it does not open again."""
    block = fenced(completion.replace("[PYTHON]", "```python").replace("[/PYTHON]", "```"), "python")
    if block is not None:
        return block
    return completion if "class Solution" in completion else task.prompt + cut(completion, STOP)


def _program(_: Task, answer: str) -> str:
    return f"{prelude(answer)}from functools import *\n{answer}\n"


BENCHMARK = Benchmark(
    tasks=lambda row: [task(row)],
    variants={
        "deepseek": Variant(
            lambda task: one_prompt(text(task.row, "prompt_sft")), _answer, _program, new_tokens=1024, chat=True
        ),
        "outline": Variant(
            lambda task: one_prompt(text(task.row, "prompt_sft") + _OUTLINE),
            _answer,
            _program,
            new_tokens=1024,
            chat=True,
        ),
        "completion": Variant(lambda task: one_prompt(task.prompt), _answer, _program, STOP, new_tokens=1024),
    },
)
