"""SIGTERM, which schedulers send before they kill, and Ctrl-C: the run saves and leaves, to be gone on with later.

torchrun hands them on to its processes and kills these after 30 s; Slurm sends SIGTERM ahead of time by
`#SBATCH --signal=TERM@120`.
"""

import contextlib
import signal
import threading
from collections.abc import Iterator
from signal import Signals
from types import FrameType

from repoloom.errors import UserError

SIGNALS = {Signals.SIGTERM: "SIGTERM", Signals.SIGINT: "Ctrl-C"}
"""What asks a run to stop, and how users call it."""


class StoppedError(UserError):
    """The run was asked to stop, and saved first. Its exit code is the signal's own, 143 or 130: nothing failed."""

    def __init__(self, message: str, by: Signals) -> None:
        super().__init__(message)
        self.exit_code = 128 + by


class Asked:
    """Which signal came, if one did."""

    by: Signals | None = None


@contextlib.contextmanager
def asked() -> Iterator[Asked]:
    """Take note of the first such signal that comes while the block runs; a second one ends the process at once."""
    found = Asked()
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield found
        return

    def note(number: int, frame: FrameType | None) -> None:
        found.by = Signals(number)
        restore()

    def restore() -> None:
        for each, handler in before.items():
            signal.signal(each, handler)

    # What is ignored stays so: that is how a shell starts what is to outlive Ctrl-C.
    before = {each: handler for each in SIGNALS if (handler := signal.getsignal(each)) is not signal.SIG_IGN}
    for each in before:
        signal.signal(each, note)
    try:
        yield found
    finally:
        restore()
