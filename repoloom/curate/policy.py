"""Which code may be used: by its licence, and by its owners' wish.

A licence is an SPDX expression. `permissive` takes what asks for no copyleft, and what has no licence that was found:
The Stack v2 keeps such files, too (2402.19173, 2.3); `unlicensed=False` does not. The opt-out list names repositories
and owners that want no part in it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Self

from repoloom.errors import UsageError

_PERMISSIVE = """
0BSD AFL-2.0 AFL-2.1 AFL-3.0 Apache-1.1 Apache-2.0 Artistic-2.0 BlueOak-1.0.0 BSD-1-Clause BSD-2-Clause
BSD-2-Clause-Patent BSD-3-Clause BSD-3-Clause-Clear BSD-4-Clause BSD-Source-Code BSL-1.0 CC-BY-3.0 CC-BY-4.0 CC0-1.0
CNRI-Python curl ECL-2.0 FTL HPND ICU ISC JSON libpng-2.0 libtiff MIT MIT-0 MIT-CMU MS-PL MulanPSL-2.0 NCSA OFL-1.1
OLDAP-2.8 OpenSSL PHP-3.01 PostgreSQL PSF-2.0 Python-2.0 Ruby Unicode-3.0 Unicode-DFS-2016 Unlicense UPL-1.0 Vim W3C
WTFPL X11 Zlib zlib-acknowledgement ZPL-2.0 ZPL-2.1
"""
PERMISSIVE = frozenset(_PERMISSIVE.lower().split())
"""SPDX ids of licences without copyleft (Blue Oak's list and ScanCode's category), in lower case."""

_WORD = re.compile(r"\s*(?:([()])|([A-Za-z0-9.+:\-]{1,100}))")
_DEPTH = 50
"""Brackets within brackets beyond which an expression counts as unknown."""


@lru_cache(10_000)
def permits(policy: str | tuple[str, ...], license: str | None, *, unlicensed: bool = True) -> bool:
    """Whether `license`, an SPDX expression, may be used under `policy`: `any`, `permissive`, or SPDX ids.

    Of alternatives (OR) one is enough; of what holds together (AND) all must be in order; an exception (WITH) only
    gives more leave. Where no licence was found `unlicensed` decides, but for `any`. What is no expression, or names a
    licence unknown to the policy, is refused.
    """
    if policy == "any":
        return True
    if not license:
        return unlicensed
    ids = (policy,) if isinstance(policy, str) else policy
    allowed = frozenset(id.lower() for id in ids if id != "permissive")
    return _holds(license, allowed | PERMISSIVE if "permissive" in ids else allowed)


def permissive(license: str | None) -> bool:
    """Whether an SPDX expression lets the code be used without copyleft; False for what is not known."""
    return permits("permissive", license, unlicensed=False)


def check(policy: str | tuple[str, ...]) -> None:
    """Raises UsageError for a policy with something in it that is no SPDX id: an expression, an empty name."""
    for id in (policy,) if isinstance(policy, str) else policy:
        if not re.fullmatch(r"[A-Za-z0-9.+:\-]{1,100}", id) or id.upper() in {"AND", "OR", "WITH"}:
            raise UsageError(f"licences: {id!r} is no SPDX id; `any`, `permissive` or a list of ids is meant")


def _holds(expression: str, allowed: frozenset[str]) -> bool:
    """Evaluates OR < AND < WITH with a stack of open brackets; False for what is no expression."""
    # Each level: [some earlier alternative holds, this alternative holds so far, an operand is awaited]
    levels = [[False, True, True]]
    words = _split(expression)
    if words is None:
        return False
    queue = iter(words)
    for word in queue:
        level = levels[-1]
        if word == "(":
            if not level[2] or len(levels) > _DEPTH:
                return False
            levels.append([False, True, True])
        elif word == ")":
            if level[2] or len(levels) == 1:
                return False
            levels.pop()
            _take(levels[-1], level[0] or level[1])
        elif word.upper() in {"AND", "OR"}:
            if level[2]:
                return False
            if word.upper() == "OR":
                level[0], level[1] = level[0] or level[1], True
            level[2] = True
        elif word.upper() == "WITH":
            if level[2] or next(queue, "(") in {"(", ")"}:
                return False
        elif level[2]:
            _take(level, _allowed(word.lower(), allowed))
        else:
            return False
    return len(levels) == 1 and not levels[0][2] and (levels[0][0] or levels[0][1])


def _take(level: list[bool], holds: bool) -> None:
    level[1], level[2] = level[1] and holds, False


def _allowed(id: str, allowed: frozenset[str]) -> bool:
    """`GPL-2.0+` and the deprecated `GPL-2.0` are `-or-later` and `-only`; a list may use either name."""
    names = {id}
    if id.endswith("+"):
        names |= {id[:-1] + "-or-later", id[:-1]}
    elif id.endswith("-or-later"):
        names |= {id.removesuffix("-or-later") + "+"}
    else:
        names |= {id.removesuffix("-only"), id + "-only"}
    return not names.isdisjoint(allowed)


def _split(expression: str) -> list[str] | None:
    found = []
    place = 0
    text = expression.rstrip()
    while place < len(text):
        match = _WORD.match(text, place)
        if match is None:
            return None
        found.append(match[1] or match[2])
        place = match.end()
    return found


@dataclass(frozen=True)
class OptOut:
    """Repositories and owners that opted out, by what the list says of them."""

    exact: Mapping[str, str]
    """`owner/name` or `owner`, in lower case -> the line as it was written."""
    patterns: tuple[tuple[re.Pattern[str], str], ...] = ()
    """Lines with `*`."""
    path: Path | None = None

    @classmethod
    def read(cls, path: Path) -> Self:
        """A text file: on each line an `owner` or an `owner/name`, where `*` stands for any characters but `/`; `#`
        begins a comment. A repository that has no owner is covered by its name alone. Raises UsageError, with the
        line's number.
        """
        exact: dict[str, str] = {}
        patterns: list[tuple[re.Pattern[str], str]] = []
        try:
            lines = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"opt-out: {path} cannot be read: {error}") from None
        for number, line in enumerate(lines, 1):
            entry = line.partition("#")[0].strip()
            if not entry:
                continue
            name = _short(entry)
            if not re.fullmatch(r"[\w.\-*]+(?:/[\w.\-*]+)*", name) or not name.strip("*/"):
                raise UsageError(f"opt-out: {path}, line {number}: {entry!r} is no `owner` or `owner/name`")
            if "*" in name:
                patterns.append((re.compile("[^/]*".join(map(re.escape, name.split("*")))), entry))
            else:
                exact.setdefault(name, entry)
        return cls(exact, tuple(patterns), path)

    def covers(self, repo: str) -> str | None:
        """The line that covers `repo` (`github.com/owner/name`, `owner/name`, `name`), or None. Case does not count."""
        parts = _short(repo).split("/")
        names = ["/".join(parts[:n]) for n in range(len(parts), 0, -1)]
        for each in names:
            if each in self.exact:
                return self.exact[each]
        return next((line for pattern, line in self.patterns if any(map(pattern.fullmatch, names))), None)


_BEFORE = re.compile(r"(?:git\+)?(?:\w{1,20}://)?(?:git@)?(?:[\w\-]{1,63}(?:\.[\w\-]{1,63}){1,5}[/:])?(?=[^/]*/)")


def _short(name: str) -> str:
    """`owner/name` in lower case, of an address or a name."""
    name = name.strip().lower().removesuffix("/").removesuffix(".git")
    parts = name.split("/")
    if len(parts) > 2 or "://" in name or "@" in name:
        name = _BEFORE.sub("", name, count=1)
    return name
