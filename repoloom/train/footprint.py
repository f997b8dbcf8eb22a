"""What a training step holds in memory, found without computing it: the model's own code, run on tensors without data.

PyTorch's fake tensors have shapes and no numbers, so a 33B model is walked through in seconds on any machine. Whatever
the code allocates is counted while something refers to it, as an allocator without waste would. No formula of what a
layer keeps stands beside the code of the layer, to be forgotten when that changes.
"""

import weakref
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.checkpoint import checkpoint

from repoloom.model import cross_entropy
from repoloom.model.config import Config
from repoloom.model.transformer import Transformer, run_block
from repoloom.train.speed import Precision


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes that one micro-batch holds beside weights, gradients and moments."""

    activations: int
    """Kept for the backward pass when the loss is reached, copies of the weights in the precision of the matrix
    products among them."""
    logits: int
    """What the loss needs on top, for one chunk of tokens."""
    layer: int
    """What the backward pass of a layer works with, on top of the activations or of the gradients."""

    def peak(self, gradients: int, accumulated: bool) -> int:
        """The most that is held at one time, weights and moments left out; `gradients` are all bytes of theirs.

        In the backward pass activations go as gradients come, so one of its ends is the highest; where gradients of
        micro-batches before are `accumulated`, they are there from the start.
        """
        if accumulated:
            return gradients + self.activations + max(self.logits, self.layer)
        return max(self.activations + self.logits, max(self.activations, gradients) + self.layer)


class _Live(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves its hooks untyped
    """Counts the bytes of storages that operations make, as long as they live."""

    def __init__(self, uncounted: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._known = weakref.WeakSet(tensor.untyped_storage() for tensor in uncounted)

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and look at what it made."""
        out = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor):
                self._count(tensor.untyped_storage())
        return out

    def _count(self, storage: torch.UntypedStorage) -> None:
        if storage not in self._known:
            self._known.add(storage)
            size = storage.nbytes()
            self.now += size
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._forget, size)

    def _forget(self, size: int) -> None:
        self.now -= size


def trace(
    config: Config,
    *,
    rows: int,
    context: int,
    precision: Precision,
    checkpointing: bool = False,
) -> Footprint:
    """Walk through a step on `rows` sequences of `context` tokens, on a CPU.

    `checkpointing` keeps one activation a layer [arXiv 1604.06174]. Documents that share a row are not told apart:
    where they are, it takes less, since fewer pairs of tokens attend. A layer is as the next: one and two of them are
    walked through, and what the second adds, every other one does.
    """
    one, two = (_trace(replace(config, layers=layers), rows, context, precision, checkpointing) for layers in (1, 2))
    a_layer = two.activations - one.activations
    return replace(one, activations=one.activations + (config.layers - 1) * a_layer)


def _trace(config: Config, rows: int, context: int, precision: Precision, checkpointing: bool) -> Footprint:
    run = partial(checkpoint, run_block, use_reentrant=False, preserve_rng_state=False) if checkpointing else run_block
    with FakeTensorMode():
        model = Transformer(config)
        tokens = torch.zeros(rows, context, dtype=torch.int64)
        live = _Live([*model.parameters(), tokens])
        activations = logits = 0

        def chunk(*arguments: Any) -> tuple[Tensor, ...]:
            nonlocal activations, logits
            activations = live.peak = live.now
            out = cross_entropy.of_chunk(*arguments)
            logits = max(logits, live.peak - activations)
            return out

        with live:
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
                loss = model.loss(tokens, tokens, run=run, chunk=chunk)
            kept = live.peak = live.now
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves `backward` untyped
        gradients = sum(p.grad.untyped_storage().nbytes() for p in model.parameters() if p.grad is not None)
    return Footprint(activations, logits, live.peak - max(kept, gradients))
