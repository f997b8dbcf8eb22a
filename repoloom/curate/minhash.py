"""MinHash: signatures that estimate the Jaccard similarity of gram sets, and the bands that find candidate pairs.

A signature holds, for each of 256 permutations, the least permuted hash of a set. The signature of a union is the
element-wise minimum, so a repository's is made from its files' and every file is read once. rensa computes it from the
hashes of `grams` at several hundred MB/s of source (numpy: 50); datasketch was far slower.

Locality-sensitive hashing cuts a signature into bands; two texts that agree on all rows of any band are a candidate
pair. `banding` gives the bands and rows that BigCode uses (25x10 at 0.7, 13x19 at 0.85).
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import rensa
from numpy.typing import NDArray

from repoloom.curate.grams import Hashes, mix

Signatures = NDArray[np.uint32]
"""[texts, permutations]; a text without grams has all ones, which is neutral under the minimum."""

_SEED = 42
_NEXT = np.uint64(0xD6E8FEB86659FD93)


def signatures(grams: Sequence[Hashes], permutations: int) -> Signatures:
    """The signatures of gram hashes (with repeats or without): uint32[len(grams), permutations]."""
    if not grams:
        return np.empty((0, permutations), np.uint32)
    offsets = np.zeros(len(grams) + 1, np.uint64)
    np.cumsum([len(text) for text in grams], out=offsets[1:])
    matrix = rensa.RMinHash.digest_matrix_from_flat_token_hashes(np.concatenate(grams), offsets, permutations, _SEED)
    return np.array(matrix.to_rows(), np.uint32).reshape(len(grams), permutations)


def similarity(first: Signatures, second: Signatures) -> float:
    """The estimated Jaccard similarity of two signatures; its standard error is sqrt(j(1-j)/permutations)."""
    return float(np.mean(first == second))


def jaccard(first: Hashes, second: Hashes) -> float:
    """The exact Jaccard similarity of two gram sets, each sorted and without repeats."""
    common = len(np.intersect1d(first, second, assume_unique=True))
    union = len(first) + len(second) - common
    return common / union if union else 0.0


def banding(threshold: float, permutations: int, cost_of_miss: float = 0.5) -> tuple[int, int]:
    """Bands and rows whose chance of a candidate, 1 - (1 - s^rows)^bands, comes nearest to a step at `threshold`.

    The sum of false positives below and misses above it is least, the misses weighted by `cost_of_miss` and the
    false positives by the rest (datasketch's choice, from which BigCode's figures come).
    """
    below = (np.arange(1000) + 0.5) / 1000 * threshold
    above = threshold + (np.arange(1000) + 0.5) / 1000 * (1 - threshold)
    best = (np.inf, 1, 1)
    for bands in range(1, permutations + 1):
        for rows in range(1, permutations // bands + 1):
            false = np.mean(1 - (1 - below**rows) ** bands) * threshold
            missed = np.mean((1 - above**rows) ** bands) * (1 - threshold)
            best = min(best, (float((1 - cost_of_miss) * false + cost_of_miss * missed), bands, rows))
    return best[1], best[2]


def keys(signatures: Signatures, bands: int, rows: int) -> Hashes:
    """One hash a band: uint64[texts, bands]. Equal keys in a band make a candidate pair."""
    parts = signatures[:, : bands * rows].reshape(len(signatures), bands, rows).astype(np.uint64)
    folded = np.zeros(parts.shape[:2], np.uint64)
    for row in range(rows):
        folded = folded * _NEXT + parts[:, :, row]
    return mix(folded)


def candidates(keys: Hashes) -> Iterator[tuple[int, int]]:
    """Pairs (i < j) of rows of `keys` that agree in some band; a pair may come more than once."""
    for band in range(keys.shape[1]):
        order = np.argsort(keys[:, band], kind="stable")
        sorted_keys = keys[order, band]
        borders = np.flatnonzero(np.r_[True, sorted_keys[1:] != sorted_keys[:-1], True])
        for start, end in pairwise(borders.tolist()):
            for i in range(start, end):
                for j in range(i + 1, end):
                    yield int(order[i]), int(order[j])


def cross_candidates(first: Hashes, second: Hashes) -> Iterator[tuple[int, int]]:
    """Distinct pairs (row of `first`, row of `second`) that agree in some band, sorted."""
    found: set[tuple[int, int]] = set()
    for band in range(first.shape[1]):
        order = np.argsort(second[:, band], kind="stable")
        sorted_keys = second[order, band]
        left = np.searchsorted(sorted_keys, first[:, band], "left")
        right = np.searchsorted(sorted_keys, first[:, band], "right")
        for i in np.flatnonzero(right > left):
            found.update((int(i), int(j)) for j in order[left[i] : right[i]])
    yield from sorted(found)
