"""HumanEval in seven other languages: the translations of MultiPL-E (Cassano et al., arXiv 2208.08227), MIT.

The data is the user's: DeepSeek Coder's files (`humaneval-cpp.jsonl`, [R Evaluation/HumanEval/data]) or MultiPL-E's own
(the dataset nuprl/MultiPL-E of the Hugging Face hub, `humaneval-cpp` and so on). Variants: `deepseek` and `instruct`
as DeepSeek Coder scored its models; `plain`, for samples made elsewhere, is the first with the prompt as it stands. A
completion ends at the task's stop texts, which cut the closing brace off where the tests begin with one.
"""

from dataclasses import dataclass

from repoloom.tasks import instruct
from repoloom.tasks.answers import cut, one_prompt
from repoloom.tasks.controls import controls
from repoloom.tasks.jsonl import text, texts
from repoloom.tasks.task import Benchmark, Row, Task, Variant


@dataclass(frozen=True, slots=True)
class _Language:
    """How one language's programs are put together."""

    id: str
    style: instruct.Style
    before: str = ""
    """What [R human_eval/evaluation.py, IMPORT_HELPER] puts before a program."""
    stop: tuple[str, ...] = ()
    """Stop texts that [R utils/utils.py, cleanup_code] adds to the data's."""
    after: str = ""
    """What stands behind the tests."""


_C = """\
#include<stdlib.h>
#include<algorithm>
#include<math.h>
#include<stdio.h>
#include<vector>
#include<string>
#include<climits>
#include<cstring>
#include<iostream>
#include<cassert>
"""
_C_SHARP = """\
using System.Numerics;
using System.Diagnostics;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using System.Security.Cryptography;
"""
_LANGUAGES = {
    "cpp": _Language("cpp", instruct.Style("cpp", "int main()"), before=_C),
    "java": _Language("java", instruct.Style("java", "public static void main", indent=4)),
    "php": _Language("php", instruct.Style("php", closes=True), after="?>"),
    "ts": _Language(
        "typescript",
        instruct.Style("typescript", closes=True),
        stop=("\nexport", "\nimport", "\nexport default", "\nimport default", "\nconsole.log"),
    ),
    "cs": _Language("c-sharp", instruct.Style("csharp", "public static void Main"), before=_C_SHARP),
    "sh": _Language("shell", instruct.Style("bash")),
    "js": _Language("javascript", instruct.Style("javascript", closes=True)),
}


def _task(row: Row, language: _Language) -> Task:
    test = text(row, "test" if "test" in row else "tests") + language.after
    changed = controls(language.id, test)
    if not changed:
        raise ValueError("expected assertions as MultiPL-E writes them under 'test'")
    return Task(
        task_id=text(row, "task_id" if "task_id" in row else "name"),
        prompt=text(row, "prompt"),
        suffix="",
        reference="",
        test=test,
        language=language.id,
        stop=(*texts(row, "stop_tokens"), *language.stop),
        controls=changed,
        row=row,
    )


def _program(code: str, language: _Language) -> str:
    if language.id == "php" and not code.startswith("<?php"):
        code = "<?php\n" + code
    return language.before + code


def _cut(task: Task, completion: str) -> str:
    return cut(completion, task.stop)


def _benchmark(language: _Language) -> Benchmark:
    style = language.style

    def continued(task: Task, answer: str) -> str:
        return _program(f"{task.prompt}\n{answer}\n", language)

    return Benchmark(
        tasks=lambda row: [_task(row, language)],
        samples="plain",
        variants={
            "deepseek": Variant(lambda task: one_prompt(task.prompt.strip()), _cut, continued),
            "instruct": Variant(
                lambda task: instruct.question(task, style),
                lambda task, completion: instruct.function(task, completion, style),
                lambda _, answer: _program(f"{answer}\n", language),
                new_tokens=instruct.NEW_TOKENS,
                seconds=instruct.SECONDS,
                chat=True,
            ),
            "plain": Variant(lambda task: one_prompt(task.prompt), _cut, continued),
        },
    )


BENCHMARKS = {f"humaneval-{name}": _benchmark(language) for name, language in _LANGUAGES.items()}
