"""Bits a token under the model, over windows of at most its context."""

import math
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's own name for it)
from numpy.typing import NDArray

from repoloom.evaluate.heldout import Ints
from repoloom.model.transformer import Transformer
from repoloom.progress import bar

_LOGITS = 1 << 25
"""Logits in memory at one time: 128 MiB in float32."""


@torch.inference_mode()
def bits(model: Transformer, tokens: Ints, bounds: Ints, start: int) -> NDArray[np.float64]:
    """-log2 p of every token, in order: window w is `tokens[bounds[w]:bounds[w + 1]]`, `start` (BOS) before it."""
    model.eval()
    device = next(model.parameters()).device
    context, vocabulary = model.config.context, model.config.vocabulary
    found = np.empty(len(tokens), np.float64)
    rows = max(1, _LOGITS // vocabulary // context)
    with bar("perplexity", len(tokens)) as progress:
        for first in range(0, len(bounds) - 1, rows):
            chosen = bounds[first : first + rows + 1]
            lengths = np.diff(chosen)
            inputs = torch.full((len(lengths), int(lengths.max())), start)
            targets = torch.full_like(inputs, -100)
            for row, (low, high) in enumerate(pairwise(chosen.tolist())):
                window = torch.from_numpy(tokens[low:high])
                inputs[row, 1 : high - low] = window[:-1]
                targets[row, : high - low] = window
            logits = model(inputs.to(device)).float()
            losses = F.cross_entropy(logits.flatten(0, 1), targets.to(device).flatten(), reduction="none")
            kept = losses[targets.flatten().to(device) != -100]
            found[chosen[0] : chosen[-1]] = kept.double().cpu().numpy() / math.log(2)
            progress.advance(int(chosen[-1] - chosen[0]))
    return found
