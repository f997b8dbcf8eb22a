"""A text's words and n-grams as 64-bit hashes, by numpy: near-deduplication and decontamination both compare them.

A word is a run of [A-Za-z0-9_] (The Stack splits outside letters, digits and underscore). Hashing every word in Python
would cost more than all else in curation; here a word's hash is the difference of two prefix sums of a polynomial
over the bytes, brought to a common origin by the base's inverse mod 2^64: 130 MB/s on one core for words and 5-grams.
"""

import hashlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

_PIECE = 1 << 20
"""Texts are hashed in pieces of this many bytes, cut at line breaks, so that the arrays stay small."""


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
_VALUES = np.frombuffer(hashlib.shake_128(b"repoloom.grams").digest(256 * 8), "<u8").astype(np.uint64)
_FOLDED = _VALUES[list(bytes(range(256)).lower())]


def words(text: str, *, fold: bool = False) -> Hashes:
    """The hashes of a text's words, in order; with `fold`, upper and lower case are one."""
    data = text.encode("utf-8", "surrogatepass")
    values = _FOLDED if fold else _VALUES
    found = [_words(piece, values) for piece in _pieces(data)]
    return np.concatenate(found) if len(found) != 1 else found[0]


def ngrams(words: Hashes, n: int) -> Hashes:
    """The hashes of all n-grams of consecutive words, in order: `len(words) - n + 1` of them, or none."""
    count = len(words) - n + 1
    if count <= 0:
        return words[:0]
    grams = words[:count].copy()
    for k in range(1, n):
        grams *= _NEXT
        grams += words[k : k + count]
    return mix(grams)


def mix(hashes: Hashes) -> Hashes:
    """Spread every bit of a hash over all others (the finaliser of splitmix64)."""
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))


def _words(data: bytes, values: Hashes) -> Hashes:
    codes = np.frombuffer(data, np.uint8)
    inside = np.zeros(len(codes) + 2, bool)
    inside[1:-1] = _WORD[codes]
    borders = np.flatnonzero(inside[1:] != inside[:-1])
    starts, ends = borders[::2], borders[1::2]
    sums = np.zeros(len(codes) + 1, np.uint64)
    np.cumsum(values[codes] * _POWERS[: len(codes)], out=sums[1:])
    return mix((sums[ends] - sums[starts]) * _INVERSES[starts])


def _pieces(data: bytes) -> Iterator[bytes]:
    start = 0
    while len(data) - start > _PIECE:
        # A megabyte without a line break is cut where it is: one word may come out as two.
        end = data.rfind(b"\n", start, start + _PIECE) + 1 or start + _PIECE
        yield data[start:end]
        start = end
    yield data[start:]
