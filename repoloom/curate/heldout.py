"""Held out means held out: whole repositories are set aside by seed, and no near-copy of their files stays in training.

A vendored copy of a held-out package is a small part of the repository that holds it, so the two repositories are not
alike; its files are. Hence the check of files: equal without white space, or near-duplicates by the same 5-grams,
permutations, threshold and bands as in deduplication. It is no part of that and stays on where that is switched off.
"""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from repoloom import recipe
from repoloom.curate.clusters import MISS, Exact, Verifier
from repoloom.curate.dedup import Duplicate, Repository, Similarities, name_of
from repoloom.curate.minhash import Signatures, banding, cross_candidates, estimates, keys
from repoloom.curate.source import Entry


def choose(sizes: dict[str, int], share: float, seed: int) -> set[str]:
    """The repositories set aside, in the order of a keyed hash of their names, while they fit `share` of the bytes.

    One that would pass over the share is skipped, so that the share holds also where one repository is a large part of
    the corpus; where none fits, the smallest goes, unless it is the only one. A repository without a byte counts for
    nothing: setting it aside would hold nothing out.
    """
    sizes = {name: size for name, size in sizes.items() if size}
    budget = share * sum(sizes.values())
    chosen: set[str] = set()
    taken = 0
    for name in sorted(
        sizes, key=lambda name: hashlib.blake2b(f"heldout\0{seed}\0{name}".encode("utf-8", "surrogatepass")).digest()
    ):
        if taken + sizes[name] <= budget:
            chosen.add(name)
            taken += sizes[name]
    if share and not chosen and len(sizes) > 1:
        chosen.add(min(sizes, key=lambda name: (sizes[name], name)))
    return chosen


def near_repositories(
    training: Sequence[Repository],
    heldout: Sequence[Repository],
    settings: recipe.Curate,
    exact: Similarities[Repository],
) -> dict[str, Duplicate]:
    """The training repositories that are near-duplicates of a held-out one, by name, with the most similar."""
    ours = [repository for repository in training if repository.has_grams]
    aside = [repository for repository in heldout if repository.has_grams]
    if not ours or not aside:
        return {}
    index = _Nearest(np.stack([repository.signature for repository in aside]), settings)
    found = index.find(
        np.stack([repository.signature for repository in ours]),
        lambda pairs: np.array(exact([(ours[i], aside[j]) for i, j in pairs.tolist()])),
    )
    return {ours[row].name: Duplicate(aside[other].name, value) for row, other, value in found}


class Index:
    """The held-out files, ready to recognise a copy of one."""

    def __init__(
        self, entries: Sequence[Entry], signatures: Signatures, settings: recipe.Curate, exact: Similarities[Entry]
    ) -> None:
        self._entries, self._exact = entries, exact
        self._nearest = _Nearest(signatures, settings)
        self._plain = {entry.plain: entry for entry in reversed(entries)}

    def copies(self, entries: Sequence[Entry], signatures: Signatures) -> Iterator[tuple[Entry, Duplicate]]:
        """Each of `entries` (with their signatures) that copies a held-out file, and the most similar of those."""
        left = []
        for number, entry in enumerate(entries):
            if entry.plain in self._plain:
                yield entry, Duplicate(name_of(self._plain[entry.plain]), 1.0)
            else:
                left.append(number)
        found = self._nearest.find(
            signatures[left],
            lambda pairs: np.array(self._exact([(entries[left[i]], self._entries[j]) for i, j in pairs.tolist()])),
        )
        for row, other, value in found:
            yield entries[left[row]], Duplicate(name_of(self._entries[other]), value)


class _Nearest:
    """Finds the most similar of some texts among those that reach the threshold."""

    def __init__(self, signatures: Signatures, settings: recipe.Curate) -> None:
        self._signatures = signatures
        self._banding = banding(settings.duplicate_similarity, settings.duplicate_permutations, MISS)
        self._keys = keys(signatures, *self._banding)
        self._verifier = Verifier(settings)

    def find(self, signatures: Signatures, exact: Exact) -> Iterator[tuple[int, int, float]]:
        """Row of `signatures`, number of the most similar text (the first of equals), their similarity; by row."""
        pairs = cross_candidates(keys(signatures, *self._banding), self._keys)
        rough = estimates(pairs, signatures.__getitem__, self._signatures.__getitem__)
        values = self._verifier.similarities(pairs, rough, exact)
        order = np.lexsort((pairs[:, 1], -values, pairs[:, 0]))
        _, best = np.unique(pairs[order, 0], return_index=True)
        for number in order[best].tolist():
            if values[number] >= self._verifier.threshold:
                yield int(pairs[number, 0]), int(pairs[number, 1]), float(values[number])
