"""Instruction pairs as batches: the prompt masked, the response ended by EOT, rows of like length together.

Rows are padded on the right to the longest of their batch. Pairs differ tenfold in length, so batches are cut from
pools sorted by length: padding falls from two thirds of a batch to a tenth, and every epoch mixes anew.
"""

import copy
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from repoloom.model.transformer import IGNORED
from repoloom.tokens import chat
from repoloom.tokens.tokenizer import Tokenizer
from repoloom.train.pairs import Pair
from repoloom.train.rows import Rows

POOL = 16
"""Batches that are sorted by length together: enough for even lengths, few enough for mixed batches."""

WIDTH_MULTIPLE = 64
"""Rows are padded to a multiple of so many tokens: few shapes, for the compiler's and the allocator's sake."""

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Turn:
    """One pair as ids: all of them, and how many of the first carry no loss."""

    ids: list[int]
    prompt: int


@dataclass(frozen=True, slots=True)
class TurnBatch:
    """Tokens and targets [rows, time]."""

    tokens: Ids
    targets: Ids

    @property
    def notes(self) -> dict[str, object]:
        """Nothing that metrics.jsonl should keep."""
        return {}


def encode(pairs: Sequence[Pair], tokenizer: Tokenizer, context: int) -> list[Turn]:
    """The pairs that fit into `context` tokens, as the chat template writes them."""
    start = [] if tokenizer.bos is None else [tokenizer.bos]
    ends = tokenizer.eot if tokenizer.eot is not None else tokenizer.eos
    assert ends is not None
    prompts = tokenizer.encode_batch([chat.render([{"role": "user", "content": pair.instruction}]) for pair in pairs])
    responses = tokenizer.encode_batch([pair.response + "\n" for pair in pairs])
    turns = [
        Turn([*start, *prompt, *response, ends], len(start) + len(prompt))
        for prompt, response in zip(prompts, responses, strict=True)
    ]
    return [turn for turn in turns if len(turn.ids) <= context + 1]


class Turns:
    """Batches of turns by step: a pure function of (seed, step)."""

    def __init__(
        self, turns: Sequence[Turn], *, batch: int, pad: int, seed: int, context: int, multiple: int = WIDTH_MULTIPLE
    ) -> None:
        """`turns` must not be empty, and none longer than `encode` leaves them; a batch is never larger than they are.

        `pad` is the padding's id, `context` the longest sequence that the model takes; rows are padded to `multiple`.
        """
        self.batch = min(batch, len(turns))
        self._turns, self._pad, self._seed, self._context, self._multiple = turns, pad, seed, context, multiple
        self._share, self._shares = 0, 1
        self._per_epoch = len(turns) // self.batch
        self._orders: dict[int, list[list[int]]] = {}

    def __getitem__(self, step: int) -> TurnBatch:
        """The batch of a step, from 0."""
        epoch, number = divmod(step, self._per_epoch)
        if epoch not in self._orders:
            self._orders = {epoch: self._order(epoch)}
        chosen = [self._turns[index] for index in self._orders[epoch][number]]
        batch = pad(chosen, self._pad, self._context, self._multiple)
        own = Rows.of(batch, []).share(self._share, self._shares)
        return TurnBatch(own.tokens, own.targets)

    def share(self, share: int, shares: int) -> "Turns":
        """The same batches, of each the `share`-th of so many parts; rows without loss fill up what does not divide.

        All parts of a batch are equally wide, as processes that share products and sequences need them.
        """
        own = copy.copy(self)
        own._share, own._shares = share, shares
        return own

    def prefetch(self, first: int, last: int) -> Iterator[TurnBatch]:
        """The batches of the steps from `first` up to, not including, `last`; they cost too little to be made ahead."""
        return (self[step] for step in range(first, last))

    def _order(self, epoch: int) -> list[list[int]]:
        """The batches of an epoch as indices: shuffled, sorted by length within pools, and shuffled again."""
        key = hashlib.blake2b(f"tune/{self._seed}/{epoch}".encode(), digest_size=16).digest()
        random = np.random.Generator(np.random.PCG64(int.from_bytes(key, "big")))
        order = random.permutation(len(self._turns))[: self._per_epoch * self.batch]
        batches: list[list[int]] = []
        for start in range(0, len(order), POOL * self.batch):
            pool = sorted(order[start : start + POOL * self.batch].tolist(), key=lambda i: len(self._turns[i].ids))
            batches += [pool[at : at + self.batch] for at in range(0, len(pool), self.batch)]
        return [batches[number] for number in random.permutation(len(batches))]


def pad(turns: Sequence[Turn], padding: int, context: int, multiple: int = WIDTH_MULTIPLE) -> TurnBatch:
    """Turns as one batch of at most `context` tokens a row, padded on the right; prompt and padding carry no loss."""
    longest = max(len(turn.ids) for turn in turns) - 1
    width = min(-(-longest // multiple) * multiple, context)
    tokens = np.full((len(turns), width), padding, np.int64)
    targets = np.full((len(turns), width), IGNORED, np.int64)
    for row, turn in enumerate(turns):
        time = len(turn.ids) - 1
        tokens[row, :time] = turn.ids[:-1]
        targets[row, turn.prompt - 1 : time] = turn.ids[turn.prompt :]
    return TurnBatch(tokens, targets)
