"""Judge a Python program: does it pass these tests? The verdict is ours, never the program's.

The program runs in one process of the sandbox, the tests in another that it cannot look into (guest/judge.py). Only
plain data passes between them. So a program that exits early, prints a success, redefines `assert`, `check`, a built-in
or `__eq__`, or searches frames and files for the tests gains nothing: there is nothing of them on its side.

What is not caught: a program that answers right by other means than solving the task (a table of known answers), and
whatever breaks the kernel's own walls. Tests that pass functions or classes of their own to the candidate cannot be
judged and fail.
"""

import functools
import json
import secrets
from dataclasses import dataclass

from repoloom.errors import UserError
from repoloom.sandbox import bubblewrap, warm
from repoloom.sandbox.process import Limits, Result

OUTCOMES = (
    "passed",
    "wrong answer",
    "exception",
    "syntax error",
    "exited",
    "time limit",
    "output limit",
    "passed a false test",
    "no verdict",
)
"""`exited`: the program ended, or spoke nonsense, before the tests did; `passed a false test`: it passes whatever the
tests say (programs.py); `no verdict`: the judge was killed."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the program passed, and how it ended (one of `OUTCOMES`)."""

    passed: bool
    outcome: str
    detail: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Probe:
    """What the sandbox reaches on this machine: a `level`, or the one-line `reason` why there is none."""

    level: str | None
    reason: str | None


def judge(
    program: str,
    test: str,
    *,
    entry_point: str,
    helpers: str = "",
    limits: Limits | None = None,
    unsafe: bool = False,
) -> Verdict:
    """Run `program`, then `test` against its functions.

    `helpers` is trusted source (the task's prompt) whose definitions the tests may use; `entry_point` and whatever else
    the tests name without defining it is the program's. With `unsafe` there is no sandbox around the two processes.
    Raises UserError where no sandbox starts: that is no verdict on the program.
    """
    word = secrets.token_hex(16)
    case = {"program": program, "test": test, "entry_point": entry_point, "helpers": helpers, "word": word}
    result = warm.run(limits or Limits(), json.dumps(case).encode(), unsafe=unsafe)
    outcome, detail = _verdict(result, word)
    return Verdict(outcome == "passed", outcome, detail, round(result.seconds, 3))


@functools.cache
def probe(unsafe: bool = False) -> Probe:
    """Run a right and a wrong program inside, once a process: the sandbox is there when both are told apart."""
    missing = None if unsafe else bubblewrap.missing()
    if missing is not None:
        return Probe(None, missing)
    try:
        right = judge("def one():\n    return 1\n", "assert one() == 1", entry_point="one", unsafe=unsafe)
        wrong = judge("def one():\n    return 2\n", "assert one() == 1", entry_point="one", unsafe=unsafe)
    except UserError as error:
        return Probe(None, f"bubblewrap does not work here: {error}")
    if right.passed and wrong.outcome == "wrong answer":
        return Probe(bubblewrap.level(unsafe), None)
    return Probe(None, f"bubblewrap does not work here: {right.detail or right.outcome}")


def _verdict(result: Result, word: str) -> tuple[str, str]:
    if result.end != "exited":
        return result.end, ""
    try:
        said = json.loads(result.stdout)
        if secrets.compare_digest(said["word"], word) and said["outcome"] in OUTCOMES:
            return str(said["outcome"]), str(said["detail"])
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    return "no verdict", "the judge ended without one"
