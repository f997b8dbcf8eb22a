"""Repository-level near-deduplication [DeepSeek-Coder 2.3]: a repository goes whole or stays whole.

A repository counts as one text: the 5-grams of its files (those across a file border aside, so that the order of files
does not matter). Candidates come from LSH bands; each is verified by the signatures' estimate, and by the exact
Jaccard similarity where the estimate is too near the threshold to tell. Connected components of the verified pairs
keep one repository: a permissive licence first, then the larger, then the smaller name (The Stack v2 goes by licence,
stars and forks; stars are not known here).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from repoloom import recipe
from repoloom.curate.minhash import Signatures, banding, candidates, cross_candidates, keys, similarity

_SURE = 3.5
"""Standard errors of the estimate beyond which it needs no exact check (one pair in 4,000 is misjudged)."""

MISS = 0.99
"""How much worse a missed pair is than a false candidate where held-out texts are concerned (39 bands of 6 rows)."""

_PERMISSIVE = (
    "0BSD AFL-3.0 Apache-2.0 Artistic-2.0 BSD-1-Clause BSD-2-Clause BSD-3-Clause BSD-3-Clause-Clear BSD-4-Clause "
    "BSL-1.0 CC0-1.0 CNRI-Python HPND ISC MIT MIT-0 MIT-CMU MS-PL NCSA PostgreSQL PSF-2.0 Python-2.0 Unicode-3.0 "
    "Unlicense UPL-1.0 WTFPL X11 Zlib ZPL-2.1"
)
PERMISSIVE = frozenset(_PERMISSIVE.split())
"""SPDX ids of licences without copyleft."""


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


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Why a repository or file goes: the one that stays, and their similarity."""

    kept_as: str
    similarity: float


class Verifier:
    """Decides whether a candidate pair is a pair."""

    def __init__(self, settings: recipe.Curate) -> None:
        self.threshold = settings.duplicate_similarity
        self._margin = _SURE * sqrt(self.threshold * (1 - self.threshold) / settings.duplicate_permutations)

    def similarity(self, first: Signatures, second: Signatures, exact: Callable[[], float]) -> float | None:
        """The similarity of a pair that reaches the threshold, else None; `exact` is asked only where it matters."""
        value = similarity(first, second)
        if abs(value - self.threshold) <= self._margin:
            value = exact()
        return value if value >= self.threshold else None


def permissive(license: str | None) -> bool:
    """Whether an SPDX expression lets the code be used without copyleft; False for what is not known."""
    if not license:
        return False
    if "(" in license:
        names = license.replace("(", " ").replace(")", " ").split()
        return all(name in PERMISSIVE for name in names if name not in {"AND", "OR"})
    return any(all(name.strip() in PERMISSIVE for name in choice.split(" AND ")) for choice in license.split(" OR "))


def duplicates(
    repositories: Sequence[Repository],
    settings: recipe.Curate,
    exact: Callable[[Repository, Repository], float],
) -> dict[str, Duplicate]:
    """The repositories that go, by name, with the one that stays for each. `exact` is the Jaccard similarity of two."""
    ranked = sorted(
        (repository for repository in repositories if repository.has_grams),
        key=lambda repository: (not permissive(repository.license), -repository.bytes, repository.name),
    )
    if len(ranked) < 2:
        return {}
    verifier = Verifier(settings)
    bands, rows = banding(settings.duplicate_similarity, settings.duplicate_permutations)
    parent = list(range(len(ranked)))

    def find(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    judged: dict[tuple[int, int], bool] = {}
    for pair in candidates(keys(np.stack([repository.signature for repository in ranked]), bands, rows)):
        i, j = min(pair), max(pair)
        first, second = find(i), find(j)
        if first == second or (i, j) in judged:
            continue
        a, b = ranked[i], ranked[j]
        judged[i, j] = verifier.similarity(a.signature, b.signature, lambda a=a, b=b: exact(a, b)) is not None  # type: ignore[misc]
        if judged[i, j]:
            # The better-ranked root stays the root, so a component's root is the repository that is kept.
            parent[max(first, second)] = min(first, second)
    kept = {node: ranked[find(node)] for node in range(len(ranked)) if find(node) != node}
    return {
        ranked[node].name: Duplicate(root.name, similarity(ranked[node].signature, root.signature))
        for node, root in kept.items()
    }


def near_heldout(
    repositories: Sequence[Repository],
    heldout: Sequence[Repository],
    settings: recipe.Curate,
    exact: Callable[[Repository, Repository], float],
) -> dict[str, Duplicate]:
    """The training repositories that are near-duplicates of a held-out one, by name, with the most similar."""
    training = [repository for repository in repositories if repository.has_grams]
    aside = [repository for repository in heldout if repository.has_grams]
    if not training or not aside:
        return {}
    verifier = Verifier(settings)
    bands, rows = banding(settings.duplicate_similarity, settings.duplicate_permutations, MISS)
    first, second = (keys(np.stack([r.signature for r in side]), bands, rows) for side in (training, aside))
    found: dict[str, Duplicate] = {}
    for i, j in cross_candidates(first, second):
        a, b = training[i], aside[j]
        value = verifier.similarity(a.signature, b.signature, lambda a=a, b=b: exact(a, b))  # type: ignore[misc]
        if value is not None and (a.name not in found or value > found[a.name].similarity):
            found[a.name] = Duplicate(b.name, value)
    return found
