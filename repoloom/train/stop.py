"""SIGTERM, which schedulers send before they kill: the run saves and leaves, to be gone on with later.

torchrun hands it on to its processes and kills them after 30 s; Slurm sends it ahead of time by
`#SBATCH --signal=TERM@120`.
"""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from repoloom.errors import UserError


class StoppedError(UserError):
    """The run was asked to stop, and saved first. Exit code 143, which is SIGTERM's own: nothing failed."""

    exit_code = 128 + signal.SIGTERM


@contextlib.contextmanager
def asked() -> Iterator[threading.Event]:
    """An event that is set when SIGTERM comes while the block runs; a second one ends the process at once."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield event
        return

    def note(number: int, frame: FrameType | None) -> None:
        event.set()
        signal.signal(signal.SIGTERM, before)

    before = signal.signal(signal.SIGTERM, note)
    try:
        yield event
    finally:
        signal.signal(signal.SIGTERM, before)
