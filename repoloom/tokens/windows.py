"""Documents cut into pieces: what one training sequence can hold.

A document is hundreds of windows long. A piece ends where a file ends, if a file ends in the last quarter of what it
may hold; else where a line ends there; else at the limit. So no piece but a document's last is shorter than three
quarters, and few begin or end in mid-line.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from repoloom.tokens.pack import Offsets, Packed

_EARLIEST = 0.75
"""The share of a piece that is filled before a border may end it."""


@dataclass(frozen=True)
class Pieces:
    """Every piece of a packed corpus, in the order of the text; together they cover it exactly once."""

    starts: Offsets
    """Where each begins in `Packed.ids`."""
    lengths: Offsets
    """Tokens of each; a document's last piece ends with its EOS."""

    def __len__(self) -> int:
        return len(self.starts)


def cut(packed: Packed, ends_line: npt.NDArray[np.bool_], limit: int) -> Pieces:
    """Cut every document into pieces of at most `limit` tokens; `ends_line` says of each id whether it ends a line."""
    lengths = np.diff(packed.starts)
    short = np.flatnonzero((lengths <= limit) & (lengths > 0))
    starts = [packed.starts[short]]
    for document in np.flatnonzero(lengths > limit):
        first, last = packed.starts[document], packed.starts[document + 1]
        files = packed.files[slice(*np.searchsorted(packed.files, (first, last)))] - first
        lines = np.flatnonzero(ends_line[packed.ids[first:last]]) + 1
        starts.append(first + _cut_one(int(last - first), files, lines, limit))
    merged = np.sort(np.concatenate(starts))
    return Pieces(merged, np.diff(merged, append=packed.starts[-1]))


def _cut_one(length: int, files: Offsets, lines: Offsets, limit: int) -> Offsets:
    """Where the pieces of a document of `length` tokens start; `files` and `lines` are the borders it has."""
    starts = [0]
    while length - starts[-1] > limit:
        end = starts[-1] + limit
        earliest = starts[-1] + int(limit * _EARLIEST)
        for borders in (files, lines):
            before = np.searchsorted(borders, end, side="right")
            if before and borders[before - 1] > earliest:
                end = int(borders[before - 1])
                break
        starts.append(end)
    return np.array(starts, np.int64)
