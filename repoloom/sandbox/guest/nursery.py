"""A warmed interpreter inside the walls that forks a judge for each case, so that none waits for a start.

It reads no program and no test: a case's socket goes to its fork alone. Each fork has process, mount and IPC namespaces
of its own, with a disk of its own, and gives up for good every capability, its limits and most system calls before it
reads anything (guest/judge.py then forks the candidate). Whatever the case leaves running dies with its judge, the
first process of its namespace, and the next case begins only after that. What the cases of one nursery share is listed
in docs/sandbox.md.

Orders come on a socket, one a message: JSON with the limits, and the case's socket as a descriptor; or `kill`. The
answer is `ready` once, then `done` after each case.
"""

import ctypes
import gc
import json
import os
import resource
import select
import shutil
import signal
import socket
import sys
from typing import Any

sys.path.append("/guest" if __file__.startswith("/guest/") else __file__.rsplit("/", 4)[0])

from repoloom.sandbox.guest import judge, seccomp  # the path comes first

_LIBC = ctypes.CDLL(None, use_errno=True)
_NAMESPACES = 0x20000000 | 0x00020000 | 0x08000000  # CLONE_NEWPID, CLONE_NEWNS, CLONE_NEWIPC
_CLONE = {"x86_64": 56, "aarch64": 220}
_NOSUID_NODEV = 2 | 4
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _READ_BOUNDING, _DROP_BOUNDING, _AMBIENT, _CLEAR_ALL = 38, 22, 23, 24, 47, 4
_CAPABILITIES_3 = 0x20080522
_WARM = ("bisect", "collections", "copy", "datetime", "functools", "hashlib", "heapq", "itertools")
_ALSO_WARM = ("math", "random", "re", "string", "typing")
_RULES = {
    "cpu_seconds": resource.RLIMIT_CPU,
    "memory_bytes": resource.RLIMIT_DATA,
    "address_bytes": resource.RLIMIT_AS,
    "processes": resource.RLIMIT_NPROC,
    "file_bytes": resource.RLIMIT_FSIZE,
    "open_files": resource.RLIMIT_NOFILE,
}


def main(control: socket.socket, unsafe: bool) -> None:
    """Serve orders until the other end is gone."""
    for name in (*_WARM, *_ALSO_WARM):  # what programs import first
        __import__(name)
    gc.collect()
    gc.freeze()
    control.send(b"ready")
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 4096, 1)
        if not message:
            return
        if not descriptors:
            continue  # a kill that came after its case had ended
        number = _unsafe_fork() if unsafe else _clone()
        if number == 0:
            try:
                control.close()
                _begin(json.loads(message), descriptors[0], unsafe)
            finally:
                os._exit(1)
        os.close(descriptors[0])
        gone = _wait(control, number, unsafe)
        if gone:
            return
        control.send(b"done")


def _wait(control: socket.socket, number: int, unsafe: bool) -> bool:
    """Until the case is over; at a `kill`, or when nobody listens any more (true), it is over at once."""
    ended = os.pidfd_open(number)
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(control, select.POLLIN)
    gone = False
    if any(place == control.fileno() for place, _ in poll.poll()):
        gone = not control.recv(4096)
        os.kill(number, signal.SIGKILL)
    if unsafe:
        os.waitid(os.P_PIDFD, ended, os.WEXITED | os.WNOWAIT)
        os.killpg(number, signal.SIGKILL)
        shutil.rmtree(str(number), ignore_errors=True)
    os.waitpid(number, 0)
    os.close(ended)
    return gone


def _clone() -> int:
    """Fork into new namespaces. The raw call: os.fork cannot ask for them, and unshare would move the nursery too."""
    flags = ctypes.c_long(_NAMESPACES | signal.SIGCHLD)
    number = int(_LIBC.syscall(_CLONE[os.uname().machine], flags, None, None, None, None))
    if number < 0:
        raise OSError(ctypes.get_errno(), "clone")
    return number


def _unsafe_fork() -> int:
    number = os.fork()
    if number == 0:
        os.setsid()
        os.mkdir(str(os.getpid()))  # noqa: PTH102  # pathlib costs 5 ms here
        os.chdir(str(os.getpid()))
    return number


def _begin(limits: dict[str, Any], case: int, unsafe: bool) -> None:
    """Shut every door, then judge the case that comes on descriptor `case`."""
    os.dup2(case, 0)
    os.dup2(case, 1)
    silence = os.open(os.devnull, os.O_RDWR)
    os.dup2(silence, 2)
    os.closerange(3, 256)
    if not unsafe:
        size = f"size={limits['disk_bytes']},mode=700".encode()
        _must(_LIBC.mount(b"tmpfs", b"/work", b"tmpfs", _NOSUID_NODEV, size))
        os.chdir("/work")
    for name, rule in _RULES.items():
        if unsafe and name == "processes":
            continue  # it would count all of this user's
        resource.setrlimit(rule, (limits[name], limits[name]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if not unsafe:
        _drop_capabilities()
        _filter_calls()
    judge.main(unsafe)


def _drop_capabilities() -> None:
    _must(_LIBC.prctl(_AMBIENT, _CLEAR_ALL, 0, 0, 0))
    number = 0
    while _LIBC.prctl(_READ_BOUNDING, number, 0, 0, 0) >= 0:  # until there is no such capability
        _must(_LIBC.prctl(_DROP_BOUNDING, number, 0, 0, 0))
        number += 1
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_3, 0)
    _must(_LIBC.capset(header, (ctypes.c_uint32 * 6)()))


def _filter_calls() -> None:
    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]

    _must(_LIBC.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    if seccomp.known():
        code = seccomp.program()
        _must(_LIBC.prctl(_SET_SECCOMP, 2, ctypes.byref(Program(len(code) // 8, code)), 0, 0))


def _must(status: int) -> None:
    if status != 0:
        raise OSError(ctypes.get_errno(), "the walls of a case")


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), unsafe=sys.argv[2] == "unsafe")
