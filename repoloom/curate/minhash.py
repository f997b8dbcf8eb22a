"""MinHash: signatures that estimate the Jaccard similarity of gram sets, and the bands that find candidate pairs.

A signature holds, for each of 256 permutations, the least permuted hash of a set. The signature of a union is the
element-wise minimum, so a repository's is made from its files' and every file is read once. rensa computes it from the
hashes of `grams` at several hundred MB/s of source (numpy: 50); datasketch was far slower.

Locality-sensitive hashing cuts a signature into bands; two texts that agree on all rows of any band are a candidate
pair. `banding` gives the bands and rows that BigCode uses (25x10 at 0.7, 13x19 at 0.85).
"""

import os
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from math import sqrt
from pathlib import Path

import numpy as np
import rensa
from numpy.typing import NDArray

from repoloom.curate.grams import Hashes, mix

Signatures = NDArray[np.uint32]
"""[texts, permutations]; a text without grams has all ones, which is neutral under the minimum."""

_SEED = 42
_NEXT = np.uint64(0xD6E8FEB86659FD93)
_ALIKE = 64
_PIECE = 16_384
"""Signatures in memory at once: 16 MB of 256 permutations."""

_ONES = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1, dtype=np.uint8)

Read = Callable[[NDArray[np.int64]], Signatures]


def signatures(grams: Sequence[Hashes], permutations: int) -> Signatures:
    """The signatures of gram hashes (with repeats or without): uint32[len(grams), permutations]."""
    if not grams:
        return np.empty((0, permutations), np.uint32)
    offsets = np.zeros(len(grams) + 1, np.uint64)
    np.cumsum([len(text) for text in grams], out=offsets[1:])
    matrix = rensa.RMinHash.digest_matrix_from_flat_token_hashes(np.concatenate(grams), offsets, permutations, _SEED)
    return np.array(matrix.to_rows(), np.uint32).reshape(len(grams), permutations)


def jaccard(first: Hashes, second: Hashes) -> float:
    """The exact Jaccard similarity of two gram sets, each sorted and without repeats."""
    common = len(np.intersect1d(first, second, assume_unique=True))
    union = len(first) + len(second) - common
    return common / union if union else 0.0


@cache
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
    folded = np.zeros((len(signatures), bands), np.uint64)
    for row in range(rows):
        folded = folded * _NEXT + signatures[:, row : bands * rows : rows]
    return mix(folded)


def cross_candidates(first: Hashes, second: Hashes) -> NDArray[np.int64]:
    """Distinct pairs (row of `first`, row of `second`) that agree in some band, sorted: int64[pairs, 2].

    Of a band's equal rows of `second` the first 64 count: where hundreds are alike, one of them tells enough.
    """
    found = [np.empty((0, 2), np.int64)]
    for band in range(first.shape[1]):
        order = np.argsort(second[:, band], kind="stable")
        in_order = second[order, band]
        left = np.searchsorted(in_order, first[:, band], "left")
        counts = np.minimum(np.searchsorted(in_order, first[:, band], "right") - left, _ALIKE)
        rows = np.repeat(np.arange(len(first)), counts)
        places = np.arange(counts.sum()) + np.repeat(left - np.cumsum(counts) + counts, counts)
        found.append(np.stack([rows, order[places]], axis=1))
    return distinct(np.concatenate(found))


def distinct(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows of int64[pairs, 2] without repeats, sorted."""
    width = pairs.max(initial=0) + 1
    return np.stack(np.divmod(np.unique(pairs[:, 0] * width + pairs[:, 1]), width), axis=1)


def estimates(pairs: NDArray[np.int64], first: Read, second: Read) -> NDArray[np.float64]:
    """The estimated Jaccard similarity of each of int64[pairs, 2]; its standard error is sqrt(j(1-j)/permutations).

    `first` and `second` give the signatures for the numbers of the left and the right column.
    """
    found = [np.empty(0)]
    for start in range(0, len(pairs), _PIECE):
        part = pairs[start : start + _PIECE]
        found.append((first(part[:, 0]) == second(part[:, 1])).mean(axis=1))
    return np.concatenate(found)


class Store:
    """Signatures in a file, in the order in which they came: at a kilobyte each, those of millions do not fit memory.

    The lowest bit of each number stays in memory: two bits agree at a chance of (1 + j) / 2, which tells pairs that are
    far from alike apart without a look at the file (b-bit minwise hashing, Li and Koenig 2010).
    """

    def __init__(self, path: Path, permutations: int) -> None:
        self._path, self._permutations = path, permutations
        self._bits: list[NDArray[np.uint8]] = [np.empty((0, (permutations + 7) // 8), np.uint8)]
        self._count = 0
        path.write_bytes(b"")

    def __len__(self) -> int:
        return self._count

    def append(self, signatures: Signatures) -> None:
        """Add rows at the end."""
        with self._path.open("ab") as file:
            file.write(np.ascontiguousarray(signatures, np.uint32).data)
        self._bits.append(np.packbits((signatures & 1).astype(bool), axis=1))
        self._count += len(signatures)

    def read(self, rows: NDArray[np.int64]) -> Signatures:
        """The signatures of these rows."""
        found = np.empty((len(rows), self._permutations), np.uint32)
        # Read, not mapped: pages of a mapped file would count as this process's memory.
        with self._path.open("rb", buffering=0) as file:
            for row, place in zip(found, (rows * found.strides[0]).tolist(), strict=True):
                os.preadv(file.fileno(), [row.data], place)
        return found

    def pieces(self) -> Iterator[tuple[int, Signatures]]:
        """All rows, some megabytes at a time, each piece with the number of its first row."""
        with self._path.open("rb") as file:
            for first in range(0, self._count, _PIECE):
                flat = np.fromfile(file, np.uint32, min(_PIECE, self._count - first) * self._permutations)
                yield first, flat.reshape(-1, self._permutations)

    def estimates(self, pairs: NDArray[np.int64], threshold: float) -> NDArray[np.float64]:
        """As the function, for pairs of rows; 0 where the bits say that a pair is far below `threshold`.

        Of the pairs at the threshold itself, the bits misjudge one in 300,000.
        """
        values = np.zeros(len(pairs))
        share = (1 - threshold) / 2
        most = self._permutations * share + 4.5 * sqrt(self._permutations * share * (1 - share))
        for start in range(0, len(pairs), _PIECE):
            part = pairs[start : start + _PIECE]
            near = np.flatnonzero(self._differing(part) <= most)
            values[start + near] = estimates(part[near], self.read, self.read)
        return values

    def _differing(self, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many bits differ."""
        if len(self._bits) > 1:
            self._bits = [np.concatenate(self._bits)]
        bits = self._bits[0]
        return np.asarray(_ONES[bits[pairs[:, 0]] ^ bits[pairs[:, 1]]].sum(axis=1, dtype=np.int64))
