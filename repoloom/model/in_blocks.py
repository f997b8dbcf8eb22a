"""Causal attention for training on a CPU: plain matrix products over a block of queries at a time.

A block meets no key after it, which is where causality halves the work, and the heads that share keys stand as more
queries of one head. The softmax is left undivided until the values are summed, and its derivative is written out
[FlashAttention-2, arXiv 2307.08691, 3.1]: of each pair at most one number is kept for the backward pass, in the type of
the products, and compiled code passes over the pairs three times instead of six.
"""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

QUERIES = 64
LARGEST = 1024
"""The smallest block, and the largest."""

BLOCKS = 8
"""Blocks of a row, between those bounds. Each more saves pairs that no query sees, and costs matrix products of fewer
rows."""

LONGEST = 1024
LONGEST_COMPILED = 16_384
"""Longer rows are left to PyTorch's kernel. From 2,048 tokens on it is faster than eager blocks, and as fast as
compiled ones in float32; in bfloat16 it takes twice as long as they do (docs/model.md)."""

KEPT = 2048
"""Longer rows' pairs are computed again for the backward pass, as FlashAttention does, not kept: that takes 1.1 to 1.2
times as long, and memory grows with the tokens instead of with their square."""

_PLACES = torch.arange(LONGEST_COMPILED, dtype=torch.int32)
"""A constant for compiled code to read. An `arange` inside of it is computed anew for every pair, and took three times
as long as all the rest of the softmax."""


def is_faster(q: Tensor) -> bool:
    """Whether q [B, H, T, D] should be attended so here."""
    longest = LONGEST_COMPILED if torch.compiler.is_compiling() and q.dtype == torch.bfloat16 else LONGEST
    return q.device.type == "cpu" and torch.is_grad_enabled() and q.shape[2] <= longest


def attend_in_blocks(q: Tensor, k: Tensor, v: Tensor, start: Tensor | None) -> Tensor:
    """Causal attention of q [B, H, T, D] on k, v [B, KV, T, D], T up to LONGEST_COMPILED, on a CPU.

    A query sees no key before its `start` [B, T], int32.
    """
    y: Tensor = _InBlocks.apply(q, k, v, start)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


class _InBlocks(torch.autograd.Function):
    """Batch and key heads are one dimension here, R = B * KV; the M queries of a block are those of all its heads."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, start: Tensor | None) -> Tensor:
        rows, heads, time, width = q.shape
        keys = k.shape[1]
        q = (q * width**-0.5).view(rows, keys, -1, time, width)
        k_t, v = k.transpose(-1, -2).reshape(-1, width, time), v.reshape(-1, time, width)
        outs, tops, shares, sums = [], [], [], []
        for first, end in blocks(time):
            score = _scores(q, k_t, start, first, end)
            tops.append(score.amax(-1, keepdim=True))
            share = (score - tops[-1]).exp().to(q.dtype)
            sums.append(_precise(share).sum(-1, keepdim=True))
            shares.append(share.view(len(v), -1, end))
            out = torch.bmm(shares[-1], v[:, :end]).view(rows, keys, -1, end - first, width)
            outs.append((out / sums[-1]).to(q.dtype))
        y = torch.cat(outs, 3)
        kept = shares if time <= KEPT else []
        ctx.save_for_backward(q, k_t, v, y, torch.cat(sums, 3), torch.cat(tops, 3), start, *kept)
        return y.view(rows, heads, time, width)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        q, k_t, v, y, total, top, start, *shares = ctx.saved_tensors
        rows, keys, _, time, width = q.shape
        k, v_t = k_t.transpose(1, 2).contiguous(), v.transpose(1, 2).contiguous()
        slope = _precise(gradient.view(y.shape)) / total
        shift = (slope * y).sum(-1, keepdim=True)
        slope = slope.to(q.dtype)
        of_q, of_k, of_v = [], [], []
        for number, (first, end) in enumerate(blocks(time)):
            if shares:
                share = shares[number]
            else:
                # Not by k_t: the compiler would see that forward has this product, and keep it after all.
                score = _scores(q, k.transpose(1, 2), start, first, end)
                share = (score - top[:, :, :, first:end]).exp().to(q.dtype).view(len(v), -1, end)
            of_out = _queries(slope, first, end)
            of_share = torch.bmm(of_out, v_t[:, :, :end])
            of_score = share * (_precise(of_share) - shift[:, :, :, first:end].reshape(len(v), -1, 1))
            of_score = of_score.to(q.dtype)
            of_q.append(torch.bmm(of_score, k[:, :end]).view(rows, keys, -1, end - first, width))
            of_k.append(torch.bmm(_queries(q, first, end).transpose(1, 2), of_score))
            of_v.append(torch.bmm(of_out.transpose(1, 2), share))
        dq = torch.cat(of_q, 3) * width**-0.5
        dk, dv = (_sum(parts).to(q.dtype).transpose(1, 2).reshape(rows, keys, time, width) for parts in (of_k, of_v))
        return dq.view(rows, -1, time, width), dk, dv, None


def blocks(time: int) -> list[tuple[int, int]]:
    """The first query of each block, and the one behind its last."""
    size = min(max(QUERIES, -(-time // BLOCKS)), LARGEST)
    return list(pairwise([*range(0, time, size), time]))


def _scores(q: Tensor, k_t: Tensor, start: Tensor | None, first: int, end: int) -> Tensor:
    """Scores [B, KV, G, M, end] of a block's queries on the keys up to its end, in float32 at least."""
    rows, keys = q.shape[:2]
    score = torch.bmm(_queries(q, first, end), k_t[:, :, :end])
    score = _precise(score.view(rows, keys, -1, end - first, end))
    place = _PLACES if torch.compiler.is_compiling() else torch.arange(end, dtype=torch.int32)
    unseen = place[:end] > place[first:end, None]
    if start is not None:
        unseen = (unseen | (place[:end] < start[:, first:end, None]))[:, None, None]
    return torch.where(unseen, -torch.inf, score)


def _queries(x: Tensor, first: int, end: int) -> Tensor:
    """Those of a block [R, M, D], from x [B, KV, G, T, D]."""
    return x[:, :, :, first:end].flatten(2, 3).flatten(0, 1)


def _sum(parts: list[Tensor]) -> Tensor:
    """The sum of parts [R, D, end] of growing length, a block of columns at a time: so it is one pass, compiled."""
    columns, first = [], 0
    for number, part in enumerate(parts):
        end = part.shape[2]
        total = _precise(part[:, :, first:end])
        for later in parts[number + 1 :]:
            total = total + later[:, :, first:end]
        columns.append(total)
        first = end
    return torch.cat(columns, 2)


def _precise(x: Tensor) -> Tensor:
    """`x` in the type in which sums over it are kept."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
