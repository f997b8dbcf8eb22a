"""Causal attention over the whole row, or inside each of the documents that share it: what runs where, and why.

On a CPU each document is attended by itself: no mask, and foreign tokens are no work. That is not compiled, since its
shapes depend on where documents end; where compiled blocks under a mask are faster, as in short rows and for long
documents, they are taken. On a GPU FlexAttention [arXiv 2412.05496] skips the blocks of pairs in which every pair is
foreign or of the future.
"""

from functools import cache
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's own name for it)
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

from repoloom.model import in_blocks


class ByThemselves(NamedTuple):
    """Documents that are better attended one by one than under a mask."""

    start: Tensor


Documents = Tensor | ByThemselves | BlockMask
"""The place [B, T] in its row at which each token's document begins, or the pairs that attend, as FlexAttention wants
them: whichever the device works with."""

LONG = 0.5
"""The share of a long row's causal pairs that have to attend for blocks under a mask to be worth it: for the same pairs
they take half the time of PyTorch's kernel (docs/model.md)."""


def starts(documents: Tensor) -> Tensor:
    """The place in its row at which each token's document begins, from the numbers of documents [B, T] inside a row.

    A document is a run of one number.
    """
    place = torch.arange(documents.shape[1], device=documents.device).expand_as(documents)
    begins = torch.ones_like(documents, dtype=torch.bool)
    begins[:, 1:] = documents[:, 1:] != documents[:, :-1]
    return torch.where(begins, place, 0).cummax(1).values


def prepare(start: Tensor) -> Documents:
    """What every layer's `attend` takes for `starts` [B, T], made once a batch."""
    if start.device.type != "cpu":
        return block_mask(start)
    rows, time = start.shape
    seen = int((torch.arange(1, time + 1) - start).sum()) / (rows * time * (time + 1) / 2)
    return start.int() if time <= in_blocks.KEPT or seen > LONG else ByThemselves(start.int())


def block_mask(start: Tensor) -> BlockMask:
    """The causal pairs inside documents, by blocks, for `starts` [B, T]."""

    def attends(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (key <= query) & (key >= start[row, query])

    rows, time = start.shape
    make = create_block_mask if start.device.type == "cpu" else _compiled(create_block_mask)
    mask: BlockMask = make(attends, rows, None, time, time, device=start.device.type)
    return mask


def attend(q: Tensor, k: Tensor, v: Tensor, documents: Documents | None) -> Tensor:
    """Causal attention of q [B, H, T, D] on k, v [B, KV, T, D], inside documents where they are given."""
    if documents is None:
        return causal(q, k, v)
    if isinstance(documents, BlockMask):
        return _flex(q, k, v, documents)
    if isinstance(documents, Tensor) and torch.compiler.is_compiling() and in_blocks.is_faster(q):
        return in_blocks.attend_in_blocks(q, k, v, documents)
    # Imported here, since it brings PyTorch's compiler with it: a second or more that serving need not wait.
    from repoloom.model.by_document import attend_by_document

    start = documents if isinstance(documents, Tensor) else documents.start
    y: Tensor = attend_by_document(causal, q, k, v, start)
    return y


def causal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention over the whole row."""
    if in_blocks.is_faster(q):
        return in_blocks.attend_in_blocks(q, k, v, None)
    return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=q.shape[1] > k.shape[1])


def _flex(q: Tensor, k: Tensor, v: Tensor, mask: BlockMask) -> Tensor:
    """Uncompiled, FlexAttention computes every pair: so it is compiled here unless the layer around it is."""
    fused = q.device.type != "cpu" and not torch.compiler.is_compiling()
    run = _compiled(flex_attention) if fused else flex_attention
    y: Tensor = run(q, k, v, block_mask=mask, enable_gqa=q.shape[1] > k.shape[1])
    return y


@cache
def _compiled(function: Any) -> Any:
    return torch.compile(function)
