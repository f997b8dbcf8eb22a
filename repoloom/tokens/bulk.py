"""The ids of many texts at once: each distinct piece is encoded once, and looked up by numpy wherever else it stands.

Code says the same words again and again. A text is cut into the pieces of `bpe.SPLITS`, which never reach over a line
break; a piece's ids depend on the piece alone. Cutting ASCII needs one look at each byte and at the next; a piece of up
to 16 bytes is its own key, in two 64-bit words, so that nothing is hashed away: what is found is the piece itself.
Longer pieces are looked up in a dict, and a line with other characters is a piece as a whole. What is not known yet is
given to the encoder at hand.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.uint32]
Places = NDArray[np.intp]
Words = NDArray[np.uint64]

_BLOCK = 1 << 18
"""Bytes, cut at a line break, that are worked on at once: the arrays stay in the processor's cache."""
_SLOTS = 20
_LAST = (1 << _SLOTS) - 1
_PIECES = 1 << 18
_IDS = 1 << 22
"""Pieces, and ids of pieces, over which all is forgotten: what is known takes 100 MB at the most."""

_LETTER, _MARK, _DIGIT, _BREAK, _OTHER, _SPACE, _FOREIGN = range(7)


def _classes() -> bytes:
    """The class of each byte. Of ASCII's punctuation Unicode takes `$+<=>^`|~` for symbols."""
    classes = np.full(256, _OTHER, np.uint8)
    classes[list(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")] = _LETTER
    classes[list(b"!\"#%&'()*,-./:;?@[\\]_{}")] = _MARK
    classes[list(b"0123456789")] = _DIGIT
    classes[list(b"\r\n")] = _BREAK
    classes[list(b" \t\v\f")] = _SPACE
    # A key is filled up with NULs, so no piece may hold one.
    classes[[0, *range(128, 256)]] = _FOREIGN
    return classes.tobytes()


_CLASSES = _classes()
_MASKS = np.array([(1 << 8 * length) - 1 for length in range(9)], np.uint64)
_ODD = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))


class Bulk:
    """An encoder's ids for many texts, with a memory of the pieces that it was asked for. Not for several threads."""

    def __init__(self, encode: Callable[[str], Sequence[int]]) -> None:
        self._encode = encode
        self._memory = _Memory(encode)

    def encode(self, texts: Sequence[str]) -> list[Ids]:
        """The ids of each text."""
        if not texts:
            return []
        # A line break is a piece of its own, and one id: set behind each text, it is taken out again.
        parts = [text.encode("utf-8", "surrogatepass") for text in texts]
        data = b"\n".join((*parts, b""))
        ends = np.cumsum([len(part) + 1 for part in parts])
        found: list[Ids] = []
        marks = np.zeros(len(texts), np.intp)
        done = 0
        for start, end in _blocks(data):
            ids, starts, firsts = self._block(data[start:end])
            here = slice(*np.searchsorted(ends, [start, end], "right"))
            marks[here] = done + firsts[np.searchsorted(starts, ends[here] - 1 - start)]
            found.append(ids)
            done += len(ids)
        every = np.concatenate(found)
        return [every[first:end] for first, end in zip([0, *(marks[:-1] + 1)], marks, strict=True)]

    def _block(self, data: bytes) -> tuple[Ids, Places, Places]:
        """The ids of some lines, where in their bytes each piece starts, and where in the ids."""
        if self._memory.is_full:
            self._memory = _Memory(self._encode)
        starts, foreign = _pieces(data)
        numbers = self._memory.numbers(data, starts, foreign)
        where, counts = self._memory.where.take(numbers), self._memory.counts.take(numbers)
        firsts = np.cumsum(counts) - counts
        places = np.repeat(where - firsts, counts)
        places += np.arange(len(places))
        return self._memory.ids.take(places), starts, firsts


