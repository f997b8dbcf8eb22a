"""GSM8K's test set: 1,319 word problems (Cobbe et al., arXiv 2110.14168), MIT, carried in `data/`; the model writes a
program that computes the answer (Gao et al., PAL, arXiv 2211.10435).

Variants: `deepseek`, three of PAL's examples in fenced blocks [R Evaluation/PAL-Math]; `pal`, all eight as published.
A program is right whose `solution()` returns the number, or that as a share or as percents, to a ten-thousandth, as
DeepSeek Coder grades it. Of samples made elsewhere a fenced block counts, or where there is none the whole.

Texts: an answer marks its sums for a calculator, "48/2 = <<48/2=24>>24"; copies often come without the marks, so both
count.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from repoloom.tasks.answers import cut, fenced, one_prompt
from repoloom.tasks.jsonl import read, text
from repoloom.tasks.task import Benchmark, Row, Task, Variant

_MARK = re.compile(r"<<[^<>]*+>>")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_STOP = ("Question", "----------------")
_PAL_STOP = ("\n\n\n",)
_SHOTS = 3
_TEST = """\
import math

def agrees(found, expected):
    try:
        number = float(str(found).strip().lstrip("$").rstrip("%.").replace(",", ""))
    except ValueError:
        return False
    return any(math.isclose(each, number, rel_tol=1e-4) for each in (expected / 100, expected, expected * 100))

assert agrees(solution(), {})
"""


def data() -> Path:
    """The file in this package."""
    return Path(__file__).parent / "data" / "gsm8k.jsonl.gz"


def texts(row: Mapping[str, object]) -> Iterator[str]:
    """The question and the answer, with and without its marks."""
    answer = text(row, "answer")
    yield text(row, "question")
    yield answer
    yield _MARK.sub("", answer)


def task(row: Row) -> Task:
    """A row of the data as a task. The reference is a program that knows the answer."""
    answer = text(row, "answer").rpartition("####")[2].strip().replace(",", "")
    if not _NUMBER.fullmatch(answer):
        raise ValueError("expected a number behind '####' under 'answer'")
    number = row.get("idx")
    if not isinstance(number, int):
        raise ValueError("expected a whole number under 'idx'")
    return Task(
        task_id=f"gsm8k/{number}",
        prompt=text(row, "question").strip(),
        suffix="",
        reference=f"```python\ndef solution():\n    result = {answer}\n    return result\n```\n",
        test=_TEST.format(float(answer)),
        entry_point="solution",
        row=row,
    )


@functools.cache
def _shots() -> tuple[tuple[str, str], ...]:
    """Questions and programs from PAL's prompt (Apache-2.0), of which DeepSeek Coder's has the first three."""
    place = Path(__file__).parent / "data" / "gsm8k-shots.jsonl"
    return tuple(read(place, lambda row: (text(row, "question"), text(row, "program"))))


def _in_blocks(task: Task) -> tuple[str, ...]:
    shots = "".join(
        f"Question: {question}\n\n```python\n{program}\n```\n\n----------------\n\n"
        for question, program in _shots()[:_SHOTS]
    )
    return one_prompt(f"Let's use python to solve math problems.\n\n{shots}Question: {task.prompt}\n")


def _as_pal(task: Task) -> tuple[str, ...]:
    mark = "\n\n# solution in Python:\n\n\n"
    shots = "".join(f"Q: {question}{mark}{program}\n\n\n\n\n\n" for question, program in _shots())
    return one_prompt(f"{shots}Q: {task.prompt}{mark}")


def _block(_: Task, completion: str) -> str:
    return fenced(cut(completion, _STOP), "python") or ""


def _either(_: Task, completion: str) -> str:
    return fenced(completion, "python") or completion


BENCHMARK = Benchmark(
    tasks=lambda row: [task(row)],
    data=data,
    samples="plain",
    variants={
        "deepseek": Variant(_in_blocks, _block, stop=_STOP, new_tokens=512, seconds=5),
        "pal": Variant(
            _as_pal, lambda _, completion: cut(completion, _PAL_STOP), stop=_PAL_STOP, new_tokens=512, seconds=5
        ),
        "plain": Variant(_in_blocks, _either, stop=_STOP, new_tokens=512, seconds=5),
    },
)
