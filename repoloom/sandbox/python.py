"""Judge a Python program: does it pass these tests? The verdict is ours, never the program's.

The program runs in one process of the sandbox, the tests in another that it cannot look into (guest/judge.py). Only
plain data passes between them. So a program that exits early, prints a success, redefines `assert`, `check`, a built-in
or `__eq__`, or searches frames and files for the tests gains nothing: there is nothing of them on its side.

What is not caught yet: a program that answers right by other means than solving the task (a table of known answers),
and whatever breaks the kernel's own walls; a seccomp filter, which would narrow those, is still to come. Tests that
pass functions or classes of their own to the candidate cannot be judged and fail.
"""

import functools
import importlib.util
import json
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path

from repoloom.sandbox import bubblewrap
from repoloom.sandbox.process import Limits, Result

OUTCOMES = (
    "passed",
    "wrong answer",
    "exception",
    "syntax error",
    "exited",
    "time limit",
    "output limit",
    "no verdict",
)
"""`exited`: the program ended, or spoke nonsense, before the tests did; `no verdict`: the judge was killed."""

_PYTHON = f"/python/bin/python{sys.version_info.major}.{sys.version_info.minor}"
_GUEST = "/guest/repoloom/sandbox/guest"
_JUDGE = f"{_GUEST}/judge.py"
_NUMPY = ("numpy", "numpy.libs")


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


def judge(program: str, test: str, *, entry_point: str, helpers: str = "", limits: Limits | None = None) -> Verdict:
    """Run `program`, then `test` against its functions.

    `helpers` is trusted source (the task's prompt) whose definitions the tests may use; `entry_point` and whatever else
    the tests name without defining it is the program's. The seconds include the start of the sandbox (about 0.05).
    """
    word = secrets.token_hex(16)
    case = {"program": program, "test": test, "entry_point": entry_point, "helpers": helpers, "word": word}
    result = _run([_PYTHON, "-I", "-S", "-B", _JUDGE], limits or Limits(), json.dumps(case).encode())
    outcome, detail = _verdict(result, word)
    return Verdict(outcome == "passed", outcome, detail, round(result.seconds, 3))


@functools.cache
def probe() -> Probe:
    """Run a right and a wrong program inside, once a process: the sandbox is there when both are told apart."""
    missing = bubblewrap.missing()
    if missing is not None:
        return Probe(None, missing)
    right = judge("def one():\n    return 1\n", "assert one() == 1", entry_point="one")
    wrong = judge("def one():\n    return 2\n", "assert one() == 1", entry_point="one")
    if right.passed and wrong.outcome == "wrong answer":
        return Probe(bubblewrap.LEVEL, None)
    return Probe(None, f"bubblewrap does not work here: {right.detail or right.outcome}")


def _run(command: list[str], limits: Limits, stdin: bytes) -> Result:
    # The interpreter may stand under a home that nobody can enter: inside it always stands at /python.
    environment = {"PYTHONHOME": "/python", "LD_LIBRARY_PATH": "/python/lib", "OPENBLAS_NUM_THREADS": "1"}
    return bubblewrap.run(command, limits, stdin=stdin, binds=_toolchain(), environment=environment)


@functools.cache
def _toolchain() -> dict[str, Path]:
    """The interpreter that runs us, without its site-packages; numpy beside it, which the published prelude imports."""
    binds = {"/python": Path(sys.base_prefix), _GUEST: Path(__file__).parent / "guest"}
    numpy = importlib.util.find_spec("numpy")
    if numpy is not None and numpy.origin is not None:
        site = Path(numpy.origin).parents[1]
        binds |= {f"/site/{name}": site / name for name in _NUMPY if (site / name).is_dir()}
    return binds


def _verdict(result: Result, word: str) -> tuple[str, str]:
    if result.end != "exited":
        return result.end, ""
    try:
        said = json.loads(result.stdout)
        if secrets.compare_digest(said["word"], word) and said["outcome"] in OUTCOMES:
            return str(said["outcome"]), str(said["detail"])
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    last = result.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
    return "no verdict", last[0][:500] if last else f"status {result.code}"
