"""Documents cut into pieces: what one training sequence can hold.

A document is hundreds of windows long. By default (`cut`) a piece ends where a file ends, if a file ends in the last
quarter of what it may hold; else where a line ends there; else at the limit. So no piece but a document's last is
shorter than three quarters, and few begin or end in mid-line. `concatenate` is what GPT's trainers do instead: one
document after the other, cut wherever a row is full.

What a piece may hold is counted in tokens. Where fill-in-the-middle cuts each file by itself, every file that begins
inside a piece takes room, too (`a_file`), for the tokens that it would gain.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from repoloom.tokens.pack import Offsets, Packed

_EARLIEST = 0.75
"""The share of a piece that is filled before a border may end it."""


@dataclass(frozen=True)
class Pieces:
    """Every piece of a packed corpus; together they cover it exactly once."""

    starts: Offsets
    """Where each begins in `Packed.ids`."""
    lengths: Offsets
    """Tokens of each; a document's last piece ends with its EOS."""

    def __len__(self) -> int:
        return len(self.starts)


def cut(packed: Packed, ends_line: npt.NDArray[np.bool_], limit: int, a_file: int = 0) -> Pieces:
    """Cut every document into pieces of at most `limit` tokens, in the order of the text.

    `ends_line` says of each id whether it ends a line. Of a piece's limit each file that begins inside it takes
    `a_file`.
    """
    lengths = np.diff(packed.starts)
    inside = begun(packed, packed.starts[:-1], lengths)
    whole = lengths + a_file * inside <= limit
    starts = [packed.starts[:-1][whole & (lengths > 0)]]
    for document in np.flatnonzero(~whole):
        first, last = packed.starts[document], packed.starts[document + 1]
        text = _Document(packed, int(document), a_file)
        lines = np.flatnonzero(ends_line[packed.ids[first:last]]) + 1
        starts.append(first + _cut_one(text, lines, limit))
    merged = np.sort(np.concatenate(starts))
    return Pieces(merged, np.diff(merged, append=packed.starts[-1]))


def concatenate(packed: Packed, documents: Offsets, room: int, a_piece: int, a_file: int = 0) -> tuple[Pieces, Offsets]:
    """Cut `documents`, one behind the other, wherever a row of `room` tokens is full.

    A piece takes `a_piece` of its row beside its tokens, and `a_file` for each file that begins inside it. Returns the
    pieces, and where among them each row's start, with their number at the end.
    """
    starts: list[int] = []
    lengths: list[int] = []
    bounds = [0]
    left = room
    for document in documents:
        text = _Document(packed, int(document), a_file)
        start = 0
        while start < text.length:
            if left <= a_piece:
                bounds.append(len(starts))
                left = room
            end = text.furthest(start, left - a_piece)
            starts.append(text.first + start)
            lengths.append(end - start)
            left -= a_piece + end - start + a_file * text.begun(start, end)
            start = end
    if starts:
        bounds.append(len(starts))
    return Pieces(np.array(starts, np.int64), np.array(lengths, np.int64)), np.array(bounds, np.int64)


def begun(packed: Packed, starts: Offsets, lengths: Offsets) -> Offsets:
    """How many files begin inside each stretch of tokens, those at its very start left out."""
    found: Offsets = np.searchsorted(packed.files, starts + lengths) - np.searchsorted(packed.files, starts, "right")
    return np.maximum(found, 0)


class _Document:
    """A document's length and the borders of its files, counted from its start."""

    def __init__(self, packed: Packed, number: int, a_file: int) -> None:
        self.first = int(packed.starts[number])
        self.length = int(packed.starts[number + 1]) - self.first
        self.files = packed.file_starts(number)
        self._a_file = a_file
        self._costs = self.files + a_file * np.arange(1, len(self.files) + 1)

    def begun(self, start: int, end: int) -> int:
        """How many files begin after `start` and before `end`."""
        return max(0, int(np.searchsorted(self.files, end)) - int(np.searchsorted(self.files, start, "right")))

    def furthest(self, start: int, limit: int) -> int:
        """The end of the longest piece from `start` on that takes no more than `limit`, what its files take with it."""
        before = int(np.searchsorted(self.files, start, "right"))
        # The first file that can not begin in this piece: even one token of it would be too much.
        beyond = max(before, int(np.searchsorted(self._costs, start + limit + self._a_file * before)))
        end = min(start + limit - self._a_file * (beyond - before), self.length)
        return min(end, int(self.files[beyond])) if beyond < len(self.files) else end


def _cut_one(text: _Document, lines: Offsets, limit: int) -> Offsets:
    """Where a document's pieces start; `lines` are the places behind its line breaks."""
    starts = [0]
    while (end := text.furthest(starts[-1], limit)) < text.length:
        earliest = starts[-1] + int((end - starts[-1]) * _EARLIEST)
        for borders in (text.files, lines):
            before = np.searchsorted(borders, end, side="right")
            if before and borders[before - 1] > earliest:
                end = int(borders[before - 1])
                break
        starts.append(end)
    return np.array(starts, np.int64)
