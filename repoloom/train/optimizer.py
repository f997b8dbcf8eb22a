"""The optimizers: AdamW as the field runs it, or Muon for the layers' matrices and AdamW for the rest."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Literal

import torch
from torch import nn

Kind = Literal["adamw", "muon"]

FUSED = ("cpu", "cuda")
"""Devices with a fused AdamW. It saves a pass over memory for each of the five tensors that a step touches."""


class Optimizers:
    """Several optimizers as one, each with parameters of its own; torch's checkpoints take what they iterate over."""

    def __init__(self, parts: Sequence[torch.optim.Optimizer]) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[torch.optim.Optimizer]:
        return iter(self._parts)

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """All groups: who sets a learning rate there sets that of the next step."""
        return [group for part in self._parts for group in part.param_groups]

    def step(self) -> None:
        """Change the parameters by their gradients."""
        for part in self._parts:
            part.step()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for part in self._parts:
            part.zero_grad()


def make(
    kind: Kind,
    model: nn.Module,
    *,
    learning_rate: float,
    betas: tuple[float, float],
    weight_decay: float,
    device: torch.device,
) -> Optimizers:
    """AdamW for all of the model; or Muon [arXiv 2502.16982] for its layers' matrices, AdamW for the other parameters.

    Muon's updates are scaled to the size of AdamW's [2.2 there], so that one learning rate and decay serve both.
    """
    matrices = {name: p for name, p in model.named_parameters() if ".layers." in name and p.dim() == 2}
    if kind == "adamw":
        matrices = {}
    rest = adamw(
        model, learning_rate=learning_rate, betas=betas, weight_decay=weight_decay, device=device, leave=matrices
    )
    if not matrices:
        return Optimizers([rest])
    muon = torch.optim.Muon(
        matrices.values(), lr=learning_rate, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
    )
    return Optimizers([rest, muon])


def adamw(
    model: nn.Module,
    *,
    learning_rate: float,
    betas: tuple[float, float],
    weight_decay: float,
    device: torch.device,
    leave: Collection[str] = (),
) -> torch.optim.AdamW:
    """AdamW [arXiv 1711.05101] over the model's parameters, but for those that `leave` names.

    Norms' scales (vectors) are not decayed.
    """
    parameters = [p for name, p in model.named_parameters() if p.requires_grad and name not in leave]
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=betas, fused=device.type in FUSED)
