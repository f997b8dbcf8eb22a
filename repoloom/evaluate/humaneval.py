"""HumanEval as DeepSeek Coder's base models were scored [R Evaluation/HumanEval].

The stripped prompt after BOS, greedy, the completion cut before a line that starts with `def`, `class`, `if`, `#` or
`print`; judged as imports + prompt + line break + completion with 10 seconds a program. A prompt that does not fit the
model's context loses its beginning (the published limit is 4,096 tokens).
"""

from collections import Counter
from typing import Any

from repoloom.evaluate.infilling import prefix_only
from repoloom.evaluate.score import judge_all
from repoloom.generate import Generator, Sampling
from repoloom.progress import bar, say
from repoloom.sandbox import Limits, probe
from repoloom.tasks import Task

STOP = ("\ndef", "\nclass", "\nif", "\n#", "\nprint")
LIMITS = Limits(seconds=10)

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


def complete(generator: Generator, tasks: list[Task], new_tokens: int) -> list[str]:
    """The model's completions, to stand behind the prompt and a line break."""
    prompts = [prefix_only(generator, task.prompt.strip()) for task in tasks]
    sampling = Sampling(max_tokens=new_tokens, stop=STOP)
    with bar("humaneval", len(tasks)) as progress:
        return [completion.text for completion in generator.complete(prompts, sampling, progress=progress)]


def program(task: Task, completion: str) -> str:
    """What is judged. The prelude's numpy is imported where it is named: it takes longer than most tests do."""
    numpy = _NUMPY if "np." in completion or "numpy" in completion else ""
    return f"{_PRELUDE}{numpy}{task.prompt}\n{completion}\n"


def score(generator: Generator, tasks: list[Task], new_tokens: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The scores, and a row for each task; without a sandbox the reason why nothing was run, and no rows."""
    reason = probe().reason
    if reason is not None:
        say(f"humaneval: not run, since there is no sandbox: {reason}")
        return {"not_run": f"no sandbox: {reason}"}, []
    completions = complete(generator, tasks, new_tokens)
    programs = [program(task, completion) for task, completion in zip(tasks, completions, strict=True)]
    verdicts = judge_all(tasks, programs, LIMITS)
    rows = [
        {"task_id": task.task_id, "completion": "\n" + text, "passed": verdict.passed, "outcome": verdict.outcome}
        for task, text, verdict in zip(tasks, completions, verdicts, strict=True)
    ]
    passed = sum(verdict.passed for verdict in verdicts)
    outcomes = dict(sorted(Counter(verdict.outcome for verdict in verdicts).items()))
    return {
        "pass@1": passed / len(tasks),
        "tasks": len(tasks),
        "passed": passed,
        "outcomes": outcomes,
        "sandbox": probe().level,
    }, rows
