"""How the next token is chosen: the most likely one, or one drawn with temperature from the nucleus.

A draw is keyed by (seed, the prompt's key, position), never by call order or batch, so a prompt's sample does not
depend on the prompts beside it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Key = int | str
"""What names a prompt's draws: its number among others, or its task and sample."""

_LIKELY = 256
"""A nucleus has seldom more tokens; to find the likeliest takes a tenth of the time of sorting 49,152."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """What is wanted of a completion. `temperature` 0 is greedy; `stop` are texts that end it and are cut off."""

    max_tokens: int = 64
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()


def choose(logits: Tensor, sampling: Sampling, places: Sequence[tuple[Key, int]]) -> Tensor:
    """One token [B] a row of logits [B, vocabulary]; `places` are (prompt's key, position) of each row."""
    if sampling.temperature <= 0:
        return logits.argmax(-1)
    chances = torch.softmax(logits.float() / sampling.temperature, -1)
    draws = [_uniform(sampling.seed, key, position) for key, position in places]
    drawn = [_draw(*pair, sampling.top_p) for pair in zip(chances, draws, strict=True)]
    return torch.stack(drawn)


def _draw(chances: Tensor, draw: float, top_p: float) -> Tensor:
    """The token that a number from 0 to 1 picks from the nucleus [arXiv 1904.09751], in which the first always is."""
    if top_p >= 1:
        token, reached = None, chances.cumsum(0, dtype=torch.float64)
        inside = len(chances)
    else:
        likely, token = chances.topk(min(_LIKELY, len(chances)))
        if likely.sum() < top_p:
            likely, token = chances.sort(descending=True, stable=True)
        reached = likely.cumsum(0, dtype=torch.float64)
        inside = int((reached - likely < top_p).sum().clamp(min=1))
    picked = int(torch.searchsorted(reached[:inside], draw * float(reached[inside - 1]), right=True))
    place = torch.tensor(min(picked, inside - 1), device=chances.device)  # rounding may carry the draw to the very end
    return place if token is None else token[place]


def _uniform(seed: int, key: Key, position: int) -> float:
    digest = hashlib.blake2b(f"{seed}/{key}/{position}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
