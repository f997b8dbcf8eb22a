"""Bits a token under the model, over windows of its context."""

import math
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's own name for it)
from numpy.typing import NDArray

from repoloom.evaluate.heldout import Windows
from repoloom.model.transformer import Transformer
from repoloom.progress import bar

_LOGITS = 1 << 25
"""Logits in memory at one time: 128 MiB in float32."""


@torch.inference_mode()
def bits(model: Transformer, windows: Windows, start: int) -> NDArray[np.float64]:
    """-log2 p of every token of the windows, in their order. `start` (BOS) stands before each window."""
    model.eval()
    device = next(model.parameters()).device
    context, vocabulary = model.config.context, model.config.vocabulary
    found = np.empty(len(windows.tokens), np.float64)
    rows = max(1, _LOGITS // vocabulary // context)
    with bar("perplexity", len(windows.tokens)) as progress:
        for first in range(0, len(windows), rows):
            bounds = windows.bounds[first : first + rows + 1]
            lengths = np.diff(bounds)
            inputs = torch.full((len(lengths), int(lengths.max())), start)
            targets = torch.full_like(inputs, -100)
            for row, (low, high) in enumerate(pairwise(bounds.tolist())):
                window = torch.from_numpy(windows.tokens[low:high])
                inputs[row, 1 : high - low] = window[:-1]
                targets[row, : high - low] = window
            logits = model(inputs.to(device)).float()
            losses = F.cross_entropy(logits.flatten(0, 1), targets.to(device).flatten(), reduction="none")
            kept = losses[targets.flatten().to(device) != -100]
            found[bounds[0] : bounds[-1]] = kept.double().cpu().numpy() / math.log(2)
            progress.advance(int(bounds[-1] - bounds[0]))
    return found
