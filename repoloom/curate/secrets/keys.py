"""Private keys in PEM, OpenPGP and PuTTY form, in a file of their own or within a program's strings.

The body goes from its first to its last base64 run as one; what opens and closes it, and quotes and escapes before and
after, stay. A key counts without its end, too. A body holds no `-`, so no two searches read the same bytes.
"""

import re
from collections.abc import Iterator

HINT = "PRIVATE KEY|Private-Lines: "

_BETWEEN = r"(?:\\{1,4}[nrt]|[^\w\\\-])"
"""A character between runs: space, quotes, `+`, `#`, `\\n` as it is written in a string."""
_HEADER = r"[A-Z][A-Za-z]{2,9}(?:-[A-Z][a-z]{2,9})?: [\w.,@<>() \-]{1,200}+"
"""Proc-Type: 4,ENCRYPTED and the like."""
_RUN = r"[A-Za-z0-9+/]{16,}+={0,2}+"
_LAST = rf"[A-Za-z0-9+/]{{1,15}}+={{0,2}}+(?={_BETWEEN}{{0,99}}(?:-----|=[A-Za-z0-9+/]{{4}}))"
"""The last, shorter line; and OpenPGP's checksum."""
_BEGIN = re.compile(HINT.encode())
_BLOCK = re.compile(
    (
        rf"(?:PRIVATE KEY(?: BLOCK)?-----|Private-Lines: \d{{1,4}})"
        rf"(?:{_BETWEEN}{{1,99}}+{_HEADER})*+{_BETWEEN}{{1,99}}+"
        rf"(?P<secret>(?=[A-Za-z0-9+/]{{32}}){_RUN}(?:{_BETWEEN}{{1,99}}+{_RUN})*+(?:{_BETWEEN}{{1,99}}+{_LAST}){{0,2}}+)"
    ).encode()
)


def blocks(data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The bodies of the keys that begin in the line `data[start:end]`, as places in `data`."""
    for begin in _BEGIN.finditer(data, start, end):
        if (match := _BLOCK.match(data, begin.start())) and b"REDACTED_" not in match["secret"]:
            yield match.span("secret")
