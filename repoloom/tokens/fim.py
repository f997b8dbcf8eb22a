"""Fill in the middle [P 3.1.2]: a piece of a document, cut at two characters, in the order prefix, suffix, middle.

    <｜fim▁begin｜> prefix <｜fim▁hole｜> suffix <｜fim▁end｜> middle EOS

Which pieces are cut, and where, is drawn by a counter-based generator: (seed, epoch) is its key and the piece's number
its counter, so a piece has its own numbers whatever was drawn before and by whom. The cuts fall anywhere between two
characters, uniformly, and any part may be empty [F]; each part is encoded by itself, as an editor's prompt is. Only the
lines that hold a cut are encoded again: no token reaches over a line break, so the other lines keep theirs.

[P] is arXiv 2401.14196 v2, [F] arXiv 2207.14255.
"""

import numpy as np
import numpy.typing as npt

from repoloom.errors import UserError
from repoloom.tokens.keyed import philox
from repoloom.tokens.tokenizer import Tokenizer

Ids = npt.NDArray[np.int64]
Draws = npt.NDArray[np.uint64]

ADDED = 4
"""The tokens that a cut piece has more than before, however it is cut: three sentinels and EOS."""

_LINE_BREAKS = (b"\n", b"\r")


def draws(seed: int, epoch: int, first: int, count: int) -> Draws:
    """Four random numbers for each of `count` pieces from number `first` on: uint64[count, 4].

    The first says whether the piece is cut, the next two where. One block of Philox 4x64 a piece.
    """
    return philox(seed, "fim", epoch, counter=first).random_raw(4 * count).reshape(count, 4)


def chosen(numbers: Draws, rate: float) -> npt.NDArray[np.bool_]:
    """Which of the pieces with these `draws` are cut, at a rate from 0 to 1."""
    return (numbers[..., 0] >> np.uint64(11)) * 2.0**-53 < rate


class Fim:
    """Cuts pieces by a tokenizer's means. Raises UserError for one that has no sentinels or is not byte-level."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._begin, self._hole, self._end = sentinels(tokenizer)
        if not tokenizer.byte_level:
            raise UserError(f"{tokenizer.folder} is not byte-level, which FIM needs: set fim.rate to 0")
        self._tokenizer = tokenizer
        self._eos = tokenizer.eos
        self._sizes = np.array([len(entry) for entry in tokenizer.table], np.int64)
        self._breaks = np.array([entry in _LINE_BREAKS for entry in tokenizer.table])

    def __call__(self, piece: Ids, numbers: Draws) -> Ids | None:
        """The piece, cut where its `draws` say; None for one that holds no text or begins or ends inside a character.

        A piece in mid-line keeps its first and last tokens as they are unless a cut falls into that line.
        """
        if piece[-1] == self._eos:
            piece = piece[:-1]
        data = self._tokenizer.decode_bytes(piece.tolist())
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            return None
        if not text:
            return None
        places = sorted(int(number) * (len(text) + 1) >> 64 for number in numbers[1:3])
        first, second = places if text.isascii() else (len(text[:place].encode()) for place in places)
        if self._tokenizer.splits_lines:
            prefix, middle, suffix = self._by_lines(piece, data, first, second)
        else:
            prefix, middle, suffix = (self._encode(part) for part in (data[:first], data[first:second], data[second:]))
        tail = [] if self._eos is None else [self._eos]
        return np.concatenate([[self._begin], prefix, [self._hole], suffix, [self._end], middle, tail])

    def _by_lines(self, piece: Ids, data: bytes, first: int, second: int) -> tuple[Ids, Ids, Ids]:
        """Prefix, middle and suffix, cut at two bytes; the same as encoding each part whole."""
        ends = np.cumsum(self._sizes[piece])
        breaks = np.flatnonzero(self._breaks[piece])
        # Of the line that holds each cut: the numbers of its first token and of the token behind it, and their bytes.
        passed = np.searchsorted(ends, (first, second), side="right")
        line = np.searchsorted(breaks, passed)
        opens = np.where(line > 0, breaks[line - 1] + 1, 0) if len(breaks) else np.zeros(2, np.int64)
        closes = np.append(breaks, len(piece))[line]
        starts = np.append(0, ends)
        (open1, open2), (close1, close2) = opens.tolist(), closes.tolist()
        prefix = np.concatenate([piece[:open1], self._encode(data[starts[open1] : first])])
        suffix = np.concatenate([self._encode(data[second : starts[close2]]), piece[close2:]])
        if open1 == open2:
            return prefix, self._encode(data[first:second]), suffix
        head, tail = self._encode(data[first : starts[close1]]), self._encode(data[starts[open2] : second])
        return prefix, np.concatenate([head, piece[close1:open2], tail]), suffix

    def _encode(self, data: bytes) -> Ids:
        return np.array(self._tokenizer.encode(data.decode("utf-8")) if data else [], np.int64)


def prompt(tokenizer: Tokenizer, prefix: str, suffix: str) -> list[int]:
    """What asks a model for the middle: BOS, and the two parts behind their sentinels.

    Raises UserError for a tokenizer without sentinels.
    """
    begin, hole, end = sentinels(tokenizer)
    opening = [] if tokenizer.bos is None else [tokenizer.bos]
    return [*opening, begin, *tokenizer.encode(prefix), hole, *tokenizer.encode(suffix), end]


def sentinels(tokenizer: Tokenizer) -> tuple[int, int, int]:
    """The ids before the prefix, the suffix and the middle. Raises UserError where the tokenizer has none."""
    begin, hole, end = tokenizer.fim_begin, tokenizer.fim_hole, tokenizer.fim_end
    if begin is None or hole is None or end is None:
        raise UserError(f"{tokenizer.folder} has no fill-in-the-middle sentinels: set fim.rate to 0, or train one")
    return begin, hole, end
