"""From the words of a recipe to repositories."""

from collections.abc import Sequence
from pathlib import Path

from repoloom.collect import installed
from repoloom.collect.directory import Directory
from repoloom.collect.entry import Repository
from repoloom.collect.git import Clone
from repoloom.errors import UsageError

KNOWN = "installed:, installed:NAME,NAME, dir:PATH, git+file:PATH"


def find(sources: Sequence[str]) -> list[Repository]:
    """The repositories of all sources, sorted by name, each once.

    A second repository of the same name from another place is called `name-2`. Raises UsageError for a source that is
    none, UserError for one that cannot be read.
    """
    if not sources:
        raise UsageError(f"collect.sources is empty: name at least one of {KNOWN}")
    found: dict[tuple[str, str], Repository] = {}
    for source in sources:
        for place, repository in _of(source):
            found.setdefault((source.partition(":")[0], place), repository)
    taken: set[str] = set()
    for repository in found.values():
        if repository.name in taken:
            number = 2
            while f"{repository.name}-{number}" in taken:
                number += 1
            repository.name = f"{repository.name}-{number}"
        taken.add(repository.name)
    return sorted(found.values(), key=lambda repository: repository.name)


def _of(source: str) -> list[tuple[str, Repository]]:
    scheme, colon, rest = source.partition(":")
    if scheme == "installed" and colon:
        names = [name.strip() for name in rest.split(",") if name.strip()]
        return [(distribution.name, distribution) for distribution in installed.find(names)]
    if scheme not in {"dir", "git+file"} or not colon:
        raise UsageError(f"collect.sources: {source!r} is no source; known are {KNOWN}")
    if not rest or "\0" in rest:
        raise UsageError(f"collect.sources: {source!r} names no folder")
    if scheme == "dir":
        directory = Directory(source, Path(rest))
        return [(str(directory.root), directory)]
    clone = Clone(source, Path(rest))
    return [(str(clone.root), clone)]
