"""Files on this machine's disk, read without trusting what they are: only regular files opened, no links.

Opening does not block on a pipe and looks at the opened file itself, so that one that is swapped for a link, a device
or a pipe between listing and reading is refused like any other.
"""

import os
import stat

from repoloom.collect.entry import Entry


def entry(path: str, place: str) -> Entry:
    """The entry of the file at `place`, with a rule where it is no regular file or cannot be looked at."""
    try:
        status = os.lstat(place)
    except OSError:
        return Entry(path, 0, place, rule="unreadable")
    if stat.S_ISLNK(status.st_mode):
        return Entry(path, 0, place, rule="symlink")
    if not stat.S_ISREG(status.st_mode):
        return Entry(path, 0, place, rule="special")
    return Entry(path, status.st_size, place)


def read(place: str, length: int) -> bytes:
    """The first `length` bytes of a regular file. Raises OSError."""
    handle = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(f"{place} is no regular file")
        parts = []
        while length > 0 and (part := file.read(length)):
            parts.append(part)
            length -= len(part)
    return b"".join(parts)


def contents(place: str, length: int) -> bytes:
    """As `read`, but b"" for what cannot be read."""
    try:
        return read(place, length)
    except OSError:
        return b""
