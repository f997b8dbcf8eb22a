"""Learning-rate schedules: pure functions of (step, steps), so that a resumed run needs no state for them."""

import math
from typing import Literal

Kind = Literal["three-step", "cosine", "linear", "warmup-stable-decay"]

DROP = math.sqrt(0.1)
"""Each stage of the three-step schedule is so much of the last [P 3.4]; after two drops a tenth remains."""

STAGE_ENDS = (0.8, 0.9)
"""Shares of the training after which the rate drops [L 2.3; the Coder paper names no borders]."""

DECAY = 0.2
"""The last share of the steps, in which `warmup-stable-decay` falls [Hägele et al., arXiv 2405.18392, 3]."""


def effective_warmup(warmup: int, steps: int) -> int:
    """The warm-up steps of a run: the recipe's, but at most half of a run too short for them."""
    return min(warmup, steps // 2)


def scale(kind: Kind, step: int, steps: int, warmup: int, floor: float = 0.0) -> float:
    """What the peak learning rate is multiplied by in step `step` (from 0) of `steps`.

    Linear warm-up reaches 1 in step `warmup - 1`. Then, as [P 3.4] has it, `three-step` stays at 1 and drops twice; it
    knows no floor. The others fall from 1 to `floor`, which they would reach one step after the last: `cosine` [P 3.7]
    and `linear` all the way, `warmup-stable-decay` by 1 - sqrt in the last fifth [arXiv 2405.18392, 3].
    """
    if step < warmup:
        return (step + 1) / warmup
    if kind == "three-step":
        return float(DROP ** sum(step >= share * steps for share in STAGE_ENDS))
    if kind == "warmup-stable-decay":
        begin = max(warmup, round((1 - DECAY) * steps))
        fallen = math.sqrt(max(step - begin, 0) / max(steps - begin, 1))
    else:
        done = (step - warmup) / max(steps - warmup, 1)
        fallen = (1 - math.cos(math.pi * done)) / 2 if kind == "cosine" else done
    return floor + (1 - floor) * (1 - fallen)
