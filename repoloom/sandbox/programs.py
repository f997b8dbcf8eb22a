"""Judge a program whose tests stand in its own text, in any of eight languages: MultiPL-E's form.

Candidate and tests then share a process, so that exit status 0 proves nothing: the candidate may have ended it, or
redefined what the tests stand on. The rule here: **a pass counts only if the same program fails once one of its
expectations is made false.** Such false twins (`controls`) are the caller's; docs/sandbox.md says what this catches.

The program runs first. If it passes, it runs again beside controls drawn in secret, in a secret order, each in a
sandbox of its own that shares nothing with the others: every run of the program must pass, every control must not.
Compilers read hostile input, so they have a sandbox of their own too; the compiled product alone goes to the next.
"""

import dataclasses
import io
import re
import secrets
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

from repoloom.errors import UsageError
from repoloom.sandbox import bubblewrap
from repoloom.sandbox.process import Limits, Result
from repoloom.sandbox.python import Verdict
from repoloom.sandbox.toolchains import (
    CONFIGURATION,
    PYTHON,
    PYTHON_ENVIRONMENT,
    TOOLCHAINS,
    Toolchain,
    library_binds,
    made,
    python_binds,
)

RUNS = 3
"""How often a program must pass, and how many controls must not (all that there are, if fewer)."""

COMPILER = Limits(
    seconds=60, memory_bytes=2 << 30, processes=64, file_bytes=64 << 20, disk_bytes=128 << 20, output_bytes=64 << 20
)

_SECRET = secrets.SystemRandom()


def check(
    language: str, program: str, controls: Sequence[str], limits: Limits | None = None, *, unsafe: bool = False
) -> Verdict:
    """Compile and run `program`, and where it passes the controls too. The seconds are its own slowest run's.

    `language` is an id of languages.toml. A control is the same text with one expectation made false; one that does not
    compile (the false value has another type) is passed over. Raises UsageError for a language without a toolchain
    or a program without controls, UserError where the toolchain does not work.
    """
    if language not in TOOLCHAINS:
        raise UsageError(f"no toolchain for {language!r}: one of {', '.join(TOOLCHAINS)}")
    if not controls:
        raise UsageError("a program needs at least one control: without one a pass proves nothing")
    trial = _Trial(language, limits or Limits(), unsafe)
    product = trial.compile(program)
    if isinstance(product, Verdict):
        return product
    verdict = trial.run(product)
    seconds = verdict.seconds
    if not verdict.passed:
        return verdict
    false = _draw(trial, controls)
    runs = [(product, True)] * (RUNS - 1) + [(control, False) for control in false]
    if not false:
        return Verdict(False, "no verdict", "none of the controls compiles", seconds)
    _SECRET.shuffle(runs)
    for each, is_program in runs:
        again = trial.run(each)
        if is_program:
            seconds = max(seconds, again.seconds)
            if not again.passed:
                return again
        elif again.passed:
            return Verdict(False, "passed a false test", "", seconds)
    return Verdict(True, "passed", "", seconds)


def _draw(trial: "_Trial", controls: Sequence[str]) -> list[bytes]:
    """The last control, then the first that compile of a secret order.

    A program that leaves with 0 in the midst of the last assertion passes every control but the last one's.
    """
    found: list[bytes] = []
    for control in [controls[-1], *_SECRET.sample(controls[:-1], len(controls) - 1)]:
        product = trial.compile(control)
        if isinstance(product, bytes):
            found.append(product)
        if len(found) == RUNS:
            break
    return found


class _Trial:
    """One language's way through two sandboxes."""

    def __init__(self, language: str, limits: Limits, unsafe: bool) -> None:
        self._tool: Toolchain = TOOLCHAINS[language]
        self._unsafe = unsafe
        self._binds = {place: Path(place) for place in CONFIGURATION if Path(place).is_dir()} | python_binds()
        if language == "python":
            self._binds |= library_binds()
        self._made = made(language)
        if self._made is not None:
            self._binds[str(self._made)] = self._made
        processes = max(limits.processes, self._tool.processes)
        self._limits = dataclasses.replace(limits, processes=processes, reserved_bytes=self._tool.reserved_bytes)

    def compile(self, program: str) -> bytes | Verdict:
        """What is to run, as a tar archive that only the next sandbox opens, or why there is none."""
        name, text = self._tool.source, program.encode("utf-8", "surrogatepass")
        if self._tool.compile is None:
            return _archive(name, text)
        script = f"cat >{name} && {self._tool.compile} </dev/null >&2 && tar -cf - {self._tool.product}"
        result = self._sandbox(script, dataclasses.replace(COMPILER, reserved_bytes=self._tool.reserved_bytes), text)
        if result.end == "exited" and result.code == 0:
            return result.stdout
        outcome = "syntax error" if result.end == "exited" else result.end
        return Verdict(False, outcome, _first_line(result), round(result.seconds, 3))

    def run(self, product: bytes) -> Verdict:
        """Run it once; passing is ending with status 0, which is the program's own word."""
        result = self._sandbox(f"tar -xf - && exec </dev/null && {self._tool.run}", self._limits, product)
        seconds = round(result.seconds, 3)
        if result.end != "exited":
            return Verdict(False, result.end, "", seconds)
        if result.code == 0:
            return Verdict(True, "passed", "", seconds)
        says = f"{result.stderr.decode('utf-8', 'replace')}\nstatus {result.code}"
        failed = re.search(self._tool.failed, says, re.MULTILINE)
        return Verdict(False, "wrong answer" if failed else "exception", _first_line(result), seconds)

    def _sandbox(self, script: str, limits: Limits, stdin: bytes) -> Result:
        settings = " ".join(f"{name}={value}" for name, value in PYTHON_ENVIRONMENT.items())
        python = sys.executable if self._unsafe else f"env {settings} PYTHONPATH=/site {PYTHON}"
        words = ["/bin/sh", "-c", script.format(made=self._made, python=python)]
        if not self._unsafe:
            words = [PYTHON, "-I", "-S", "-B", "/guest/repoloom/sandbox/guest/landlock.py", *words]
        return bubblewrap.run(
            words,
            limits,
            stdin=stdin,
            binds=self._binds,
            environment={**({} if self._unsafe else PYTHON_ENVIRONMENT), **self._tool.environment},
            proc=self._tool.proc,
            unsafe=self._unsafe,
        )


def _archive(name: str, text: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
    return buffer.getvalue()


def _first_line(result: Result) -> str:
    lines = [line.strip() for line in result.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    said = next((line for line in lines if re.search(r"(?i)error|assert|exception|fail", line)), "")
    return (said or (lines[0] if lines else f"status {result.code}"))[:500]
