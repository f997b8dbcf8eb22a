"""The places of a batch: keys and values of what each row has seen."""

import torch
from torch import Tensor

from repoloom.model.config import Config

STRIDE = 16
"""Keys are read up to a multiple of it. What is read too much is masked; and the kernel then adds in the same order
however long the other rows are, so that a row's bits do not depend on them."""


class Places:
    """Keys [rows, KV heads, width, capacity] and values [rows, KV heads, capacity, width] a layer.

    Row r's next token stands at `lengths[r]`. Both lie so that a step's products read them along the memory.
    """

    def __init__(self, config: Config, rows: int, capacity: int, device: torch.device, dtype: torch.dtype) -> None:
        capacity = -(-capacity // STRIDE) * STRIDE
        heads = (config.layers, rows, config.kv_heads)
        self.keys = torch.zeros(*heads, config.head_width, capacity, device=device, dtype=dtype)
        self.values = torch.zeros(*heads, capacity, config.head_width, device=device, dtype=dtype)
        self.lengths = torch.zeros(rows, dtype=torch.int64, device=device)

    @staticmethod
    def bytes_a_token(config: Config, dtype: torch.dtype) -> int:
        """What one token of one row takes."""
        return 2 * config.layers * config.kv_heads * config.head_width * dtype.itemsize

    def seen(self, position: Tensor) -> Tensor:
        """What is added to scores [R, 1, T, end] of tokens at `position` [R, T]: 0 up to themselves, -inf beyond."""
        end = -(-(int(position.max()) + 1) // STRIDE) * STRIDE
        hidden = torch.arange(end, device=position.device) > position[:, None, :, None]
        return torch.zeros(hidden.shape, device=hidden.device, dtype=self.keys.dtype).masked_fill(hidden, -torch.inf)

    def remember(self, layer: int, position: Tensor, k: Tensor, v: Tensor, end: int) -> tuple[Tensor, Tensor]:
        """Write k, v [R, T, KV, D] at `position` [R, T]; a layer's keys [R, KV, D, end] and values [R, KV, end, D]."""
        rows = len(k)
        keys, values = self.keys[layer, :rows], self.values[layer, :rows]
        row = torch.arange(rows, device=k.device)[:, None]
        keys[row, :, :, position], values[row, :, position] = k, v
        return keys[..., :end], values[:, :, :end]

    def take(self, row: int, other: "Places", other_row: int, length: int) -> None:
        """Let a row be the first `length` tokens of a row of `other`, which may be these places themselves."""
        self.keys[:, row, ..., :length] = other.keys[:, other_row, ..., :length]
        self.values[:, row, :, :length] = other.values[:, other_row, :, :length]
        self.lengths[row] = length
