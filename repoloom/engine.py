"""Map a function over shards in worker processes that cannot outlive their parent.

Workers are spawned, not forked (torch, Arrow and tokenizers hold threads), and ask the kernel to kill them with their
parent: after SIGKILL no orphan goes on writing. Results come in the order of the items, whatever the number of
processes. A worker that says what it is at (`at`) can be watched: where a parser crashes, hangs or eats all memory, the
item is worked on again without the one thing at fault.
"""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Generic, TypeVar

import psutil

from repoloom.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")
At = tuple[int, int, int]

_PR_SET_PDEATHSIG = 1
_GLANCE = 0.2
"""Seconds between two looks at watched workers."""
_here: Any = None
"""Shared with the parent: how often `at` was called in this worker, and with what it was called last."""


@dataclass(frozen=True, slots=True)
class Loss(Generic[Item]):
    """A worker was lost, or killed, while it worked on `item` and was `at` one place of it."""

    item: Item
    at: At
    why: str
    """`crash` (its exit code is the measure), `time` (seconds) or `memory` (bytes)."""
    measure: float
    threshold: float


@dataclass(frozen=True, slots=True)
class Watch(Generic[Item]):
    """Limits of a worker at one place, and what to do where one is passed."""

    without: Callable[[Loss[Item]], Item]
    """The item to work on instead: the same without what stood at the place."""
    seconds: float = 60
    memory: int = 2_000_000_000
    """Resident bytes of a worker."""


@dataclass(slots=True)
class _Worker:
    process: SpawnProcess
    connection: Connection
    shared: Any
    item: int | None = None
    began: int = 0
    """How often `at` had been called when the item was given."""
    calls: int = 0
    since: float = 0
    """When `at` was last seen to be called."""

    @property
    def place(self) -> At | None:
        """Where it is in its item; None where it has not said, or is at nothing in particular."""
        place = tuple(self.shared[1:4])
        return place if self.shared[0] > self.began and place[0] >= 0 else None


def at(*place: int) -> None:
    """Say in a worker that it begins with `place` (three numbers) of its item, or with nothing in particular (-1).

    Costs a microsecond.
    """
    if _here is not None:
        _here[1:4] = (*place, -1, -1)[:3]
        _here[0] += 1


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


class Pool:
    """Worker processes for several maps in a row: what they import and keep in memory is there for the next one.

        with Pool() as pool:
            for result in pool.map_ordered(function, items):
                ...

    They start with the first map that needs them. `processes`: at most so many; default: all cores.
    """

    def __init__(self, processes: int | None = None) -> None:
        self._count = processes or cores()
        self._workers: list[_Worker] = []

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.connection.close()
        self._workers = []

    def map_ordered(
        self, function: Callable[[Item], Result], items: Iterable[Item], watch: Watch[Item] | None = None
    ) -> Iterator[Result]:
        """Yield `function(item)` for every item, in order; a map that is not read to its end ends the workers.

        `function` must be importable by name, items and results picklable. An exception in `function` is raised here,
        in its turn. A worker that dies (killed for memory, a crashing parser) ends the map with a UserError, unless a
        `watch` says how to go on. One process, or one item that nobody watches, is worked on here.
        """
        work = list(items)
        count = min(self._count, len(work))
        if count <= 1 and (watch is None or self._count == 1):
            yield from map(function, work)
            return
        self._workers += [_start() for _ in range(count - len(self._workers))]
        todo = deque(range(len(work)))
        done: dict[int, tuple[bool, Any]] = {}
        turn = 0
        try:
            while turn < len(work):
                for worker in self._workers:
                    if worker.item is None and todo:
                        _give(worker, function, todo.popleft(), work)
                if turn not in done:
                    _listen(self._workers, work, todo, done, watch)
                while turn in done:
                    fine, value = done.pop(turn)
                    if not fine:
                        raise value
                    turn += 1
                    yield value
        finally:
            if turn < len(work):
                # Nobody waits for what is left; not for the items begun either.
                self.__exit__()


def map_ordered(
    function: Callable[[Item], Result], items: Iterable[Item], processes: int | None = None
) -> Iterator[Result]:
    """`Pool.map_ordered` by a pool of its own."""
    with Pool(processes) as pool:
        yield from pool.map_ordered(function, items)


def _start() -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    shared = context.RawArray("q", 4)
    process = context.Process(target=_serve, args=(theirs, shared, os.getpid()), daemon=True)
    with _deaf_to_interrupts():
        process.start()
    theirs.close()
    return _Worker(process, ours, shared)


def _serve(connection: Connection, shared: Any, parent: int) -> None:
    """What a worker does: answer items until the parent is gone."""
    global _here
    die_with_parent(parent)
    _here = shared
    while True:
        try:
            function, item = connection.recv()
        except EOFError:
            return
        try:
            answer: tuple[bool, Any] = (True, function(item))
        except Exception as error:
            if not isinstance(error, UserError):  # whose text is a line for the user
                error.add_note(f"In a worker process:\n{traceback.format_exc()}")
            answer = (False, error)
        connection.send(answer)


def _give(worker: _Worker, function: Callable[[Any], Any], number: int, work: list[Any]) -> None:
    worker.item, worker.began = number, worker.shared[0]
    with contextlib.suppress(OSError):  # it died while it waited, which `_listen` finds
        worker.connection.send((function, work[number]))


def _listen(
    pool: list[_Worker],
    work: list[Any],
    todo: deque[int],
    done: dict[int, tuple[bool, Any]],
    watch: Watch[Any] | None,
) -> None:
    """Wait for an answer, or for a worker to be lost."""
    busy = {worker.connection: worker for worker in pool if worker.item is not None}
    lost: list[tuple[_Worker, str, float, float]] = []
    for connection in wait(list(busy), None if watch is None else _GLANCE):
        worker = busy.pop(connection)  # type: ignore[call-overload]  # only connections were given
        assert worker.item is not None
        try:
            done[worker.item] = worker.connection.recv()
            worker.item = None
        except (EOFError, OSError):
            worker.process.join()
            lost.append((worker, "crash", float(worker.process.exitcode or 0), 0.0))
    if watch is not None:
        lost += [(worker, *over) for worker in busy.values() if (over := _over(worker, watch))]
    for worker, why, measure, threshold in lost:
        assert worker.item is not None
        place = worker.place
        worker.process.kill()
        worker.process.join()
        worker.connection.close()
        if watch is None or place is None:
            raise UserError("a worker process died, most likely for lack of memory: run the command again to resume")
        work[worker.item] = watch.without(Loss(work[worker.item], place, why, measure, threshold))
        todo.appendleft(worker.item)
        pool[pool.index(worker)] = _start()


def _over(worker: _Worker, watch: Watch[Any]) -> tuple[str, float, float] | None:
    """The limit that a worker passed, with its measure; None while it keeps them."""
    if worker.place is None:
        return None
    now = time.monotonic()
    if worker.shared[0] != worker.calls:
        worker.calls, worker.since = worker.shared[0], now
    elif now - worker.since > watch.seconds:
        return "time", now - worker.since, watch.seconds
    with contextlib.suppress(psutil.Error):
        resident = psutil.Process(worker.process.pid).memory_info().rss
        if resident > watch.memory:
            return "memory", float(resident), float(watch.memory)
    return None


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes started here never see Ctrl-C, which the terminal sends to all: their parent does, and ends them."""
    # The first start of all also starts this, which lets the signal in again (CPython 3.11).
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
