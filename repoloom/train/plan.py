"""How long a run is and how it computes: measured here on throw-away weights, written to plan.json before step one.

A resumed run reads the plan and measures nothing, since a curve that goes on must go on in the same precision towards
the same last step. Where `minutes` decide, they stand for the whole stage, measuring and compiling included.
"""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from repoloom import stage
from repoloom.errors import UserError
from repoloom.train.speed import Precision

SAFETY = 0.04
"""The share of the minutes left free: the step time drifts with the machine's other work."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is fixed before the first step."""

    steps: int
    precision: Precision
    compiled: bool
    eager_because: str | None
    """Why it is not compiled."""
    micro_batch: int
    """Sequences that go through the network at one time; a step adds up the gradients of as many as make a batch."""
    peak: float
    """The matrix-product rate of this machine in `precision`, FLOP/s."""
    step_seconds: float | None
    """What a step took when it was measured; None where nothing depended on it."""

    def write(self, path: Path) -> None:
        """Fix the plan."""
        stage.atomic_write(path, json.dumps(asdict(self), indent=1) + "\n")


def read(path: Path) -> Plan | None:
    """The plan of an interrupted run; None where none was fixed yet."""
    if not path.exists():
        return None
    return Plan(**json.loads(path.read_text("utf-8")))


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds that go by beside the steps, each time."""

    validation: float
    validate_every: int
    checkpoint: float
    checkpoint_every: float
    """Seconds between two checkpoints."""


def fit(seconds: float, step: float, costs: Costs) -> int:
    """The steps of `step` seconds each, validations and checkpoints between them, that fit into `seconds`.

    Raises UserError where not one does.
    """
    fixed = 2 * costs.validation + 2 * costs.checkpoint  # validations at both ends; the last checkpoint and the export
    usable = seconds * (1 - SAFETY) - fixed
    a_step = step + costs.validation / costs.validate_every
    steps = int(usable / (a_step * (1 + costs.checkpoint / costs.checkpoint_every)))
    if steps < 1:
        raise UserError(
            f"no step fits into the minutes given: one takes {step:.1f} s here after {fixed:.0f} s of validation and"
            " saving; give more minutes, a smaller batch or a smaller model"
        )
    return steps


def timed(step: Callable[[int], object], seconds: float, clock: Callable[[], float] = time.perf_counter) -> float:
    """The mean time of `step(0)`, `step(1)`, ... run for about `seconds`, at least three; the slowest is left out.

    Steps may differ in length (instruction pairs do), so the mean and not the median; a hiccup is no part of it.
    """
    times: list[float] = []
    while len(times) < 3 or sum(times) < seconds:
        began = clock()
        step(len(times))
        times.append(clock() - began)
    return statistics.fmean(sorted(times)[:-1])
