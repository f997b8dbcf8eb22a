"""Which pieces share a row: the longest first, each into the fullest row that still holds it (best fit, decreasing).

Ding et al. (arXiv 2404.10830) pack training sequences so: few tokens are padding, and no piece is cut for it.
"""

from dataclasses import dataclass

import numpy as np

from repoloom.tokens.keyed import philox
from repoloom.tokens.pack import Offsets


@dataclass(frozen=True)
class Rows:
    """Row r holds the pieces `pieces[bounds[r]:bounds[r + 1]]`."""

    pieces: Offsets
    bounds: Offsets

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __getitem__(self, row: int) -> Offsets:
        found: Offsets = self.pieces[self.bounds[row] : self.bounds[row + 1]]
        return found


def fill(sizes: Offsets, capacity: int, seed: int) -> Rows:
    """Put pieces of these sizes, none above `capacity`, into rows.

    Which of two equals goes first, and a row's order, are drawn by seed.
    """
    rank = np.random.Generator(philox(seed, "rows")).permutation(len(sizes))
    row_of = np.empty(len(sizes), np.int64)
    room: list[list[int]] = [[] for _ in range(capacity + 1)]
    """The rows by the room that is left in each."""
    filled = 0  # bit n is set where some row has n left: the tightest fit is the lowest set bit from the size on
    count = 0
    order = np.lexsort((rank, -sizes))
    for piece, size in zip(order.tolist(), sizes[order].tolist(), strict=True):
        fits = filled >> size
        if fits:
            left = size + (fits & -fits).bit_length() - 1
            row = room[left].pop()
            if not room[left]:
                filled ^= 1 << left
        else:
            left, row = capacity, count
            count += 1
        row_of[piece] = row
        room[left - size].append(row)
        filled |= 1 << (left - size)
    pieces = np.lexsort((rank, row_of))
    return Rows(pieces, np.searchsorted(row_of[pieces], np.arange(count + 1)))
