"""Attention inside documents on a CPU: each document by itself, out of `torch.compile`'s sight."""

from collections.abc import Callable

import torch
from torch import Tensor


@torch.compiler.disable  # type: ignore[untyped-decorator]  # torch leaves it untyped
def attend_by_document(
    attend: Callable[[Tensor, Tensor, Tensor], Tensor], q: Tensor, k: Tensor, v: Tensor, start: Tensor
) -> Tensor:
    """What `attend` makes of q [B, H, T, D] and k, v [B, KV, T, D] of each document, for `attention.starts` [B, T]."""
    rows, heads, time, width = q.shape
    begins = (start == torch.arange(time)).flatten().nonzero().flatten()
    lengths = begins.diff(append=begins.new_tensor([rows * time])).tolist()
    parts = (x.transpose(1, 2).flatten(0, 1).split_with_sizes(lengths) for x in (q, k, v))
    out = [attend(*(x.transpose(0, 1)[None] for x in part))[0].transpose(0, 1) for part in zip(*parts, strict=True)]
    return torch.cat(out).view(rows, time, heads, width).transpose(1, 2)
