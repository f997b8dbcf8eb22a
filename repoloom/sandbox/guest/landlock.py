"""Landlock (landlock(7)): a process gives up, for good and for all it will start, what its walls let through.

Inside the walls it takes away: writing outside /work (should a mount ever be writable), TCP, and from version 6
signals to processes outside and abstract sockets. No privilege is needed, and nothing is undone by the program.
Run as a script it is a launcher: it locks itself, then becomes the command in its arguments.
"""

import ctypes
import os
import struct
import sys

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same on every architecture
_VERSION_ONLY = 1
_PATH_BENEATH = 1
_NO_NEW_PRIVILEGES = 38
_EXECUTE, _READ_FILE, _READ_FOLDER, _WRITE_FILE = 1 << 0, 1 << 2, 1 << 3, 1 << 1
_FILES = (13, 14, 15, 15, 16, 16, 16)  # how many rights over files versions 1 to 7 know
_TCP = 0b11  # bind, connect: version 4
_SCOPES = 0b11  # abstract sockets, signals: version 6
_NEWEST = 7


def version() -> int:
    """What this kernel speaks; 0: nothing."""
    return max(0, _syscall(_CREATE, None, 0, _VERSION_ONLY))


def lock(writable: str) -> None:
    """Keep reading and executing everywhere and all of `writable`; nothing happens where the kernel has no Landlock.

    Raises OSError where it has and refuses: the level that `bubblewrap.level` says would not be reached.
    """
    speaks = min(version(), _NEWEST)
    if not speaks:
        return
    everything = (1 << _FILES[speaks - 1]) - 1
    attributes = struct.pack("<QQQ", everything, _TCP if speaks >= 4 else 0, _SCOPES if speaks >= 6 else 0)
    size = 8 if speaks < 4 else 16 if speaks < 6 else 24
    rules = _syscall(_CREATE, attributes, size, 0)
    for path, rights in (
        ("/", _EXECUTE | _READ_FILE | _READ_FOLDER),
        ("/dev", _READ_FILE | _READ_FOLDER | _WRITE_FILE),
        (writable, everything),
    ):
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        _syscall(_ADD, rules, _PATH_BENEATH, struct.pack("<Qi", rights, place), 0)
        os.close(place)
    if ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or _syscall(_RESTRICT, rules, 0):
        raise OSError("Landlock is there, and refuses to lock this process")
    os.close(rules)


def _syscall(number: int, *arguments: int | bytes | None) -> int:
    return int(ctypes.CDLL(None).syscall(ctypes.c_long(number), *arguments))


if __name__ == "__main__":
    lock("/work")
    for name in ("PYTHONHOME", "LD_LIBRARY_PATH"):  # ours, not the command's
        os.environ.pop(name, None)
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606  # the launcher's work
