"""How every layer stands at one step: its weights, its gradient, and what leaves it.

A layer whose gradient is a hundredth of its neighbours', or whose activations grow without end, shows here long before
the loss tells. It costs a forward pass, so it is taken only where it is asked for (`pretrain.statistics_every`).
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from repoloom.model.transformer import Transformer

Table = dict[str, dict[str, float]]
"""By layer (`embedding`, `layer-00`, ..., `head`), then by measure."""


@torch.no_grad()
def look(model: Transformer, tokens: Tensor, targets: Tensor) -> Table:
    """Every layer of a model whose gradients are known, its activations for tokens [B, T] and the loss of targets.

    Root mean squares of weights, gradients and activations, and the activations' largest value; where processes share
    the tokens, of this one's.
    """
    table = _weights(model)
    for layer, measures in _activations(model, tokens, targets).items():
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


def _activations(model: Transformer, tokens: Tensor, targets: Tensor) -> Table:
    """What leaves each layer. Eager, whatever training is: a hook inside compiled code would not be called.

    By way of the loss, of which many processes know how to share it; then it is of this one's tokens.
    """
    table: Table = {}

    def run(block: nn.Module, x: Tensor, *rest: Any) -> Tensor:
        if not table:
            table["embedding"] = _measures(x)
        y: Tensor = block(x, *rest)
        table[f"layer-{len(table) - 1:02d}"] = _measures(y)
        return y

    model.loss(tokens, targets, run=run)
    return table


def _measures(x: Tensor) -> dict[str, float]:
    x = x.float()
    return {"activation_rms": x.square().mean().sqrt().item(), "activation_max": x.abs().max().item()}


def _layer(name: str) -> str:
    parts = name.split(".")
    if "layers" in parts:
        return f"layer-{int(parts[parts.index('layers') + 1]):02d}"
    return {"embed_tokens": "embedding", "norm": "norm"}.get(parts[-2], "head")


def _whole(tensor: Tensor) -> Tensor:
    """The tensor itself, or all shards of a distributed one."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
