"""Keys and values of what was read, for generation."""

import copy

import torch
from torch import Tensor

from repoloom.model.config import Config


class Cache:
    """Keys and values of the tokens that each row has seen, so that the next token costs one token.

    Rows may differ in length: row r's next token stands at position `lengths[r]`. What lies beyond a row's length is
    never read, so prompts of several lengths are padded on the right, and `set_lengths` then says what was real.
    """

    def __init__(self, config: Config, rows: int, capacity: int, device: torch.device, dtype: torch.dtype) -> None:
        shape = (rows, config.kv_heads, capacity, config.head_width)
        self.keys = [torch.zeros(shape, device=device, dtype=dtype) for _ in range(config.layers)]
        self.values = [torch.zeros(shape, device=device, dtype=dtype) for _ in range(config.layers)]
        self.set_lengths(torch.zeros(rows, dtype=torch.int64, device=device))

    def set_lengths(self, lengths: Tensor) -> None:
        """State how many tokens of each row [B] are real."""
        self.lengths = lengths
        self.longest = int(lengths.max()) if len(lengths) else 0

    def part(self, rows: slice) -> "Cache":
        """Some rows, in the same memory: what is written there is written here."""
        part = copy.copy(self)
        part.keys = [keys[rows] for keys in self.keys]
        part.values = [values[rows] for values in self.values]
        part.set_lengths(self.lengths[rows])
        return part

    def drop(self, row: int) -> None:
        """Forget a finished row; the last row takes its place, so that one row is copied and no more."""
        last = len(self.lengths) - 1
        for store in (self.keys, self.values):
            for layer, tensor in enumerate(store):
                tensor[row] = tensor[last]
                store[layer] = tensor[:last]
        lengths = self.lengths.clone()
        lengths[row] = lengths[last]
        self.set_lengths(lengths[:last])


Place = tuple[Cache, int]
"""A layer's place in the cache."""


def remember(place: Place, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
    """Write new keys and values [B, KV, T, D] at each row's own length; return all there are and who may see them."""
    cache, layer = place
    rows, _, time, _ = k.shape
    keys, values, end = cache.keys[layer], cache.values[layer], cache.longest + time
    if cache.longest == 0:
        keys[:, :, :time], values[:, :, :time] = k, v
        return k, v, None
    row = torch.arange(rows, device=k.device)[:, None]
    position = cache.lengths[:, None] + torch.arange(time, device=k.device)
    keys[row, :, position] = k.transpose(1, 2).to(keys.dtype)
    values[row, :, position] = v.transpose(1, 2).to(values.dtype)
    mask = torch.arange(end, device=k.device) <= position[:, None, :, None]
    return keys[:, :, :end], values[:, :, :end], mask
