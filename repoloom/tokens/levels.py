"""At which level fill-in-the-middle cuts: pieces inside a row, whole files before windows are cut, or nothing at all.

Context level cuts what a window holds, so no sentinel is ever parted from its text: [F] found it better than cutting
documents first, at every size, because there most prefixes and suffixes lie in another window than their middle.
Document level is what DeepSeek Coder's paper describes [P 3.1.2], and here for comparison. It is one pass over the
corpus before the first step, in every process, and a second copy of the tokens in memory; every epoch shows the same
cuts.

[P] is arXiv 2401.14196 v2, [F] arXiv 2207.14255.
"""

from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from repoloom import recipe
from repoloom.tokens.fim import ADDED, ADDED_A_SPAN, Borders, Fim, draws
from repoloom.tokens.pack import Packed
from repoloom.tokens.tokenizer import Tokenizer

Ids = npt.NDArray[np.int64]

SLACK = {"best-fit": 5, "plain": 8}
"""Tokens set aside, by packing, for what a piece gains by being encoded anew around a middle's two cuts. Those that
gain more, and find no room in their row, stay uncut: about 0.1% of those drawn (docs/fim.md). Rows of plain
concatenation are full and have nothing to lend: with 5 they left 1% uncut."""


@dataclass(slots=True)
class FimCounts:
    """What became of the pieces of some batches."""

    pieces: int = 0
    """What windows hold, or, in the scope of files, each file in them. At document level files, where they begin."""
    cut: int = 0
    left: int = 0
    """Drawn to be cut but left whole: no room for the result, no text, or an end inside a character."""
    tokens: int = 0
    cut_tokens: int = 0
    """Tokens of the pieces as they were before the cut; at document level as they are after it."""

    def add(self, other: "FimCounts") -> None:
        """Count the other's pieces in."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))

    def rates(self) -> dict[str, float]:
        """The counts, and the shares of pieces and of tokens that were cut."""
        counts: dict[str, float] = {field.name: getattr(self, field.name) for field in fields(self)}
        return counts | {
            "rate_by_pieces": self.cut / max(self.pieces, 1),
            "rate_by_tokens": self.cut_tokens / max(self.tokens, 1),
        }


class Row(Protocol):
    """A row while it is being filled."""

    spare: int
    """Tokens that nothing is set aside for."""

    def add(self, ids: Ids) -> None:
        """Put a text behind those that stand there."""


class Level(Protocol):
    """What becomes of a piece."""

    packed: Packed
    """The corpus that pieces are cut from."""
    reserve: int
    """Tokens to be set aside for a piece, beside its own."""
    a_file: int
    """Tokens to be set aside for each file that begins inside a piece."""

    def show(self, row: Row, start: int, end: int, epoch: int, counts: FimCounts) -> None:
        """Add the piece `packed.ids[start:end]` to the row."""


class Whole:
    """Nothing is cut."""

    reserve = a_file = 0

    def __init__(self, packed: Packed) -> None:
        self.packed = packed

    def show(self, row: Row, start: int, end: int, epoch: int, counts: FimCounts) -> None:
        """Add the piece as it is."""
        counts.pieces += 1
        counts.tokens += end - start
        row.add(self.packed.ids[start:end].astype(np.int64))


class Context:
    """Pieces are cut inside their row, other places in every epoch."""

    def __init__(self, packed: Packed, tokenizer: Tokenizer, settings: recipe.Fim, seed: int, slack: int) -> None:
        self.packed, self._seed = packed, seed
        self._fim = Fim(tokenizer, settings)
        self.reserve = ADDED + settings.spans * (ADDED_A_SPAN + slack)
        self.a_file = 1 + self.reserve if settings.scope == "file" else 0
        self._languages = packed.sources("language") if settings.cuts == "nodes" else None

    def show(self, row: Row, start: int, end: int, epoch: int, counts: FimCounts) -> None:
        """Add the piece, cut or not; in the scope of files each cut one ends a text, all before it in its prefix."""
        files = self.packed.files
        borders = [start, end]
        if self.a_file:
            inside = files[np.searchsorted(files, start, "right") : np.searchsorted(files, end)]
            borders = [start, *np.unique(inside).tolist(), end]
        held = start
        for first, last in pairwise(borders):
            counts.pieces += 1
            counts.tokens += last - first
            row.spare += self.reserve if first == start else self.a_file
            numbers = draws(self._seed, epoch, first)[0]
            if not self._fim.chosen(numbers):
                continue
            ids = self.packed.ids[held:last].astype(np.int64)
            cut = self._fim(ids, numbers, first - held, self._borders(held, last))
            # What follows inside the piece begins with BOS again.
            more = 0 if cut is None else len(cut) - len(ids) + (last < end)
            if cut is None or more > row.spare:
                counts.left += 1
                continue
            row.spare -= more
            row.add(cut)
            held = last
            counts.cut += 1
            counts.cut_tokens += last - first
        if held < end:
            row.add(self.packed.ids[held:end].astype(np.int64))

    def _borders(self, start: int, end: int) -> Borders:
        """The files in a stretch of tokens, from the one it starts in."""
        if self._languages is None:
            return ()
        files, languages = self.packed.files, self._languages
        numbers = range(int(np.searchsorted(files, start, "right")) - 1, int(np.searchsorted(files, end)))
        return [(int(files[number]) - start, languages.names[languages.numbers[number]]) for number in numbers]


class Document:
    """Files were cut before; pieces stay as they are."""

    reserve = a_file = 0

    def __init__(self, packed: Packed, tokenizer: Tokenizer, settings: recipe.Fim, seed: int) -> None:
        fim = Fim(tokenizer, settings)
        languages = packed.sources("language") if settings.cuts == "nodes" else None
        self._cut = np.zeros(len(packed.files), np.bool_)
        texts: list[npt.NDArray[Any]] = []
        for number, (first, last) in enumerate(pairwise([*packed.files.tolist(), len(packed.ids)])):
            text: npt.NDArray[Any] = packed.ids[first:last]
            numbers = draws(seed, 0, first)[0]
            if first < last and fim.chosen(numbers):
                borders = [] if languages is None else [(0, languages.names[languages.numbers[number]])]
                cut = fim(text.astype(np.int64), numbers, files=borders)
                if cut is not None:
                    self._cut[number] = True
                    text = cut.astype(packed.ids.dtype)
            texts.append(text)
        files = np.cumsum([0, *map(len, texts)])
        first_files = np.searchsorted(packed.files, packed.starts[:-1])
        starts = np.append(files[first_files], files[-1])
        self.packed = Packed(np.concatenate(texts), starts, files[:-1], packed.place)

    def show(self, row: Row, start: int, end: int, epoch: int, counts: FimCounts) -> None:
        """Add the piece; a file that was cut is counted where it begins, its tokens wherever they stand."""
        files = self.packed.files
        first, last = int(np.searchsorted(files, start, "right")) - 1, int(np.searchsorted(files, end))
        sizes = np.diff(np.clip(files[first : last + 1], start, end), append=end)[: last - first]
        here, cut = files[first:last] >= start, self._cut[first:last]
        counts.pieces += int(here.sum())
        counts.cut += int((here & cut).sum())
        counts.tokens += end - start
        counts.cut_tokens += int(sizes[cut].sum())
        row.add(self.packed.ids[start:end].astype(np.int64))
