"""Map a function over shards in worker processes that cannot outlive their parent.

Workers are spawned, not forked (torch, Arrow and tokenizers hold threads), and ask the kernel to kill them with their
parent: after SIGKILL no orphan goes on writing. Results come in the order of the items, whatever the number of
processes.
"""

import contextlib
import ctypes
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from repoloom.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int | None = None) -> None:
    """Ask the kernel to SIGKILL this process when the thread that started it ends (prctl(2), Linux).

    `parent` is the process id that this process was started by: if that one is gone already, the request came too late
    and the process ends at once.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        os._exit(1)


def cores() -> int:
    """The cores this process may run on."""
    return len(os.sched_getaffinity(0))


def map_ordered(
    function: Callable[[Item], Result], items: Iterable[Item], processes: int | None = None
) -> Iterator[Result]:
    """Yield `function(item)` for every item, in order, computed by up to `processes` (default: all cores) workers.

    `function` must be importable by name and its results picklable. A worker that dies (killed for memory, a crashing
    parser) ends the map with a UserError; an exception in `function` is raised here.
    """
    work = list(items)
    processes = min(processes or cores(), len(work))
    if processes <= 1:
        yield from map(function, work)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=die_with_parent, initargs=(os.getpid(),))
    others = set(multiprocessing.active_children())
    try:
        with pool:
            try:
                with _deaf_to_interrupts():
                    left = [pool.submit(function, item) for item in work][::-1]
                while left:
                    yield left.pop().result()
            except BaseException:  # nobody waits for what is left; not for the items begun either
                for worker in set(multiprocessing.active_children()) - others:
                    worker.kill()
                raise
    except BrokenProcessPool as error:
        raise UserError(
            "a worker process died, most likely for lack of memory: run the command again to resume"
        ) from error


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes started here never see Ctrl-C, which the terminal sends to all: their parent does, and ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
