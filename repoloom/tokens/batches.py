"""Training batches: a pure function of (seed, step), whatever was asked before, and by which process or rank.

Pieces are put into rows once (`layout`); an epoch is a permutation of the rows, and which pass over the corpus it is
takes part in FIM's draws, so no piece is cut twice at the same place. Every text begins with BOS, also in mid-row: a
prompt begins so, and what stood before has nothing to do with it. BOS and padding are no targets; all else is one,
FIM's prefix and suffix too [F]. Rows are filled when they are asked for, and a rank fills its own alone: what is held
is a few numbers a piece.

[F] is arXiv 2207.14255.
"""

import copy
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace

import numpy as np
import numpy.typing as npt

from repoloom import recipe
from repoloom.errors import UserError
from repoloom.tokens import copying as copies
from repoloom.tokens import levels
from repoloom.tokens.layout import Layout, Room
from repoloom.tokens.levels import FimCounts
from repoloom.tokens.pack import Offsets, Packed
from repoloom.tokens.tokenizer import Tokenizer
from repoloom.tokens.windows import Pieces

IGNORE = -100
"""The target that carries no loss."""

_AHEAD = 2
"""Batches made before they are asked for."""
_BEST_FIT = recipe.Batches()

Ids = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's sequences, or a rank's share of them."""

    tokens: Ids
    """int64[rows, context]"""
    targets: Ids
    """int64[rows, context]: the token after each, `IGNORE` where there is no loss."""
    documents: Numbers | None
    """int32[rows, context]: the number of each token's text in its row, from 0 on; padding has the number behind the
    last. Attention is to stay inside a text. None where the recipe masks nothing."""
    fim: FimCounts
    sources: Counter[str]
    """Tokens of the corpus, by the key of `batches.weights` that their document goes by."""
    languages: dict[str, int]
    """Tokens of the corpus by the language of their file; empty where the pack does not say it."""

    @property
    def notes(self) -> dict[str, dict[str, int]]:
        """What metrics.jsonl keeps of it: a run's rates and shares are sums over the steps that were really trained."""
        notes = {"fim": asdict(self.fim)}
        if self.languages:
            notes["languages"] = self.languages
        if len(self.sources) > 1:
            notes["sources"] = dict(self.sources)
        return notes

    def first(self, rows: int) -> "Batch":
        """The first rows alone; the counts stay those of the whole."""
        documents = None if self.documents is None else self.documents[:rows]
        return replace(self, tokens=self.tokens[:rows], targets=self.targets[:rows], documents=documents)


class Batches:
    """The batches of a packed split: `batches[step]` for any step, epoch after epoch."""

    def __init__(
        self,
        packed: Packed,
        tokenizer: Tokenizer,
        *,
        context: int,
        fim: recipe.Fim,
        seed: int,
        batch: int,
        settings: recipe.Batches = _BEST_FIT,
        copying: int = 0,
    ) -> None:
        """Cut `packed` into pieces and pack these into rows of `context` tokens, `batch` of them a step.

        The first `copying` steps are of random words that come twice instead (`copying.py`), and the corpus follows.

        Raises UserError for an empty split, too short a context, a tokenizer that cannot do what `fim` asks for, or
        weights that fit nothing.
        """
        start = tokenizer.eos if tokenizer.bos is None else tokenizer.bos
        if start is None:
            raise UserError(f"{tokenizer.folder} names neither bos_token nor eos_token: texts could not be told apart")
        self._start = start
        self._pad = start if tokenizer.pad is None else tokenizer.pad
        self._context, self._masked = context, settings.document_mask
        self._batch, self._own = batch, range(batch)
        self._copying, self._words, self._seed = copying, packed.ids, seed
        self._end = start if tokenizer.eos is None else tokenizer.eos
        self._level = _level(packed, tokenizer, fim, seed, levels.SLACK[settings.packing])
        reserve = self._level.reserve
        if copying and context + 1 < copies.ROOM:
            raise UserError(f"batches.copying needs a model.context of at least {copies.ROOM - 1}, not {context}")
        if context <= 2 * reserve:
            raise UserError(f"model.context is {context}: FIM needs more than {2 * reserve}, or fim.rate = 0")
        self._room = Room(context + 1, 1 + reserve, self._level.a_file)
        self._layout = Layout(self._level.packed, _ends_line(tokenizer), self._room, settings, seed)
        self._languages = _Languages(self._level.packed) if packed.sourced else None
        self.rows = self._layout.rows
        """Rows an epoch."""
        self.utilisation = self._layout.tokens / (self.rows * context)
        """The share of the rows' positions that the corpus' own tokens fill; the rest is FIM's, BOS or padding."""

    def share(self, rank: int, ranks: int) -> "Batches":
        """The same batches, of each the rows of one rank: the `rank`-th of `ranks` equal parts, in order.

        Raises UserError where the batch is not a multiple of `ranks`.
        """
        if self._batch % ranks:
            raise UserError(f"pretrain.batch is {self._batch}: {ranks} processes cannot share it equally")
        own = copy.copy(self)
        rows = self._batch // ranks
        own._own = range(rank * rows, (rank + 1) * rows)
        return own

    def __getitem__(self, step: int) -> Batch:
        """The batch of a step, from 0 on; an epoch's end may fall inside it."""
        shape = (len(self._own), self._context + 1)
        tokens, targets = np.full(shape, self._pad, np.int64), np.full(shape, IGNORE, np.int64)
        documents = np.zeros(shape, np.int32)
        rows = [_Row(*arrays, self._start) for arrays in zip(tokens, targets, documents, strict=True)]
        if step < self._copying:
            counts = self._copy(rows, step)
        else:
            counts = self._show(rows, step - self._copying)
        return Batch(
            np.ascontiguousarray(tokens[:, :-1]),
            np.ascontiguousarray(targets[:, 1:]),
            np.ascontiguousarray(documents[:, :-1]) if self._masked else None,
            *counts,
        )

    def _copy(self, rows: "list[_Row]", step: int) -> tuple[FimCounts, Counter[str], dict[str, int]]:
        """Fill the rows with words that come twice; nothing of the corpus is in them."""
        for row, place in zip(rows, self._own, strict=True):
            number = step * self._batch + place
            for text in copies.texts(self._words, self._end, self._context + 1, self._seed, number):
                row.add(text)
            row.close()
        return FimCounts(), Counter(), {}

    def _show(self, rows: "list[_Row]", step: int) -> tuple[FimCounts, Counter[str], dict[str, int]]:
        """Fill the rows with pieces of the corpus, and count these."""
        counts, sources = FimCounts(), Counter(dict.fromkeys((group.name for group in self._layout.groups), 0))
        shown = []
        for row, place in zip(rows, self._own, strict=True):
            group, number, epoch = self._layout.at(step * self._batch + place)
            sources[group.name] += self._fill(row, number, epoch, counts)
            shown.append(self._layout.table[number])
        pieces = np.concatenate(shown)
        return counts, sources, {} if self._languages is None else self._languages.of(self._layout.pieces, pieces)

    def prefetch(self, first: int, last: int) -> Iterator[Batch]:
        """The batches of the steps from `first` up to, not including, `last`, made ahead in a thread.

        The thread ends with the iterator, whether it is read to its end, closed or dropped.
        """
        pool = ThreadPoolExecutor(1, thread_name_prefix="batches")
        try:
            ahead: deque[Future[Batch]] = deque()
            for step in range(first, last):
                while len(ahead) <= _AHEAD and step + len(ahead) < last:
                    ahead.append(pool.submit(self.__getitem__, step + len(ahead)))
                yield ahead.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _fill(self, row: "_Row", number: int, epoch: int, counts: FimCounts) -> int:
        """Fill a row with its pieces. Returns their tokens."""
        pieces, table = self._layout.pieces, self._layout.table
        which = table[number]
        starts, lengths = pieces.starts[which], pieces.lengths[which]
        row.spare = self._room.row - int(self._layout.sizes[which].sum())
        for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
            self._level.show(row, start, start + length, epoch, counts)
        row.close()
        return int(lengths.sum())


