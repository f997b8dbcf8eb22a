"""Warm sandboxes: interpreters inside the walls, each judging one case after another in a fork (guest/nursery.py).

A start of bubblewrap (twice, for root) and of Python costs more than judging HumanEval's programs does; here they are
paid once for many. The kernel takes its time to clear a case's namespaces away, so there are two nurseries a caller:
one rests until its last case is gone while the other serves.
"""

import atexit
import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Literal

from repoloom.errors import UserError
from repoloom.sandbox import bubblewrap
from repoloom.sandbox.process import Limits, Result
from repoloom.sandbox.toolchains import PYTHON, PYTHON_ENVIRONMENT, numpy_binds, python_binds

_NURSERY = "/guest/repoloom/sandbox/guest/nursery.py"
_START_SECONDS = 30


def run(limits: Limits, stdin: bytes, *, unsafe: bool = False) -> Result:
    """Have a case judged: what the judge said until it ended or met a limit. Raises UserError where none starts."""
    try:
        return _try(limits, stdin, unsafe)
    except ConnectionError:  # it ended while it rested: nothing has begun
        close()
    try:
        return _try(limits, stdin, unsafe)
    except ConnectionError as error:
        raise UserError(f"the sandbox ends before it begins: {error}") from None


def close() -> None:
    """End the sandboxes that serve nobody. The next case starts new ones."""
    with _lock:
        nurseries = [nursery for resting in _resting.values() for nursery in resting]
        for resting in _resting.values():
            resting.clear()
    for nursery in nurseries:
        nursery.close()


class Nursery:
    """One warm sandbox. It serves one case at a time."""

    def __init__(self, unsafe: bool) -> None:
        """Raises UserError, with the last line that the sandbox said, where it does not start."""
        self._rested = False
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True) if unsafe else None
        with theirs, tempfile.TemporaryFile() as says:
            self._process = subprocess.Popen(
                _command(theirs.fileno(), unsafe),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=says,
                env={"PATH": "/usr/bin:/bin"},
                cwd=self._folder.name if self._folder else None,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
            theirs.close()
            try:
                started = self.rested(_START_SECONDS)
            except ConnectionError:
                started = False
            if not started:
                self.close()
                says.seek(0)
                last = says.read().decode("utf-8", "replace").strip().splitlines()[-1:]
                raise UserError(last[0][:500] if last else f"status {self._process.returncode}")

    def rested(self, seconds: float = 0.0) -> bool:
        """Whether its last case is over. Raises ConnectionError where it has gone."""
        poll = select.poll()  # select(2) knows no descriptor above 1,023
        poll.register(self._socket, select.POLLIN)
        while poll.poll(0 if self._rested else 1000 * seconds):
            if not self._socket.recv(64):
                raise ConnectionError("the sandbox ended")
            self._rested = True
        return self._rested

    def run(self, limits: Limits, stdin: bytes) -> Result:
        """Judge one case: what the fork of this nursery said until it ended or met a limit."""
        started = time.monotonic()
        self._rested = False
        ours, theirs = socket.socketpair()
        with ours, theirs:
            socket.send_fds(self._socket, [_order(limits)], [theirs.fileno()])
            theirs.close()
            end, said = _exchange(ours, stdin, started + limits.seconds, limits.output_bytes)
        if end != "exited":
            with contextlib.suppress(ConnectionError):  # gone: then so is the case
                self._socket.send(b"kill")
        return Result(end, 0, said, b"", time.monotonic() - started)

    def forget(self) -> None:
        """In a fork of the process that started it: let go of it without ending it."""
        self._socket.close()

    def close(self) -> None:
        """End it and whatever it holds: it leaves when its socket closes."""
        self._socket.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._folder is not None:
            self._folder.cleanup()


_lock = threading.Lock()
_resting: dict[bool, list[Nursery]] = {False: [], True: []}
_inherited: list[Nursery] = []
_busy = 0


def _try(limits: Limits, stdin: bytes, unsafe: bool) -> Result:
    global _busy
    nursery = _take(unsafe)
    try:
        result = nursery.run(limits, stdin)
    except OSError:
        nursery.close()
        raise
    else:
        with _lock:
            _resting[unsafe].append(nursery)
    finally:
        with _lock:
            _busy -= 1
    return result


def _take(unsafe: bool) -> Nursery:
    """One that rests, a new one while there are fewer than two a caller, or the one that has rested longest."""
    global _busy
    with _lock:
        _busy += 1
        resting = _resting[unsafe]
        for nursery in list(resting):
            try:
                if nursery.rested():
                    resting.remove(nursery)
                    return nursery
            except ConnectionError:
                resting.remove(nursery)
                nursery.close()
        oldest = resting.pop(0) if len(resting) > _busy else None
    try:
        if oldest is not None:
            if oldest.rested(_START_SECONDS):
                return oldest
            oldest.close()
        return Nursery(unsafe)
    except (OSError, UserError):
        with _lock:
            _busy -= 1
        raise


def _forget() -> None:
    """A fork of this process shares no nursery with it."""
    global _lock, _busy
    _lock, _busy = threading.Lock(), 0
    for resting in _resting.values():
        for nursery in resting:
            nursery.forget()
        _inherited.extend(resting)
        resting.clear()


def _command(control: int, unsafe: bool) -> list[str]:
    if unsafe:
        script = f"{Path(__file__).parent}/guest/nursery.py"
        return [sys.executable, "-I", "-B", script, str(control), "unsafe"]
    inside = [PYTHON, "-I", "-S", "-B", _NURSERY, str(control), "walls"]
    return bubblewrap.nursery(inside, python_binds() | numpy_binds(), PYTHON_ENVIRONMENT)


def _order(limits: Limits) -> bytes:
    rules = {
        "cpu_seconds": limits.cpu_seconds,
        "memory_bytes": limits.memory_bytes,
        "address_bytes": limits.memory_bytes + limits.reserved_bytes,
        "processes": limits.processes,
        "file_bytes": limits.file_bytes,
        "disk_bytes": limits.disk_bytes,
        "open_files": limits.open_files,
    }
    return json.dumps(rules).encode()


def _exchange(
    case: socket.socket, stdin: bytes, deadline: float, cap: int
) -> tuple[Literal["exited", "time limit", "output limit"], bytes]:
    """Send all, then read all."""
    said = b""
    try:
        case.settimeout(max(0.001, deadline - time.monotonic()))
        case.sendall(stdin)
        case.shutdown(socket.SHUT_WR)
        while len(said) < cap:
            case.settimeout(max(0.001, deadline - time.monotonic()))
            part = case.recv(1 << 16)
            if not part:
                return "exited", said
            said += part
    except TimeoutError:
        return "time limit", said
    except OSError:
        return "exited", said
    return "output limit", said[:cap]


atexit.register(close)
os.register_at_fork(after_in_child=_forget)
