"""How the next token is chosen: the most likely one, or one drawn with temperature from the nucleus.

A draw is keyed by (seed, prompt, position), never by call order or batch, so a prompt's sample does not depend on the
prompts beside it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Sampling:
    """What is wanted of a completion. `temperature` 0 is greedy; `stop` are texts that end it and are cut off."""

    max_tokens: int = 64
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()


def choose(logits: Tensor, sampling: Sampling, places: Sequence[tuple[int, int]]) -> Tensor:
    """One token [B] a row of logits [B, vocabulary]; `places` are (prompt's number, position) of each row."""
    if sampling.temperature <= 0:
        return logits.argmax(-1)
    chance, token = torch.softmax(logits.float() / sampling.temperature, -1).sort(stable=True, descending=True)
    above = chance.cumsum(-1) - chance
    chance = chance.masked_fill(above >= sampling.top_p, 0.0)  # the nucleus [arXiv 1904.09751]; the first always stays
    chance[:, 0] = chance[:, 0].clamp(min=torch.finfo(chance.dtype).tiny)
    reached = chance.cumsum(-1)
    draws = [_uniform(sampling.seed, prompt, position) for prompt, position in places]
    aim = torch.tensor(draws, dtype=reached.dtype, device=reached.device)[:, None] * reached[:, -1:]
    picked = (reached <= aim).sum(-1, keepdim=True)
    last = (chance > 0).sum(-1, keepdim=True) - 1  # rounding may carry the aim to the very end
    chosen: Tensor = token.gather(-1, torch.minimum(picked, last)).squeeze(-1)
    return chosen


def _uniform(seed: int, prompt: int, position: int) -> float:
    key = hashlib.blake2b(f"{seed}/{prompt}/{position}".encode(), digest_size=8).digest()
    return int.from_bytes(key, "big") / 2**64
