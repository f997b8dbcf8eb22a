"""What the manifest says of a curated corpus: sums that must hold, sizes, and one repository as an example."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from repoloom.curate.dedup import Repository
from repoloom.curate.source import Entry
from repoloom.curate.weave import Note

_WHOLE = frozenset({"duplicate-repository", "heldout-repository"})
"""Rules that take a repository whole."""
_EXAMPLE = range(8, 41)
"""Files of a repository whose graph is neither trivial nor unreadable."""


def counts(
    repositories: Sequence[Repository], files: Mapping[str, Sequence[Entry]], notes: Mapping[str, Sequence[Note]]
) -> dict[str, Any]:
    """The counts of the stage.

    `files` holds every file of every repository, with the rule that dropped it; `notes` what the second pass said of
    each repository's parts.
    """
    every = [entry for entries in files.values() for entry in entries]
    dropped: dict[str, dict[str, int]] = {}
    for entry in every:
        if entry.rule:
            rule = dropped.setdefault(entry.rule, {"repositories": 0, "files": 0, "bytes": 0})
            rule["files"] += 1
            rule["bytes"] += entry.bytes
    for entries in files.values():
        for rule_name in {entry.rule for entry in entries} & _WHOLE:
            dropped[str(rule_name)]["repositories"] += 1
    kept = {r.name: [entry for entry in files[r.name] if entry.rule is None] for r in repositories}
    training = [note for r in repositories if kept[r.name] and not r.heldout for note in notes[r.name]]
    return {
        "in": _sum(files.values()),
        "kept": _sum(kept[r.name] for r in repositories if not r.heldout),
        "heldout": _sum(kept[r.name] for r in repositories if r.heldout),
        "dropped": dict(sorted(dropped.items())),
        "languages": _languages(every, {r.name for r in repositories if r.heldout}),
        "repositories": [
            {
                "repo": r.name,
                "files": len(kept[r.name]),
                "bytes": sum(entry.bytes for entry in kept[r.name]),
                "documents": sum(len(note["documents"]) for note in notes[r.name]),
                "heldout": r.heldout,
            }
            for r in repositories
            if kept[r.name]
        ],
        "document_bytes": sorted(size for note in training for size in note["documents"]),
        "redacted": dict(sorted(sum((Counter(n["redacted"]) for of in notes.values() for n in of), Counter()).items())),
        "scores": _scores(note for of_one in notes.values() for note in of_one),
        "compilers": _agreement(note for of_one in notes.values() for note in of_one),
        "edges": {key: sum(note[key] for note in training) for key in ("found", "forward")},
        "example": _example(training),
    }


def _sum(repositories: Iterable[Sequence[Entry]]) -> dict[str, int]:
    filled = [entries for entries in repositories if entries]
    return {
        "repositories": len(filled),
        "files": sum(map(len, filled)),
        "bytes": sum(entry.bytes for entries in filled for entry in entries),
    }


def _languages(entries: Iterable[Entry], heldout: set[str]) -> dict[str, dict[str, int]]:
    table: dict[str, Counter[str]] = {}
    for entry in entries:
        row = table.setdefault(entry.language, Counter(in_files=0, in_bytes=0, kept_files=0, kept_bytes=0))
        row.update(in_files=1, in_bytes=entry.bytes)
        if entry.rule is None and entry.repo not in heldout:
            row.update(kept_files=1, kept_bytes=entry.bytes)
    return {name: dict(table[name]) for name in sorted(table)}


def _scores(notes: Iterable[Note]) -> dict[str, list[int]]:
    """How many files have which score, in bins from 0 to 1, dropped ones among them."""
    found: dict[str, list[int]] = {}
    for note in notes:
        for name, bins in note["scores"].items():
            found[name] = [a + b for a, b in zip(found.get(name, [0] * len(bins)), bins, strict=True)]
    return found


def _agreement(notes: Iterable[Note]) -> dict[str, dict[str, int]]:
    """By language, over all notes: on how many files the syntax screen and the compiler agree."""
    found: dict[str, Counter[str]] = {}
    for note in notes:
        for language, row in note["compilers"].items():
            found.setdefault(language, Counter()).update(row)
    return {language: dict(found[language]) for language in sorted(found)}


def _example(notes: Iterable[Note]) -> dict[str, Any] | None:
    """The repository of a readable size with most edges a file, up to two (more is a tangle); None if none has any."""
    graphs = [(note["repo"], note["graph"]) for note in notes if "graph" in note]
    if not graphs:
        return None

    def rank(item: tuple[str, dict[str, Any]]) -> tuple[bool, float, int, str]:
        repo, graph = item
        size = len(graph["files"])
        return size not in _EXAMPLE, -min(2.0, len(graph["edges"]) / size), -size, repo

    repo, graph = min(graphs, key=rank)
    return {"repo": repo, **graph}
