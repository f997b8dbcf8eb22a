"""What the families read: one file of a repository."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class File:
    """A file: its path from the repository's root with forward slashes, its language's id, its text."""

    path: str
    language: str
    text: str
