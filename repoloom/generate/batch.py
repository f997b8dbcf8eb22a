"""Prompts that are continued together, one token a step for each."""

from collections.abc import Sequence

import torch
from torch import Tensor

from repoloom.generate.network import Network
from repoloom.generate.places import Places
from repoloom.generate.sampling import Key, Sampling, choose

PIECE = 256
"""Prompts are read in pieces of so many tokens: enough for the kernels to be at their best, and few enough that most of
what two prompts share, few-shot examples or all of it, is whole pieces, which are read once and keep their bits."""

_FEWEST = 2
"""Rows of a step: with one row alone oneDNN takes another kernel, whose bits are others."""


class Batch:
    """Rows of unequal length, each with its next token chosen. Who is finished gives its place to the next prompt."""

    def __init__(self, network: Network, rows: int, capacity: int, sampling: Sampling) -> None:
        """Room for `rows` prompts that have at most `capacity` tokens with what is written after them."""
        self.tokens: list[int] = []
        """The next token of each row."""
        self._keys: list[Key] = []
        self._network, self._sampling = network, sampling
        self._places = Places(network.config, max(rows, _FEWEST), capacity, network.device, network.dtype)
        self._page = Places(network.config, 1, capacity, network.device, network.dtype)
        self._read: list[int] = []
        self._hidden: Tensor | None = None

    @torch.inference_mode()
    def put(self, row: int, prompt: Sequence[int], key: Key) -> None:
        """Read a prompt into a row, an old one or the next, and choose its first token. `key` keys its draws."""
        last = self._last_hidden(list(prompt))
        self._places.take(row, self._page, 0, len(prompt))
        self._keys[row : row + 1] = [key]
        token = self._chosen(last.expand(_FEWEST, -1), [key] * _FEWEST, [len(prompt)] * _FEWEST)[0]
        self.tokens[row : row + 1] = [token]

    @torch.inference_mode()
    def step(self) -> None:
        """Feed every row's token, and choose the one after it."""
        count = len(self.tokens)
        rows = max(count, _FEWEST)
        self._places.lengths[count:rows] = 0
        fed = torch.tensor(self.tokens + [0] * (rows - count), device=self._network.device)
        hidden = self._network(fed[:, None], self._places)[:, 0]
        keys = self._keys + self._keys[:1] * (rows - count)
        self.tokens = self._chosen(hidden, keys, self._places.lengths[:rows].tolist())[:count]

    def drop(self, row: int) -> None:
        """Forget a finished row; the last row takes its place."""
        last = len(self.tokens) - 1
        if row < last:
            self._places.take(row, self._places, last, int(self._places.lengths[last]))
        self.tokens[row], self._keys[row] = self.tokens[last], self._keys[last]
        del self.tokens[last], self._keys[last]

    def _last_hidden(self, prompt: list[int]) -> Tensor:
        """The hidden state [1, hidden] of a prompt's last token, its keys and values on the page."""
        if prompt != self._read or self._hidden is None:
            known = next((n for n, (a, b) in enumerate(zip(prompt, self._read, strict=False)) if a != b), None)
            known = min(len(prompt) - 1, len(self._read)) if known is None else known
            self._read = prompt
            for first in range(known // PIECE * PIECE, len(prompt), PIECE):
                self._page.lengths[0] = first
                piece = torch.tensor([prompt[first : first + PIECE]], device=self._network.device)
                self._hidden = self._network(piece, self._page)[:, -1]
        assert self._hidden is not None
        return self._hidden

    def _chosen(self, hidden: Tensor, keys: Sequence[Key], positions: Sequence[int]) -> list[int]:
        places = list(zip(keys, positions, strict=True))
        tokens: list[int] = choose(self._network.logits(hidden), self._sampling, places).tolist()
        return tokens
