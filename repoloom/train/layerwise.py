"""How every layer stands at one step: its weights, its gradient, and what leaves it.

A layer whose gradient is a hundredth of its neighbours', or whose activations grow without end, shows here long before
the loss tells. It costs a forward pass, so it is taken only where it is asked for (`pretrain.statistics_every`).
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from repoloom.model.transformer import Transformer
from repoloom.train.ranks import ALONE, Ranks

Table = dict[str, dict[str, float]]
"""By layer (`embedding`, `layer-00`, ..., `head`), then by measure."""


@torch.no_grad()
def look(
    model: Transformer, tokens: Tensor, targets: Tensor, documents: Tensor | None = None, ranks: Ranks = ALONE
) -> Table:
    """Every layer of a model whose gradients are known, its activations for tokens [B, T] and the loss of targets.

    Root mean squares of weights, gradients and activations, and the activations' largest value. Processes that train
    together call it together, and all have the values over the tokens of all.
    """
    table = _weights(model)
    for layer, measures in _activations(model, tokens, targets, documents, ranks).items():
        table.setdefault(layer, {}).update(measures)
    return table


def _weights(model: nn.Module) -> Table:
    sums: dict[str, list[float]] = {}
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            of_layer = sums.setdefault(_layer(name), [0.0, 0.0, 0.0])
            for place, tensor in enumerate((parameter, parameter.grad)):
                of_layer[place] += _whole(tensor).float().square().sum().item()
            of_layer[2] += parameter.numel()
    return {
        layer: {"weight_rms": math.sqrt(weight / count), "gradient_rms": math.sqrt(gradient / count)}
        for layer, (weight, gradient, count) in sums.items()
    }


def _activations(model: Transformer, tokens: Tensor, targets: Tensor, documents: Tensor | None, ranks: Ranks) -> Table:
    """What leaves each layer. Eager, whatever training is: a hook inside compiled code would not be called.

    By way of the loss, of which many processes know how to share it: each sees its share of the tokens.
    """
    seen: list[tuple[float, float, float]] = []  # of the embedding and of each layer

    def run(block: nn.Module, x: Tensor, *rest: Any) -> Tensor:
        if not seen:
            seen.append(_measures(x))
        y: Tensor = block(x, *rest)
        seen.append(_measures(y))
        return y

    model.loss(tokens, targets, documents, run=run)
    squares, counts, largest = zip(*seen, strict=True)
    totals = ranks.sum([*squares, *counts])
    means = [square / count for square, count in zip(totals[: len(seen)], totals[len(seen) :], strict=True)]
    names = ["embedding", *(f"layer-{number:02d}" for number in range(len(seen) - 1))]
    return {
        name: {"activation_rms": math.sqrt(mean), "activation_max": most}
        for name, mean, most in zip(names, means, ranks.largest(largest), strict=True)
    }


def _measures(x: Tensor) -> tuple[float, float, float]:
    """The sum of the values' squares, their number, and the largest of them."""
    x = x.float()
    return x.square().sum(dtype=torch.float64).item(), x.numel(), x.abs().max().item()


def _layer(name: str) -> str:
    parts = name.split(".")
    if "layers" in parts:
        return f"layer-{int(parts[parts.index('layers') + 1]):02d}"
    return {"embed_tokens": "embedding", "norm": "norm"}.get(parts[-2], "head")


def _whole(tensor: Tensor) -> Tensor:
    """The tensor itself, or all shards of a distributed one."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
