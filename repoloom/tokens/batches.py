"""Training batches: a pure function of (seed, step), whatever was asked before, and by which process.

Pieces are put into rows once; an epoch is a permutation of the rows, and its number takes part in FIM's draws, so no
piece is cut twice at the same place. Every piece begins with BOS, also in mid-row: a prompt begins so, and what stood
before has nothing to do with it. BOS and padding are no targets; all else is one, FIM's prefix and suffix too [F]. Rows
are filled when they are asked for: what is held is a few numbers a piece.

[F] is arXiv 2207.14255.
"""

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields

import numpy as np
import numpy.typing as npt

from repoloom import recipe
from repoloom.errors import UserError
from repoloom.tokens import rows, windows
from repoloom.tokens.fim import ADDED, Fim, chosen, draws
from repoloom.tokens.keyed import philox
from repoloom.tokens.pack import Packed
from repoloom.tokens.tokenizer import Tokenizer

IGNORE = -100
"""The target that carries no loss."""

_SLACK = 6
"""Tokens that a piece may gain by being encoded anew around two cuts. Those that gain more, and find no room in their
row, stay uncut."""
_AHEAD = 2
"""Batches made before they are asked for."""

Ids = npt.NDArray[np.int64]


@dataclass(slots=True)
class FimCounts:
    """What became of the pieces of some batches."""

    pieces: int = 0
    cut: int = 0
    left: int = 0
    """Drawn to be cut but left whole: no room for the result, no text, or an end inside a character."""
    tokens: int = 0
    cut_tokens: int = 0
    """Tokens of the pieces as they were before the cut."""

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


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's sequences."""

    tokens: Ids
    """int64[rows, context]"""
    targets: Ids
    """int64[rows, context]: the token after each, `IGNORE` where there is no loss."""
    fim: FimCounts

    @property
    def notes(self) -> dict[str, dict[str, int]]:
        """What metrics.jsonl keeps of it: a run's FIM rate is the sum over the steps that were really trained."""
        return {"fim": asdict(self.fim)}


class Batches:
    """The batches of a packed split: `batches[step]` for any step, epoch after epoch."""

    def __init__(
        self, packed: Packed, tokenizer: Tokenizer, *, context: int, fim: recipe.Fim, seed: int, batch: int
    ) -> None:
        """Cut `packed` into pieces and pack these into rows of `context` tokens, `batch` of them a step.

        Raises UserError for an empty split, too short a context, or a tokenizer that cannot do what `fim` asks for.
        """
        start = tokenizer.eos if tokenizer.bos is None else tokenizer.bos
        if start is None:
            raise UserError(f"{tokenizer.folder} names neither bos_token nor eos_token: texts could not be told apart")
        self._start = start
        self._pad = start if tokenizer.pad is None else tokenizer.pad
        self._packed, self._context, self._batch, self._seed, self._rate = packed, context, batch, seed, fim.rate
        self._fim = Fim(tokenizer) if fim.rate > 0 else None
        self._reserve = 0 if self._fim is None else ADDED + _SLACK
        if context <= 2 * self._reserve:
            raise UserError(f"model.context is {context}: FIM needs more than {2 * self._reserve}, or fim.rate = 0")
        self._pieces = windows.cut(packed, _ends_line(tokenizer), context - self._reserve)
        if not len(self._pieces):
            raise UserError("the packed split holds no tokens: was everything dropped in curation?")
        self._table = rows.fill(self._pieces.lengths + 1 + self._reserve, context + 1, seed)
        self.rows = len(self._table)
        """Rows an epoch."""
        self.utilisation = float(self._pieces.lengths.sum()) / (self.rows * context)
        """The share of the rows' positions that the corpus' own tokens fill; the rest is FIM's, BOS or padding."""
        self._lock = threading.Lock()
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def __getitem__(self, step: int) -> Batch:
        """The batch of a step, from 0 on; an epoch's end may fall inside it."""
        sequences = np.full((self._batch, self._context + 1), self._pad, np.int64)
        targets = np.full((self._batch, self._context + 1), IGNORE, np.int64)
        counts = FimCounts()
        for line, place in enumerate(range(step * self._batch, (step + 1) * self._batch)):
            epoch, row = divmod(place, self.rows)
            self._fill(sequences[line], targets[line], epoch, self._table[self._permutation(epoch)[row]], counts)
        return Batch(np.ascontiguousarray(sequences[:, :-1]), np.ascontiguousarray(targets[:, 1:]), counts)

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

    def _fill(self, sequence: Ids, targets: Ids, epoch: int, pieces: Ids, counts: FimCounts) -> None:
        """Write a row's pieces, each behind BOS, into `sequence`, and into `targets` those that are to be learnt."""
        lengths = self._pieces.lengths[pieces].tolist()
        spare = len(sequence) - sum(lengths) - len(lengths) * (1 + self._reserve)
        end = 0
        for piece, length in zip(pieces.tolist(), lengths, strict=True):
            start = self._pieces.starts[piece]
            ids = self._packed.ids[start : start + length].astype(np.int64)
            cut = self._cut(ids, epoch, piece, counts)
            if cut is not None:
                more = len(cut) - length - self._reserve
                if more <= spare:
                    ids, spare = cut, spare - max(more, 0)
                    counts.cut += 1
                    counts.cut_tokens += length
                else:
                    counts.left += 1
            counts.pieces += 1
            counts.tokens += length
            sequence[end] = self._start
            end += 1
            sequence[end : end + len(ids)] = targets[end : end + len(ids)] = ids
            end += len(ids)

    def _cut(self, ids: Ids, epoch: int, piece: int, counts: FimCounts) -> Ids | None:
        """The piece cut for the middle, if it is drawn to be and can be."""
        if self._fim is None:
            return None
        numbers = draws(self._seed, epoch, piece, 1)[0]
        if not chosen(numbers, self._rate):
            return None
        cut = self._fim(ids, numbers)
        counts.left += cut is None
        return cut

    def _permutation(self, epoch: int) -> Ids:
        """The rows in the order in which an epoch shows them."""
        with self._lock:
            if self._epoch != epoch:
                generator = np.random.Generator(philox(self._seed, "epoch", epoch))
                self._epoch, self._order = epoch, generator.permutation(self.rows)
            return self._order


def _ends_line(tokenizer: Tokenizer) -> npt.NDArray[np.bool_]:
    """Of each id, whether a line ends by it."""
    if not tokenizer.byte_level:
        return np.zeros(tokenizer.size, np.bool_)
    return np.array([entry.endswith(b"\n") for entry in tokenizer.table])
