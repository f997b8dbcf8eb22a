"""Cross-entropy of a linear head, a chunk of tokens at a time.

A logit for every token and entry is by far the largest thing that training would hold. But the gradient of a chunk's
logits is known as soon as they are, softmax minus one-hot; so it is folded into the gradients of the hidden states and
the head at once, and the logits are forgotten: three matrix products, as without chunks (recomputing the logits in the
backward pass would be four), and memory for one chunk [Liger, arXiv 2410.10989; cut cross-entropy, arXiv 2411.09009].
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

IGNORED = -100
"""A target that carries no loss, PyTorch's own convention."""

TOKENS = 1024
"""Tokens a chunk. Compiled, 512 to 2,048 are equally fast with 4,160 entries; with 32,256, 1,024 win 1% over 512 (two
Zen 5 cores)."""

ENTRIES = 8192
"""Entries that one product sums over, on a CPU: 32,064 at once take a tenth longer (width 768, two Zen 5 cores)."""

OfChunk = Callable[[Tensor, Tensor, Tensor, Tensor, float, Tensor | None], tuple[Tensor, ...]]
"""`of_chunk`, as it stands or compiled."""


def mean(hidden: Tensor, head: Tensor, targets: Tensor, chunk: OfChunk, z_loss: float = 0.0) -> Tensor:
    """Mean loss in nats of hidden [N, hidden] under head [vocabulary, hidden] where targets [N] are real.

    `z_loss` is the weight of the squared log-normaliser, which keeps logits from drifting away together
    [PaLM, arXiv 2204.02311, 5]. The sum is kept in float32, or in float64 where `hidden` is.
    """
    loss: Tensor = _Chunked.apply(  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
        hidden, head, targets, chunk, z_loss, torch.is_grad_enabled()
    )
    return loss


def of_chunk(
    x: Tensor, head: Tensor, targets: Tensor, count: Tensor, z_loss: float, head_gradient: Tensor | None
) -> tuple[Tensor, ...]:
    """The summed loss of hidden states x [N, hidden] and, where a `head_gradient` is given, the gradient of x.

    That of the head is added to the one given: compiled, a chunk passes over it once. Both are divided by `count`.
    """
    logits = x @ head.T
    top = _precise(logits.amax(-1, keepdim=True))
    share = (_precise(logits) - top).exp().to(x.dtype)
    total = _precise(share).sum(-1, keepdim=True)
    normaliser = top + total.log()
    real = targets[:, None] != IGNORED
    index = targets.clamp(min=0)[:, None]
    at_target = _precise(logits.gather(1, index))
    loss = normaliser - at_target
    if z_loss:
        loss = loss + z_loss * normaliser.square()
    loss = torch.where(real, loss, 0.0).sum()
    if head_gradient is None:
        return (loss,)
    # The slope, softmax minus one-hot, is divided by `total` after the products, with `weight`: one pass over it less.
    weight = real / (count * total)
    share_of_target = (at_target - top).exp()
    if z_loss:
        pull = 1 + 2 * z_loss * normaliser
        share, share_of_target = (share * pull).to(x.dtype), share_of_target * pull
    slope = share.scatter(1, index, (share_of_target - total).to(x.dtype))
    head_gradient += slope.T @ (x * weight).to(x.dtype)
    return loss, (_times(slope, head) * weight).to(x.dtype)


def _times(slope: Tensor, head: Tensor) -> Tensor:
    """The product of slope [N, vocabulary] and head [vocabulary, hidden]."""
    if slope.device.type != "cpu" or len(head) <= ENTRIES:
        return _precise(slope @ head)
    places = [slice(first, first + ENTRIES) for first in range(0, len(head), ENTRIES)]
    return torch.stack([_precise(slope[:, place] @ head[place]) for place in places]).sum(0)


def _precise(x: Tensor) -> Tensor:
    """`x` in the type in which sums over it are kept."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class _Chunked(torch.autograd.Function):
    """`mean` with its gradient, computed on the way."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        head: Tensor,
        targets: Tensor,
        chunk: OfChunk,
        z_loss: float,
        with_gradient: bool,
    ) -> Tensor:
        """The mean loss of hidden [N, hidden] under head [vocabulary, hidden]; the gradients are kept in `ctx`."""
        count = (targets != IGNORED).sum().clamp(min=1)
        precise = torch.promote_types(hidden.dtype, torch.float32)
        total = hidden.new_zeros((), dtype=precise)
        hidden_gradients = []
        head_gradient = torch.zeros_like(head, dtype=precise) if with_gradient else None
        cast = head.to(hidden.dtype)
        for start in range(0, len(hidden), TOKENS):
            rows = slice(start, start + TOKENS)
            loss, *gradient = chunk(hidden[rows], cast, targets[rows], count, z_loss, head_gradient)
            total += loss
            hidden_gradients += gradient
        if head_gradient is not None:
            ctx.save_for_backward(torch.cat(hidden_gradients), head_gradient)
        return total / count

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """The kept gradients, times the loss's own."""
        hidden_gradient, head_gradient = ctx.saved_tensors
        return hidden_gradient * gradient, head_gradient.mul_(gradient), None, None, None, None
