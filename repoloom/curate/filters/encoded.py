"""Data written as text: base64, long hex, tables of numbers.

`published` is The Stack v2's rule, `blocks` and `table_share` are ours. The published base64 counts newlines in, so it
takes lists of one word a line, and is cut by CRLF; it misses the URL-safe alphabet and quoted pieces under 64. Its hex
misses comma and space, words of 32 bits and decimals. Ours asks of each unbroken piece whether it looks random: in
base64 and in hex the kind of character (small, capital, digit) changes at every second place, in names at every fifth.
"""

import re

import numpy as np

from repoloom.curate.filters import utf8
from repoloom.curate.filters.batch import Batch
from repoloom.curate.filters.utf8 import Array, Floats, Mask

_PIECE = 32
"""Characters of the shortest piece that counts."""
_TABLE = 16
"""Bytes of a window that tells a table of numbers."""


def published_longest(batch: Batch) -> Floats:
    """Characters of the longest match of The Stack v2's three expressions."""
    return batch.scanned(_published)[:, 0]


def published_share(batch: Batch) -> Floats:
    """Characters in matches of The Stack v2's three expressions, over all characters."""
    return batch.scanned(_published)[:, 1]


def longest(batch: Batch) -> Floats:
    """Characters of the longest block of encoded pieces: pieces with nothing between them but quotes and the like."""
    return batch.cached(_encoded)[:, 0]


def share(batch: Batch) -> Floats:
    """Characters in encoded pieces, over all characters; no number under 1,000 bytes: a hash is no data."""
    return _if_long(batch, batch.cached(_encoded)[:, 1] / np.maximum(batch.characters, 1))


def table_share(batch: Batch) -> Floats:
    """Share of the places in a file where the next 16 bytes are digits, hex and separators and one is a digit or \\.

    No number under 1,000 bytes: a short list of numbers is code.
    """
    return _if_long(batch, batch.cached(_tables) / np.maximum(batch.size, 1))


def _if_long(batch: Batch, shares: Floats) -> Floats:
    return np.where(batch.size < 1000, np.nan, shares)


def _published(batch: Batch) -> Floats:
    found = np.zeros((len(batch), 2))
    for row, text in enumerate(batch.texts()):
        lengths = [match.end() - match.start() for pattern in _PUBLISHED for match in pattern.finditer(text)]
        found[row] = max(lengths, default=0), sum(lengths) / max(len(text), 1)
    return found


_PUBLISHED = (
    re.compile(r"[a-zA-Z0-9+/\n=]{64,}+"),
    re.compile(r"(?:\b(?:0x|\\x)?[0-9a-fA-F]{2}(?:,|\b\s*+)){8,}+"),
    re.compile(r"(?:\\u[0-9a-fA-F]{4}){8,}+"),
)


def _encoded(batch: Batch) -> Floats:
    """Longest block and characters of encoded pieces, a row a file."""
    starts, stops = _pieces(batch)
    found = np.zeros((len(batch), 2))
    files = np.searchsorted(batch.bounds, starts, "right") - 1
    last = end = block = -1
    for file, start, stop in zip(files.tolist(), starts.tolist(), stops.tolist(), strict=True):
        near = file == last and start - end <= _GAP and not _WORD.search(batch.data[end:start].tobytes())
        block = block * near + stop - start
        last, end = file, stop
        found[file] = max(found[file, 0], block), found[file, 1] + stop - start
    return found


def _pieces(batch: Batch) -> tuple[Array, Array]:
    """Where unbroken pieces of the base64 alphabets, 32 characters or more, that look random start and stop."""
    windows = _windows(batch, batch.classes & utf8.BASE64 != 0, _PIECE)
    edges = np.flatnonzero(np.diff(windows, prepend=False, append=False))
    starts, stops = edges[::2], edges[1::2] + _PIECE - 1
    lengths = stops - starts
    firsts = np.cumsum(lengths) - lengths
    places = np.repeat(starts - firsts, lengths) + np.arange(lengths.sum())
    kinds = np.frombuffer(batch.data[places].tobytes().translate(_KINDS), np.uint8)
    changes = np.append(0, np.cumsum((kinds[1:] != kinds[:-1]) & (kinds[1:] > 0) & (kinds[:-1] > 0)))
    random = changes[firsts + lengths - 1] - changes[firsts] >= _RANDOM * lengths if len(starts) else []
    return starts[random], stops[random]


_RANDOM = 0.3
"""Changes a character: base64 has 0.60, hex 0.47, names in camel case under 0.25."""
_GAP = 256
_WORD = re.compile(rb"[A-Za-z0-9]{3}")
"""What may not stand between two pieces of a block; \\n and \\r as they are written in strings may."""
_KINDS = bytes(1 if c.islower() else 2 if c.isupper() else 3 if c.isdigit() else 0 for c in map(chr, range(128)))
_KINDS += bytes(128)


def _tables(batch: Batch) -> Floats:
    numbers = _windows(batch, batch.classes & utf8.TABLE != 0, _TABLE)
    return batch.count(numbers & ~_windows(batch, batch.classes & utf8.MARK == 0, _TABLE))


def _windows(batch: Batch, mask: Mask, width: int) -> Mask:
    """Whether the `width` bytes from here on are all in the mask and in one file; width a power of two."""
    step = 1
    while step < width:
        mask[:-step] &= mask[step:]
        step *= 2
    across = batch.bounds[1:, None] - np.arange(1, width)
    mask[across[across >= 0]] = False
    return mask