class _Memory:
    """The ids of pieces: a piece's number by its bytes, its ids by its number."""

    def __init__(self, encode: Callable[[str], Sequence[int]]) -> None:
        self._encode = encode
        self.where = np.zeros(_PIECES + _BLOCK, np.intp)
        self.counts = np.zeros(_PIECES + _BLOCK, np.intp)
        self.ids = np.zeros(_BLOCK, np.uint32)
        self._used = 0
        self._numbers: dict[bytes, int] = {}
        # An open hash table of the pieces that are keys; a first word of 0 is a free slot.
        self._low, self._high = np.zeros((2, 1 << _SLOTS), np.uint64)
        self._number = np.zeros(1 << _SLOTS, np.intp)

    @property
    def is_full(self) -> bool:
        """Whether it is time to begin anew."""
        return len(self._numbers) > _PIECES or self._used > _IDS

    def numbers(self, data: bytes, starts: Places, foreign: Places) -> Places:
        """The number of each piece, learnt where it is new. `foreign` are the places of those that are no keys."""
        ends = np.append(starts[1:], len(data))
        lengths = ends - starts
        words = np.ndarray((len(data) + 8,), "<u8", data + bytes(16), strides=(1,)).copy()
        low = words.take(starts) & _MASKS.take(np.minimum(lengths, 8))
        high = np.zeros(len(starts), np.uint64)
        longer = np.flatnonzero(lengths > 8)
        high[longer] = words.take(starts[longer] + 8) & _MASKS.take(np.minimum(lengths[longer] - 8, 8))
        others = np.concatenate([np.flatnonzero(lengths > 16), np.searchsorted(starts, foreign)])
        low[others] = high[others] = 0
        numbers, new = self._find(low, high)
        rows = np.concatenate([new, others])
        numbers[rows] = [
            self._learnt(data[start:end]) for start, end in zip(starts[rows].tolist(), ends[rows].tolist(), strict=True)
        ]
        self._add(low[new], high[new], numbers[new])
        return numbers

    def _find(self, low: Words, high: Words) -> tuple[Places, Places]:
        """The number of each key, and the rows of those that are unknown."""
        slots = _slots(low, high)
        unknown = []
        rows = np.arange(len(low))
        found = slots.copy()
        while len(rows):
            there = self._low.take(slots)
            same = (there == low[rows]) & (self._high.take(slots) == high[rows])
            found[rows[same]] = slots[same]
            free = there == 0
            unknown.append(rows[free & ~same])
            going = ~(same | free)
            rows, slots = rows[going], (slots[going] + 1) & _LAST
        return self._number.take(found), np.concatenate(unknown)

    def _add(self, low: Words, high: Words, numbers: Places) -> None:
        slots = _slots(low, high)
        while len(low):
            free = self._low[slots] == 0
            # Of several that want one slot it is the last that gets it, in all three.
            self._low[slots[free]] = low[free]
            self._high[slots[free]] = high[free]
            self._number[slots[free]] = numbers[free]
            left = (self._low[slots] != low) | (self._high[slots] != high)
            low, high, numbers, slots = low[left], high[left], numbers[left], (slots[left] + 1) & _LAST

    def _learnt(self, piece: bytes) -> int:
        number = self._numbers.get(piece)
        if number is None:
            number = self._numbers[piece] = len(self._numbers)
            ids = self._encode(piece.decode("utf-8", "surrogatepass"))
            end = self._used + len(ids)
            if end > len(self.ids):
                self.ids = np.concatenate([self.ids, np.zeros(end, np.uint32)])
            self.where[number], self.counts[number] = self._used, len(ids)
            self.ids[self._used : end] = ids
            self._used = end
        return number


def _slots(low: Words, high: Words) -> Places:
    return ((low ^ high * _ODD[0]) * _ODD[1] >> np.uint64(64 - _SLOTS)).astype(np.intp)


def _blocks(data: bytes) -> Iterator[tuple[int, int]]:
    """Whole lines, `_BLOCK` bytes at the most unless it is one line that is longer."""
    start = 0
    while start < len(data):
        end = data.rfind(b"\n", start, start + _BLOCK) + 1 or data.find(b"\n", start + _BLOCK) + 1
        yield start, end
        start = end


def _pieces(data: bytes) -> tuple[Places, Places]:
    """Where the pieces start, and which of those places begin a line that is one piece."""
    if len(data) > _BLOCK:
        return np.array([0, len(data) - 1]), np.array([0])
    found = np.frombuffer(data.translate(_CLASSES), np.uint8)
    behind = np.append(found[1:], np.uint8(_BREAK))
    # A space goes with the letters or the punctuation that it stands before.
    joined = (found == _SPACE) & (behind <= _MARK)
    kinds = np.where(joined, behind, np.minimum(found, _OTHER))
    begins = joined | (kinds == _DIGIT) | (kinds == _BREAK)
    begins[0] = True
    begins[1:] |= (kinds[1:] != kinds[:-1]) & ~joined[:-1]
    foreign = np.flatnonzero(found == _FOREIGN)
    if len(foreign):
        breaks = np.flatnonzero(found == _BREAK)
        lines = np.unique(np.searchsorted(breaks, foreign))
        foreign = np.where(lines > 0, breaks[lines - 1] + 1, 0)
        for first, end in zip(foreign.tolist(), breaks[lines].tolist(), strict=True):
            begins[first + 1 : end] = False
    return np.flatnonzero(begins), foreign
