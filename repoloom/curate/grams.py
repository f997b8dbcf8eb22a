"""Texts' words and n-grams as 64-bit hashes, by numpy: near-deduplication and decontamination both compare them.

A word is a run of ASCII letters, digits, underscores and of all that is not ASCII, upper and lower case of ASCII being
one (The Stack v2 lower-cases and splits outside letters, digits and underscore; taking every other character for a
letter keeps a file of Chinese comments comparable). Hashing every word in Python would cost more than all else in
curation; here many texts are hashed at once, and a word's hash is the difference of two prefix sums of a polynomial
over the bytes, brought to a common origin by the base's inverse mod 2^64: 100 MB/s on one core for words and 5-grams.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Offsets = NDArray[np.int64]

_PIECE = 1 << 18
"""Bytes are hashed in pieces of this many, cut between words, so that the arrays stay in the processor's cache."""


def _powers(base: int) -> Hashes:
    powers = np.full(_PIECE, base, np.uint64)
    powers[0] = 1
    return np.multiply.accumulate(powers)


_BASE = 0x9E3779B97F4A7C15
_POWERS = _powers(_BASE)
_INVERSES = _powers(pow(_BASE, -1, 1 << 64))
_NEXT = np.uint64(0xD6E8FEB86659FD93)
_WORD = np.zeros(256, bool)
_WORD[list(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")] = True
_WORD[128:] = True
_VALUES = np.frombuffer(hashlib.shake_128(b"repoloom.grams").digest(256 * 8), "<u8").astype(np.uint64)
_VALUES = _VALUES[list(bytes(range(256)).lower())]


@dataclass(frozen=True, slots=True)
class Rows:
    """Hashes of several texts, end to end: those of text n are `hashes[offsets[n]:offsets[n + 1]]`."""

    hashes: Hashes
    offsets: Offsets

    def __getitem__(self, row: int) -> Hashes:
        """The hashes of one text."""
        return self.hashes[self.offsets[row] : self.offsets[row + 1]]


def words(text: str) -> Hashes:
    """The hashes of a text's words, in order."""
    data = np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)
    return words_of(data, np.array([0, len(data)], np.int64)).hashes


def ngrams(words: Hashes, n: int) -> Hashes:
    """The hashes of all n-grams of consecutive words, in order: `len(words) - n + 1` of them, or none."""
    return ngrams_of(Rows(words, np.array([0, len(words)], np.int64)), n).hashes


def words_of(data: NDArray[np.uint8], offsets: Offsets) -> Rows:
    """The words of several texts: text n is the UTF-8 bytes `data[offsets[n]:offsets[n + 1]]`."""
    found: list[Hashes] = []
    counts = np.zeros(len(offsets), np.int64)
    for start, end in _pieces(data, offsets):
        hashes, starts = _words(data[start:end], offsets[(offsets > start) & (offsets < end)] - start)
        found.append(hashes)
        counts += np.searchsorted(starts, offsets - start)
    return Rows(np.concatenate(found) if found else np.empty(0, np.uint64), counts)


def ngrams_of(words: Rows, n: int) -> Rows:
    """The n-grams of several texts; none reaches from one text into the next."""
    count = max(len(words.hashes) - n + 1, 0)
    lengths = np.maximum(np.diff(words.offsets) - (n - 1), 0)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    if not offsets[-1]:
        return Rows(words.hashes[:0], offsets)
    grams = words.hashes[:count].copy()
    for k in range(1, n):
        grams *= _NEXT
        grams += words.hashes[k : k + count]
    if len(lengths) > 1:
        places = np.arange(offsets[-1]) + np.repeat(words.offsets[:-1] - offsets[:-1], lengths)
        grams = grams[places]
    return Rows(mix(grams), offsets)


def mix(hashes: Hashes) -> Hashes:
    """Spread every bit of a hash over all others (the finaliser of splitmix64)."""
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))


def _words(data: NDArray[np.uint8], cuts: Offsets) -> tuple[Hashes, Offsets]:
    """The words of a piece and where they start; at `cuts` one text ends and the next begins."""
    inside = np.zeros(len(data) + 1, bool)
    np.take(_WORD, data, out=inside[:-1])
    begins = inside[:-1].copy()
    begins[1:] &= ~inside[:-2]
    ends = inside[:-1] & ~inside[1:]
    begins[cuts] = inside[cuts]
    ends[cuts - 1] = inside[cuts - 1]
    starts, stops = np.flatnonzero(begins), np.flatnonzero(ends) + 1
    sums = np.zeros(len(data) + 1, np.uint64)
    np.cumsum(np.take(_VALUES, data) * _POWERS[: len(data)], out=sums[1:])
    return mix((sums[stops] - sums[starts]) * _INVERSES[starts]), starts


def _pieces(data: NDArray[np.uint8], offsets: Offsets) -> Iterator[tuple[int, int]]:
    start, last = int(offsets[0]), int(offsets[-1])
    while last - start > _PIECE:
        # Where one text ends, or else between two words. A piece without a break is cut where it is: one word may
        # come out as two.
        end = int(offsets[np.searchsorted(offsets, start + _PIECE, "right") - 1])
        if end <= start:
            breaks = np.flatnonzero(~_WORD[data[start : start + _PIECE]])
            end = start + (int(breaks[-1]) + 1 if len(breaks) else _PIECE)
        yield start, end
        start = end
    if last > start:
        yield start, last
