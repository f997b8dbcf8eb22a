"""Near-deduplication at both levels: a repository goes whole or stays whole [DeepSeek-Coder 2.3]; then copied files go.

A repository counts as one text: the 5-grams of its files (those across a file border aside, so that the order of files
does not matter). Of a component of near-duplicates (see `clusters`) one is kept: a permissive licence first, then the
larger, then the smaller name.

Then the files of what is left. An exact copy (equal without white space) goes wherever it stands. A near-copy goes if
what it copies is another repository's: a repository's own variants (v1/ and v2/, one file a platform) are what its
imports point to, and repository-level deduplication is there to leave repositories whole. A permissive licence stays
first here too, then the file in fewer folders (a vendored copy lies deeper than the original), then the larger, then
the smaller name.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from repoloom import recipe
from repoloom.curate.clusters import Exact, Numbers, matches
from repoloom.curate.minhash import Signatures, Store
from repoloom.curate.policy import permissive
from repoloom.curate.source import Entry

TRIVIAL = 20
"""Words below which a file is too short to be called a copy: an empty `__init__.py`, a line of imports."""

T = TypeVar("T")
Similarities = Callable[[Sequence[tuple[T, T]]], Sequence[float]]
"""The exact Jaccard similarities of pairs."""


@dataclass(slots=True)
class Repository:
    """What deduplication knows of one repository: its files that passed the rules, as one text."""

    name: str
    license: str | None
    bytes: int
    signature: Signatures
    heldout: bool = False

    @property
    def has_grams(self) -> bool:
        """Whether there is anything to compare."""
        return bool((self.signature != np.iinfo(np.uint32).max).any())

    @property
    def rank(self) -> tuple[object, ...]:
        """The least of a component is kept. Stars, once a source tells them, stand between licence and size."""
        return not permissive(self.license), -self.bytes, self.name


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Why a repository or file goes: what it duplicates, and their similarity.

    `kept_as` is the one that is kept if the two are alike; where they are linked by others, the next one towards it,
    which is a duplicate itself. So `similarity` is always of these two, and never below the threshold.
    """

    kept_as: str
    similarity: float


def comparable(entry: Entry) -> bool:
    """Whether a file passed the rules so far, and is long enough to be compared with others."""
    return entry.rule is None and entry.words >= TRIVIAL


def name_of(entry: Entry) -> str:
    """A file's name in the ledger."""
    return f"{entry.repo}/{entry.path}"


def repositories(
    of: Sequence[Repository], settings: recipe.Curate, exact: Similarities[Repository], scratch: Path
) -> dict[str, Duplicate]:
    """The repositories that go, by name. `scratch` is a folder for what does not belong in memory."""
    ranked = sorted((repository for repository in of if repository.has_grams), key=lambda repository: repository.rank)
    store = Store(scratch / "repositories", settings.duplicate_permutations)
    for repository in ranked:
        store.append(repository.signature[None])
    every = np.arange(len(ranked))
    found = matches(store, every, every, settings, _on(ranked, exact), scratch)
    return {ranked[m.text].name: Duplicate(ranked[m.like].name, m.similarity) for m in found}


def files(
    entries: Sequence[Entry],
    rows: Numbers,
    store: Store,
    settings: recipe.Curate,
    exact: Similarities[Entry],
    scratch: Path,
) -> Iterator[tuple[Entry, Duplicate]]:
    """The near-copies among the comparable ones of `entries`; `rows` says where in `store` their signatures stand."""
    order = _ranked(entries)
    ranked = [entries[number] for number in order]
    numbers: dict[str, int] = {}
    owners = np.array([numbers.setdefault(entry.repo, len(numbers)) for entry in ranked], np.int64)
    for match in matches(store, rows[order], owners, settings, _on(ranked, exact), scratch):
        yield ranked[match.text], Duplicate(name_of(ranked[match.like]), match.similarity)


def exact_files(entries: Sequence[Entry]) -> Iterator[tuple[Entry, Duplicate]]:
    """The comparable ones of `entries` that are equal to a better-ranked one without white space."""
    kept: dict[int, Entry] = {}
    for number in _ranked(entries):
        entry = entries[number]
        if kept.setdefault(entry.plain, entry) is not entry:
            yield entry, Duplicate(name_of(kept[entry.plain]), 1.0)


def _ranked(entries: Sequence[Entry]) -> list[int]:
    """The numbers of the comparable files, the one to be kept first; stars would come second here too."""

    def rank(number: int) -> tuple[object, ...]:
        entry = entries[number]
        return not permissive(entry.license), entry.path.count("/"), -entry.bytes, entry.repo, entry.path, entry.place

    return sorted((number for number, entry in enumerate(entries) if comparable(entry)), key=rank)


def _on(ranked: Sequence[T], exact: Similarities[T]) -> Exact:
    return lambda pairs: np.array(exact([(ranked[first], ranked[second]) for first, second in pairs.tolist()]))
