"""The judge's side: runs the tests, asks the candidate's process for every answer, and alone can tell the verdict.

Two processes, because in one the candidate could reach whatever judges it. The judge forks the candidate first, then
makes itself undumpable (no ptrace, no reading of its memory: prctl(2)), and only then reads the tests and the secret
word from standard input. A verdict counts only with that word; without one the parent reads: failed.
"""

import ast
import builtins
import ctypes
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from repoloom.sandbox.guest import candidate, wire

_PR_SET_DUMPABLE = 4


class Gone(BaseException):
    """The candidate's process ended or spoke nonsense: no test can catch this and go on."""


class Candidate:
    """The other process, seen from here."""

    def __init__(self, requests: int, replies: int) -> None:
        self._requests, self._replies = requests, replies
        self.gone = False

    def load(self, source: str) -> None:
        """Run the program's top level there. Raises what it raised."""
        self._ask(source)

    def call(self, target: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Call a function (a name) or an object (a handle's number); its changes to `arguments` show in them."""
        encoded = [wire.encode(arguments, _number), wire.encode(keywords, _number)]
        value, changed = self._ask(["call", target, *encoded])
        for mine, theirs in zip(arguments, changed, strict=False):
            if theirs is not None:
                _write_back(mine, self._decode(theirs))
        return self._decode(value)

    def get(self, target: int, name: str) -> Any:
        """An attribute of an object there."""
        return self._decode(self._ask(["get", target, name])[0])

    def set(self, target: int, name: str, value: Any) -> None:
        """Set an attribute of an object there."""
        self._ask(["set", target, name, wire.encode(value, _number)])

    def _ask(self, request: Any) -> list[Any]:
        if self.gone:
            raise Gone
        try:
            wire.send(self._requests, request)
            kind, *rest = list(wire.receive(self._replies))
        except (OSError, EOFError, ValueError, TypeError, RecursionError):
            self.gone = True
            raise Gone from None
        if kind == "error":
            raise _exception(str(rest[0]))(str(rest[-1]))
        return rest

    def _decode(self, message: Any) -> Any:
        try:
            return wire.decode(message, lambda number: Handle(self, int(number)))
        except Exception:
            self.gone = True
            raise Gone from None


class Handle:
    """An object of the candidate's: the tests may look into it and pass it back. It equals only itself."""

    __slots__ = ("_candidate", "_number")

    def __init__(self, candidate: Candidate, number: int) -> None:
        object.__setattr__(self, "_candidate", candidate)
        object.__setattr__(self, "_number", number)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._candidate.get(self._number, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._candidate.set(self._number, name, value)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Call it there."""
        return self._candidate.call(self._number, arguments, keywords)


def judge(other: Candidate, case: dict[str, Any]) -> tuple[str, str]:
    """Load the program, run the tests against it, and say the outcome and one line about it."""
    stage = "program"
    try:
        other.load(case["program"])
        stage = "test"
        tests = ast.parse(case["test"])
        names = _namespace(other, tests, case["entry_point"], case["helpers"])
        exec(compile(tests, "test.py", "exec"), names)  # noqa: S102  # the benchmark's tests, inside the sandbox
    except Gone:
        return "exited", ""
    except BaseException as error:
        says = f"{type(error).__name__}: {error}"[:500]
        if isinstance(error, AssertionError) and stage == "test":
            return "wrong answer", says
        return ("syntax error" if isinstance(error, SyntaxError) and stage == "program" else "exception"), says
    return ("exited", "") if other.gone else ("passed", "")


def _namespace(other: Candidate, tests: ast.Module, entry_point: str, helpers: str) -> dict[str, Any]:
    """What the tests see: the prompt's own functions, and the candidate's for the rest. Built-ins are the judge's."""
    names: dict[str, Any] = {"__name__": "test"}
    try:
        exec(compile(helpers, "prompt.py", "exec"), names)  # noqa: S102  # the benchmark's prompt, inside the sandbox
    except Exception:
        names = {"__name__": "test"}
    used = {node.id for node in ast.walk(tests) if isinstance(node, ast.Name)}
    for name in used - names.keys() - set(dir(builtins)) | {entry_point} - {""}:
        names[name] = _function(other, name)
    return names


def _function(other: Candidate, name: str) -> Callable[..., Any]:
    return lambda *arguments, **keywords: other.call(name, arguments, keywords)


def _number(value: Any) -> list[Any]:
    if isinstance(value, Handle):
        return ["handle", object.__getattribute__(value, "_number")]
    raise TypeError(f"the tests pass a {type(value).__name__}, which cannot be sent to the candidate")


def _exception(name: str) -> type[Exception]:
    """The built-in exception of that name, so that a test may expect it; any other is a plain Exception."""
    known = getattr(builtins, name, None)
    if isinstance(known, type) and issubclass(known, Exception) and not issubclass(known, UnicodeError):
        return known  # a UnicodeError takes more than a text
    return type(name, (Exception,), {})


def _write_back(mine: Any, theirs: Any) -> None:
    if isinstance(mine, list):
        mine[:] = theirs
    elif isinstance(mine, (dict, set)):
        mine.clear()
        mine.update(theirs)


def main(unsafe: bool = False) -> None:
    """Fork the candidate, lock the door, read the case, print the verdict."""
    requests, to_candidate = os.pipe()
    from_candidate, replies = os.pipe()
    if os.fork() == 0:
        os.close(to_candidate)
        os.close(from_candidate)
        try:
            candidate.serve(requests, replies, unsafe)
        finally:
            os._exit(0)
    os.close(requests)
    os.close(replies)
    if ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        sys.exit("cannot become undumpable")
    case = json.loads(sys.stdin.buffer.read())
    sys.set_int_max_str_digits(0)
    verdict, sys.stdout = sys.stdout, open(os.devnull, "w")  # noqa: PTH123, SIM115  # until the end; pathlib costs 5 ms here
    outcome, detail = judge(Candidate(to_candidate, from_candidate), case)
    verdict.write(json.dumps({"word": case["word"], "outcome": outcome, "detail": detail}))
    verdict.flush()
    os._exit(0)
