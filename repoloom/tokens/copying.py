"""Random words that come twice: what they teach is to copy, and nothing of any text.

A model uses a suffix, or a file before this one, by copying from it. Text teaches that late, all at once and at a time
of its own (induction heads, arXiv 2209.11895); where half of what there is to learn is to copy, it is learnt early.
What it is worth: docs/training.md.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from repoloom.tokens.keyed import philox

LENGTHS = 8, 32
"""Words of what comes twice. Measured: with up to 100, copying was learnt in twice the tokens."""

ROOM = 2 * LENGTHS[1] + 2
"""Tokens that the longest text takes, with BOS before it and the end behind it."""


def texts(ids: npt.NDArray[np.integer], end: int, room: int, seed: int, row: int) -> Iterator[npt.NDArray[np.int64]]:
    """Texts `a b c a b c end` of tokens drawn from a corpus' `ids`, as many as fit into `room` tokens, BOS before each.

    A pure function of (seed, row). The corpus is drawn from because its frequent words are soon learnt: 0.9 times the
    tokens of a uniform draw.
    """
    random = np.random.Generator(philox(seed, "copying", row))
    while room >= ROOM:
        words = ids[random.integers(len(ids), size=random.integers(LENGTHS[0], LENGTHS[1] + 1))].astype(np.int64)
        words = words[words != end]
        text = np.concatenate([words, words, [end]])
        room -= len(text) + 1
        yield text
