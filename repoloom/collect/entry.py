"""What every source looks like to the rest of this room: a repository that lists its entries and reads their bytes.

An entry whose name or kind already rules it out carries the rule with it, so that it is counted and reaches the ledger
like any other. Names come from strangers: they are only ever data here, but what later stages print, split at "/" or
put in a comment must be one clean relative path, so anything else is refused under the rule "name".
"""

import re
from dataclasses import dataclass, replace
from typing import Protocol

from repoloom.errors import UserError

DEPTH = 64
"""Folders above a file; deeper trees are not walked (The Stack v2's intake) [B]."""
_LISTING = 200_000_000
"""Characters that a repository's listing may take, 100 counted for every file and folder beside its path: over a
million files. Linux takes 13 million; only a tree made to exhaust its reader (a "git bomb") takes more."""
_NAME = 4096
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\\\ud800-\udfff]")
_FOREIGN = frozenset({"", ".", "..", ".git"})


@dataclass(frozen=True, slots=True)
class Entry:
    """A file (or a folder or link that was not entered) of a repository."""

    path: str
    """Relative, parts joined by "/"; printable even where the rule is "name"."""
    size: int
    """In bytes as it lies in the source; 0 for what is no regular file."""
    place: str
    """Where its repository finds the bytes: an absolute path, a git object id."""
    language: str = ""
    """Id of its language once `sift` has found it, "" before and where it is dropped."""
    rule: str = ""
    """Why it is dropped, "" while it is not."""
    measure: float | None = None
    threshold: float | None = None


class Repository(Protocol):
    """One repository of a source."""

    name: str
    """Unique among the sources of a run; printable, without "/"."""
    revision: str
    """Version or commit, "" where the source has none."""

    def fingerprint(self) -> object:
        """What changes when the content does, found without reading files; JSON."""

    def entries(self) -> list[Entry]:
        """All entries, sorted by path. Raises UserError if the repository as a whole cannot be walked."""

    def read(self, entry: Entry, length: int) -> bytes:
        """The first `length` bytes of a file. Raises OSError where they cannot be had."""

    def license(self) -> str | None:
        """SPDX expression of the whole, None where it is not known."""


class Listing:
    """The entries of a repository while it is walked."""

    def __init__(self, source: str) -> None:
        """`source` as the user wrote it, for the message."""
        self._source = source
        self._left = _LISTING
        self._entries: list[Entry] = []

    def enter(self, path: str) -> None:
        """Count a folder that is entered: folders alone can be made to have no end."""
        self._left -= 100 + len(path)
        if self._left < 0:
            raise UserError(f"{self._source} holds too many files to be one repository: name the folders inside it")

    def add(self, entry: Entry) -> None:
        """Take an entry. Raises UserError where there are too many."""
        self.enter(entry.path)
        self._entries.append(entry)

    def sorted(self) -> list[Entry]:
        """All, by path. Of several with one path, which only a forged tree holds, the first is kept."""
        entries = sorted(self._entries, key=lambda entry: entry.path)
        for i in range(1, len(entries)):
            if entries[i].path == entries[i - 1].path and not entries[i].rule:
                entries[i] = replace(entries[i], rule="name")
        return entries


def printable(name: str) -> str:
    """A name with everything unsafe in it escaped, cut to a length that fits in a line."""
    clean = _UNSAFE.sub(lambda match: ascii(match[0])[1:-1], name)
    return clean if len(clean) <= _NAME else clean[:_NAME] + "..."


def safe(name: str) -> bool:
    """Whether one part of a path is a plain name."""
    return name not in _FOREIGN and "/" not in name and len(name) <= _NAME and not _UNSAFE.search(name)
