"""Import edges between the files of one repository: which file uses which other file of the same repository.

One file a language family extracts what a file asks for, with a scanner that knows the language's comments and strings,
and resolves it by dictionaries over the repository's paths. Nothing is executed, parsed into a tree or read from disk;
cost is O(bytes + files x depth + imports). docs/dependencies.md says what each language resolves, and how well.
"""

from collections.abc import Callable, Iterator, Sequence

from repoloom.curate.imports import c, csharp, go, java, javascript, jvm, php, python, ruby, rust, swift
from repoloom.curate.imports.file import File

__all__ = ["File", "edges", "takes_part"]

MAX_DEPTH = 64
MAX_PATH = 1024
"""Paths deeper or longer (characters) than these take no part: nobody's source, and they would cost quadratic time."""

_FAMILIES: tuple[tuple[frozenset[str], Callable[[Sequence[File], Sequence[int]], Iterator[tuple[int, int]]]], ...] = (
    (frozenset({"python"}), python.edges),
    (frozenset({"c", "cpp", "cuda"}), c.edges),
    (frozenset({"java"}), java.edges),
    (frozenset({"javascript", "typescript"}), javascript.edges),
    (frozenset({"go"}), go.edges),
    (frozenset({"rust"}), rust.edges),
    (frozenset({"c-sharp"}), csharp.edges),
    (frozenset({"kotlin", "scala"}), jvm.edges),
    (frozenset({"php"}), php.edges),
    (frozenset({"ruby"}), ruby.edges),
    (frozenset({"swift"}), swift.edges),
)


def takes_part(path: str) -> bool:
    """Whether a path is short and shallow enough to have edges."""
    return len(path) <= MAX_PATH and path.count("/") < MAX_DEPTH


def edges(files: Sequence[File]) -> list[tuple[int, int]]:
    """The edges (user index, used index) among `files`, which are one repository: sorted, distinct, no self edges.

    A language without a family has no edges of its own. Manifests (`package.json`, `tsconfig.json`, `go.mod`,
    `Cargo.toml`, `composer.json`, `Package.swift`) are read where they stand among the files, whatever their language
    says; without them names are guessed from folders. Of several files of one path (a shard that others made may hold
    such) the first has edges.
    """
    first: dict[str, int] = {}
    for n, file in enumerate(files):
        first.setdefault(file.path, n)
    taking_part = [n for n, file in enumerate(files) if first[file.path] == n and takes_part(file.path)]
    found: set[tuple[int, int]] = set()
    for languages, family in _FAMILIES:
        if any(files[n].language in languages for n in taking_part):
            found.update(edge for edge in family(files, taking_part) if edge[0] != edge[1])
    return sorted(found)