class _Row:
    """One row's arrays while they are being filled."""

    def __init__(self, tokens: Ids, targets: Ids, documents: Numbers, opening: int) -> None:
        self._tokens, self._targets, self._documents = tokens, targets, documents
        self._opening = opening
        self._end = self._texts = 0
        self.spare = 0

    def add(self, ids: Ids) -> None:
        """Put a text behind those that stand there, BOS before it; BOS is no target."""
        first = self._end + 1
        self._end = first + len(ids)
        self._tokens[first - 1] = self._opening
        self._tokens[first : self._end] = self._targets[first : self._end] = ids
        self._documents[first - 1 : self._end] = self._texts
        self._texts += 1

    def close(self) -> None:
        """Number the padding."""
        self._documents[self._end :] = self._texts


class _Languages:
    """Which language each token of a corpus is in: that of its file."""

    def __init__(self, packed: Packed) -> None:
        sources = packed.sources("language")
        self._names = sources.names
        self._of_files = sources.numbers.astype(np.min_scalar_type(len(self._names)))
        self._borders = np.append(packed.files, len(packed.ids))

    def of(self, pieces: Pieces, which: Offsets) -> dict[str, int]:
        """The tokens of these pieces by language, 0 for those that they do not hold."""
        starts = pieces.starts[which]
        ends = starts + pieces.lengths[which]
        first = np.searchsorted(self._borders, starts, "right") - 1
        counts = np.searchsorted(self._borders, ends) - first
        # Of each piece, its files one after the other, and what of them is inside it.
        files = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts - first, counts)
        sizes = np.minimum(self._borders[files + 1], np.repeat(ends, counts))
        sizes -= np.maximum(self._borders[files], np.repeat(starts, counts))
        totals = np.bincount(self._of_files[files], sizes, len(self._names)).astype(np.int64)
        return dict(zip(self._names, totals.tolist(), strict=True))


def _level(packed: Packed, tokenizer: Tokenizer, fim: recipe.Fim, seed: int, slack: int) -> levels.Level:
    if fim.rate == 0 or not len(packed.ids):
        return levels.Whole(packed)
    if fim.level == "document":
        return levels.Document(packed, tokenizer, fim, seed)
    return levels.Context(packed, tokenizer, fim, seed, slack)


def _ends_line(tokenizer: Tokenizer) -> npt.NDArray[np.bool_]:
    """Of each id, whether a line ends by it."""
    if not tokenizer.byte_level:
        return np.zeros(tokenizer.size, np.bool_)
    return np.array([entry.endswith(b"\n") for entry in tokenizer.table])
