"""DS-1000: a thousand questions about seven Python libraries (Lai et al., arXiv 2211.11501), CC-BY-SA-4.0.

The data is the user's (the dataset xlangai/DS-1000 of the Hugging Face hub): rows `prompt, reference_code,
code_context, metadata`. The only variant, `deepseek`, is the completion mode that DeepSeek Coder reports,
post-processed as by DS-1000's own script. The environment that runs us must hold the libraries: else tasks fail.
"""

import re

from repoloom.tasks.answers import cut, one_prompt
from repoloom.tasks.jsonl import table, text
from repoloom.tasks.task import Benchmark, Row, Task, Variant

_STOP = ("</code>", "# SOLUTION END", "\nEND SOLUTION")
_EXPECTATION = re.compile(r"\bassert exec_test\(")


def task(row: Row) -> Task:
    """A row of the data as a task. The context defines the tests, which run the answer in a program of their own."""
    number = table(row, "metadata").get("problem_id")
    if not isinstance(number, int):
        raise ValueError("expected a whole number under 'metadata', 'problem_id'")
    context = text(row, "code_context")
    if not _EXPECTATION.search(context):
        raise ValueError("expected 'assert exec_test(' under 'code_context'")
    calls = "test_execution(code)\n" + ("test_string(code)\n" if "test_string(" in context else "")
    test = f"{context}\n{calls}"
    return Task(
        task_id=f"ds1000/{number}",
        prompt=text(row, "prompt"),
        suffix="",
        reference=text(row, "reference_code"),
        test=test,
        controls=(_EXPECTATION.sub("assert not exec_test(", test),),
        row=row,
    )


def _answer(_: Task, completion: str) -> str:
    code = cut(completion, _STOP).replace("```python", "")
    return cut(code, ["```"]).replace("<code>", "")


BENCHMARK = Benchmark(
    tasks=lambda row: [task(row)],
    variants={
        "deepseek": Variant(
            lambda task: one_prompt(task.prompt),
            _answer,
            lambda _, answer: f"code = {answer!r}\n",
            _STOP,
            new_tokens=1024,
            seconds=120,
        )
    },
)
