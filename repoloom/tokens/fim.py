"""Fill in the middle [P 3.1.2]: a piece of a document, cut at two places, its middle moved to the end.

    PSM   <｜fim▁begin｜> prefix <｜fim▁hole｜> suffix <｜fim▁end｜> middle EOS
    SPM   <｜fim▁begin｜> <｜fim▁hole｜> suffix <｜fim▁end｜> prefix middle EOS
    MSP   <｜fim▁begin｜> text <｜fim▁hole｜> text <｜fim▁hole｜> text <｜fim▁end｜> first <｜fim▁end｜> second EOS

SPM is variant 2 of [F]: a PSM string whose prefix is empty, so that what is learnt in one order serves the other.
MSP, masked span prediction, is what [P] compares with: several middles. T5 masked so [1910.10683], CodeGen2 moved the
spans behind the text for a decoder [2305.02309]; it numbers its masks, and here their order does. One span is PSM.
Which pieces are cut, where and in which order is drawn by a counter-based generator: (seed, epoch) is its key and the
place of the piece in the packed corpus its counter, so a piece has its own numbers whatever was drawn before and by
whom. The cuts fall anywhere between two characters, uniformly, and any part may be empty [F]; each part is encoded by
itself, as an editor's prompt is. Only the lines that hold a cut are encoded again: no token reaches over a line break,
so the other lines keep theirs. Cuts between tokens, between lines and around a syntax node are options (`places`).

[P] is arXiv 2401.14196 v2, [F] arXiv 2207.14255.
"""

from collections.abc import Sequence
from itertools import pairwise

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

ADDED = 2
"""The tokens that a cut piece has more than before, beside those of its middles: the first sentinel and EOS."""
ADDED_A_SPAN = 2
"""A middle's sentinels, in its old place and in the new."""

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
        parts = self._parts(piece, data, text, numbers, [(start - own, name) for start, name in files])
        parts[0] = np.concatenate([before, parts[0]])
        end = [] if self._eos is None else [[self._eos]]
        if below(int(numbers[3]), self._settings.spm):
            prefix, middle, suffix = parts
            return np.concatenate([[self._begin, self._hole], suffix, [self._end], prefix, middle, *end])
        kept = [ids for part in parts[2::2] for ids in ([self._hole], part)]
        middles = [ids for part in parts[1::2] for ids in ([self._end], part)]
        return np.concatenate([[self._begin], parts[0], *kept, *middles, *end])

    def _parts(self, piece: Ids, data: bytes, text: str, numbers: Draws, files: Borders) -> list[Ids]:
        """What stays and what is a middle, in turns, from what stays to what stays: prefix, middle, suffix."""
        drawn = numbers[1:3]
        if self._settings.spans > 1:
            drawn = np.random.Philox(key=drawn).random_raw(2 * self._settings.spans)
        kind = self._settings.cuts
        if kind == "tokens":
            borders = np.append(np.flatnonzero(~self._continues[piece]), len(piece))
            return np.split(piece, places.among(borders, drawn.tolist()))
        if kind == "lines":
            cuts = places.among(places.lines(data), drawn.tolist())
        elif kind == "nodes":
            ends = np.append(0, np.cumsum(self._sizes[piece]))
            of_bytes = [(int(ends[max(start, 0)]), name) for start, name in files]
            cuts = places.node(data, of_bytes, *drawn.tolist())
        else:
            cuts = places.characters(text, drawn.tolist())
        if self._tokenizer.splits_lines:
            return self._by_lines(piece, data, cuts)
        return [self._encode(data[first:second]) for first, second in pairwise([0, *cuts, len(data)])]

    def _by_lines(self, piece: Ids, data: bytes, cuts: list[int]) -> list[Ids]:
        """The parts between cuts at these bytes; the same as encoding each part whole."""
        ends = np.cumsum(self._sizes[piece])
        breaks = np.flatnonzero(self._breaks[piece])
        # Of the line that holds each cut: the numbers of its first token and of the token behind it.
        line = np.searchsorted(breaks, np.searchsorted(ends, cuts, side="right"))
        opens = np.where(line > 0, breaks[line - 1] + 1, 0) if len(breaks) else np.zeros(len(cuts), np.int64)
        closes = np.append(breaks, len(piece))[line]
        starts = np.append(0, ends)
        parts = []
        cut = behind = 0  # the last cut, and the first token behind its line
        held = -1  # the first token of that line
        for place, opened, closed in zip(cuts, opens.tolist(), closes.tolist(), strict=True):
            if opened == held:
                parts.append(self._encode(data[cut:place]))
            else:
                head, tail = self._encode(data[cut : starts[behind]]), self._encode(data[starts[opened] : place])
                parts.append(np.concatenate([head, piece[behind:opened], tail]))
            cut, behind, held = place, closed, opened
        parts.append(np.concatenate([self._encode(data[cut : starts[behind]]), piece[behind:]]))
        return parts

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
