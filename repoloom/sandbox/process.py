"""Run one command to its end, or kill its whole tree: at a wall-clock limit, or once it has said too much.

Output is capped while it is read: a program that prints for ever costs the cap, not the memory of this process.
"""

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Limits:
    """What a program may use."""

    seconds: float = 10.0
    """Wall clock, start of the sandbox included. CPU time a process is held to the next whole second above."""
    memory_bytes: int = 1 << 30
    """What a process may write to: RLIMIT_DATA, and with `reserved_bytes` RLIMIT_AS."""
    reserved_bytes: int = 0
    """Address space beyond the memory that a run time (JVM, V8) sets aside and never touches."""
    processes: int = 32
    """Processes and threads, the sandbox's own two among them."""
    file_bytes: int = 16 << 20
    disk_bytes: int = 64 << 20
    """All files together; they live in memory."""
    open_files: int = 256
    output_bytes: int = 1 << 20
    """Standard output and standard error, each."""

    @property
    def cpu_seconds(self) -> int:
        """RLIMIT_CPU takes whole seconds."""
        return int(self.seconds) + 1


@dataclass(frozen=True, slots=True)
class Result:
    """How a program ended."""

    end: Literal["exited", "time limit", "output limit"]
    code: int
    """The exit status; negative: the signal that ended it."""
    stdout: bytes
    stderr: bytes
    seconds: float


def execute(
    command: Sequence[str],
    limits: Limits,
    stdin: bytes = b"",
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    descriptors: Sequence[int] = (),
) -> Result:
    """Run `command` in a process group of its own, feed it `stdin`, and leave nothing of that group running.

    It starts in `folder` (where we are by default) and inherits `descriptors`.
    """
    started = time.monotonic()
    deadline = started + limits.seconds
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PATH": "/usr/bin:/bin", **(environment or {})},
        cwd=folder,
        pass_fds=descriptors,
        start_new_session=True,
    ) as process:
        try:
            streams = _Streams(process, stdin, limits.output_bytes)
            end = streams.pump(deadline)
            if end == "exited":
                try:
                    process.wait(max(0.0, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    end = "time limit"
        finally:
            _kill(process)
    return Result(end, process.returncode, streams.said["stdout"], streams.said["stderr"], time.monotonic() - started)


class _Streams:
    """The three pipes of a process, served together, so that one that is full or silent holds up none of the others."""

    def __init__(self, process: subprocess.Popen[bytes], stdin: bytes, cap: int) -> None:
        assert process.stdin and process.stdout and process.stderr
        self.said = {"stdout": b"", "stderr": b""}
        self._cap = cap
        self._unsent = memoryview(stdin)
        self._stdin = process.stdin
        self._selector = selectors.DefaultSelector()
        for pipe in (process.stdin, process.stdout, process.stderr):
            os.set_blocking(pipe.fileno(), False)
        self._selector.register(process.stdout, selectors.EVENT_READ, "stdout")
        self._selector.register(process.stderr, selectors.EVENT_READ, "stderr")
        self._selector.register(process.stdin, selectors.EVENT_WRITE, "stdin")

    def pump(self, deadline: float) -> Literal["exited", "time limit", "output limit"]:
        """Move bytes until both outputs are closed or a limit is met."""
        with self._selector:
            while any(key.data != "stdin" for key in self._selector.get_map().values()):
                left = deadline - time.monotonic()
                if left <= 0:
                    return "time limit"
                for key, _ in self._selector.select(left):
                    if key.data == "stdin":
                        self._feed()
                    elif not self._listen(key):
                        return "output limit"
        return "exited"

    def _feed(self) -> None:
        try:
            self._unsent = self._unsent[os.write(self._stdin.fileno(), self._unsent[:_CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._unsent = self._unsent[:0]
        if not self._unsent:
            self._selector.unregister(self._stdin)
            self._stdin.close()

    def _listen(self, key: selectors.SelectorKey) -> bool:
        data = os.read(key.fd, _CHUNK)
        if not data:
            self._selector.unregister(key.fileobj)
        self.said[key.data] = (self.said[key.data] + data)[: self._cap]
        return len(self.said[key.data]) < self._cap


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the group; bubblewrap's --die-with-parent takes the process namespace, and all in it, with it."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
