"""AdamW as the field runs it: weight decay on matrices alone, one fused kernel where the device has one."""

import torch
from torch import nn

FUSED = ("cpu", "cuda")
"""Devices with a fused AdamW. It saves a pass over memory for each of the five tensors that a step touches."""


def adamw(
    model: nn.Module, *, learning_rate: float, betas: tuple[float, float], weight_decay: float, device: torch.device
) -> torch.optim.AdamW:
    """AdamW [arXiv 1711.05101] over the model's parameters; norms' scales (vectors) are not decayed."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=betas, fused=device.type in FUSED)
