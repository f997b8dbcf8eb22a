"""Progress on stderr: a live bar with an ETA on a terminal, a line every fifteen seconds elsewhere (a log, CI)."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

_SECONDS_BETWEEN_LINES = 15.0


class Bar(Protocol):
    """What a stage moves forward while it works."""

    def advance(self, by: float = 1, note: str = "") -> None:
        """Count `by` more units as done; `note` (loss, speed) stands beside the bar."""


class _LiveBar:
    def __init__(self, progress: Progress, description: str, total: float, done: float) -> None:
        self._progress = progress
        self._task = progress.add_task(description, total=total, completed=int(done), note="")

    def advance(self, by: float = 1, note: str = "") -> None:
        self._progress.update(self._task, advance=by, note=note)


class _LineBar:
    def __init__(self, description: str, total: float, done: float) -> None:
        self._description, self._total, self._first, self._done = description, total, done, done
        self._started = self._said = time.monotonic()

    def advance(self, by: float = 1, note: str = "") -> None:
        self._done += by
        now = time.monotonic()
        if now - self._said >= _SECONDS_BETWEEN_LINES:
            self._said = now
            left = (self._total - self._done) * (now - self._started) / max(self._done - self._first, 1e-9)
            say(f"  {self._description}: {self._done:.0f}/{self._total:.0f}, {left:.0f} s left  {note}".rstrip())


def say(line: str) -> None:
    """Print one line to stderr, where progress goes, so that stdout stays a result."""
    sys.stderr.write(line + "\n")  # in one piece: unbuffered, print() writes the line and its end apart, and ranks mix
    sys.stderr.flush()


@contextmanager
def bar(description: str, total: float, done: float = 0) -> Iterator[Bar]:
    """A bar over `total` units of which `done` were finished by an earlier, interrupted run."""
    if not sys.stderr.isatty():
        yield _LineBar(description, total, done)
        return
    columns = (
        TextColumn("  {task.description:<12}"),
        BarColumn(30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield _LiveBar(progress, description, total, done)
