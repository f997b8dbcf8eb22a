"""Fill in the middle [P 3.1.2]: a piece of a document, cut at two places, its middle moved to the end.

    PSM   <｜fim▁begin｜> prefix <｜fim▁hole｜> suffix <｜fim▁end｜> middle EOS
    SPM   <｜fim▁begin｜> <｜fim▁hole｜> suffix <｜fim▁end｜> prefix middle EOS

SPM is variant 2 of [F]: a PSM string whose prefix is empty, so that what is learnt in one order serves the other.
Which pieces are cut, where and in which order is drawn by a counter-based generator: (seed, epoch) is its key and the
place of the piece in the packed corpus its counter, so a piece has its own numbers whatever was drawn before and by
whom. The cuts fall anywhere between two characters, uniformly, and any part may be empty [F]; each part is encoded by
itself, as an editor's prompt is. Only the lines that hold a cut are encoded again: no token reaches over a line break,
so the other lines keep theirs. Cuts between tokens, between lines and around a syntax node are options (`places`).

[P] is arXiv 2401.14196 v2, [F] arXiv 2207.14255.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from repoloom import recipe
from repoloom.errors import UserError
from repoloom.tokens import places
from repoloom.tokens.keyed import philox
from repoloom.tokens.tokenizer import Tokenizer

Ids = npt.NDArray[np.int64]
Draws = npt.NDArray[np.uint64]
Borders = Sequence[tuple[int, str]]
"""Where files start, counted in tokens, and their languages."""

ADDED = 4
"""The tokens that a cut piece has more than before, however it is cut: three sentinels and EOS."""

_LINE_BREAKS = (b"\n", b"\r")


def draws(seed: int, epoch: int, first: int, count: int = 1) -> Draws:
    """Four random numbers for each of the `count` tokens of a corpus from `first` on: uint64[count, 4].

    A piece's are those of its first token. They say whether the piece is cut, where (two), and in which order its parts
    stand. One block of Philox 4x64 each.
    """
    return philox(seed, "fim", epoch, counter=first).random_raw(4 * count).reshape(count, 4)


def below(number: int, rate: float) -> bool:
    """Whether a random 64-bit number, as a share of 2**64, falls below a rate from 0 to 1."""
    return (number >> 11) * 2.0**-53 < rate


class Fim:
    """Cuts pieces as the recipe says, by a tokenizer's means.

    Raises UserError for a tokenizer that has no sentinels or is not byte-level.
    """

    def __init__(self, tokenizer: Tokenizer, settings: recipe.Fim) -> None:
        self._begin, self._hole, self._end = sentinels(tokenizer)
        if not tokenizer.byte_level:
            raise UserError(f"{tokenizer.folder} is not byte-level, which FIM needs: set fim.rate to 0")
        self._tokenizer = tokenizer
        self._settings = settings
        self._eos = tokenizer.eos
        self._sizes = np.array([len(entry) for entry in tokenizer.table], np.int64)
        self._breaks = np.array([entry in _LINE_BREAKS for entry in tokenizer.table])
        self._continues = np.array([entry[:1] > b"\x7f" and entry[:1] < b"\xc0" for entry in tokenizer.table])

    def chosen(self, numbers: Draws) -> bool:
        """Whether a piece with these `draws` is to be cut."""
        return below(int(numbers[0]), self._settings.rate)

    def __call__(self, piece: Ids, numbers: Draws, own: int = 0, files: Borders = ()) -> Ids | None:
        """The piece, cut where its `draws` say; None for one that holds no text or begins or ends inside a character.

        The cuts fall behind the first `own` tokens; these stand before the prefix. A piece in mid-line keeps its first
        and last tokens as they are unless a cut falls into that line. Cuts around syntax nodes ask for the `files` that
        begin in the piece, the first at its start or before.
        """
        if piece[-1] == self._eos:
            piece = piece[:-1]
        before, piece = piece[:own], piece[own:]
        data = self._tokenizer.decode_bytes(piece.tolist())
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            return None
        if not text:
            return None
        prefix, middle, suffix = self._parts(piece, data, text, numbers, [(start - own, name) for start, name in files])
        spm = below(int(numbers[3]), self._settings.spm)
        prefix = np.concatenate([before, prefix])
        nothing = prefix[:0]
        head, tail = (nothing, prefix) if spm else (prefix, nothing)
        end = nothing if self._eos is None else [self._eos]
        return np.concatenate([[self._begin], head, [self._hole], suffix, [self._end], tail, middle, end])

    def _parts(self, piece: Ids, data: bytes, text: str, numbers: Draws, files: Borders) -> tuple[Ids, Ids, Ids]:
        """Prefix, middle and suffix."""
        one, two = numbers[1:3].tolist()
        kind = self._settings.cuts
        if kind == "tokens":
            borders = np.append(np.flatnonzero(~self._continues[piece]), len(piece))
            first, second = (int(place) for place in places.among(borders, one, two))
            return piece[:first], piece[first:second], piece[second:]
        if kind == "lines":
            first, second = (int(place) for place in places.among(places.lines(data), one, two))
        elif kind == "nodes":
            ends = np.append(0, np.cumsum(self._sizes[piece]))
            of_bytes = [(int(ends[max(start, 0)]), name) for start, name in files]
            first, second = places.node(data, of_bytes, one, two)
        else:
            first, second = places.characters(text, one, two)
        if self._tokenizer.splits_lines:
            return self._by_lines(piece, data, first, second)
        return self._encode(data[:first]), self._encode(data[first:second]), self._encode(data[second:])

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


def prompt(tokenizer: Tokenizer, prefix: str, suffix: str, *, spm: bool = False) -> list[int]:
    """What asks a model for the middle: BOS, and the two parts behind their sentinels, in the order PSM or SPM.

    Raises UserError for a tokenizer without sentinels.
    """
    begin, hole, end = sentinels(tokenizer)
    opening = [] if tokenizer.bos is None else [tokenizer.bos]
    before, behind = tokenizer.encode(prefix), tokenizer.encode(suffix)
    if spm:
        return [*opening, begin, hole, *behind, end, *before]
    return [*opening, begin, *before, hole, *behind, end]


def sentinels(tokenizer: Tokenizer) -> tuple[int, int, int]:
    """The ids before the prefix, the suffix and the middle. Raises UserError where the tokenizer has none."""
    begin, hole, end = tokenizer.fim_begin, tokenizer.fim_hole, tokenizer.fim_end
    if begin is None or hole is None or end is None:
        raise UserError(f"{tokenizer.folder} has no fill-in-the-middle sentinels: set fim.rate to 0, or train one")
    return begin, hole, end
