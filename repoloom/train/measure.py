"""Decide a run's plan by measuring on throw-away weights: the precision, whether to compile, how many steps fit."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import torch

from repoloom.progress import say
from repoloom.train import checkpoint, speed
from repoloom.train.job import Job
from repoloom.train.plan import Costs, Plan, fit, timed
from repoloom.train.trainer import Trainer, micro_batch

LONG_ENOUGH = 180.0
"""Seconds of eager training from which `compile = "auto"` compiles: compiling takes 20-40 s on two cores and was seen
to save a fifth of the time."""

WORTH = 0.97
"""A compiled step has to take at most this much of an eager one; the compiler does not win everywhere."""

TIMING = 4.0
TIMING_SHARE = 0.02
"""Steps are timed for so many seconds, or for this share of the minutes where that is more."""


def decide(job: Job, started: float, checkpoints: Path) -> tuple[Plan, Trainer]:
    """The plan of a run whose stage began at `started` (time.monotonic), and its trainer, with starting weights.

    `checkpoints` is a folder that does not exist yet; one is written there to see how long it takes, and removed.
    Raises UserError where not one step fits into the minutes.
    """
    device, ranks = speed.device(), job.ranks
    precision, peak = ranks.agree(_speed(job, device))
    tokens = job.context // (job.ranks.count // job.ranks.shares)  # of each row, those that a process works on
    rows = ranks.agree(micro_batch(job.model.config, ranks.rows(job.batch), tokens, device))
    trainer = Trainer(job, precision, rows)
    seconds = None if job.minutes is None else job.minutes * 60
    timing = 0.0 if seconds is None else max(TIMING, TIMING_SHARE * seconds)

    eager = why_eager(job)
    step = None
    if seconds is not None or (job.compile == "auto" and eager is None):
        step = _step_time(trainer, timing)
        length = step * (job.steps or 0) if seconds is None else seconds
        if job.compile == "auto" and eager is None and length < LONG_ENOUGH:
            eager = f"the run is shorter than {LONG_ENOUGH:.0f} s"
    if eager is None:
        eager, step = _try_compiled(trainer, step, timing)
    steps = job.steps or 0
    if seconds is not None and step is not None:
        costs = _costs(trainer, checkpoints)
        steps = ranks.agree(fit(seconds - (time.monotonic() - started), step, costs))
    trainer.restart()
    return Plan(steps, precision, eager is None, eager, rows, peak, step), trainer


def _speed(job: Job, device: torch.device) -> tuple[speed.Precision, float]:
    """The precision to train in, and this machine's rate in it."""
    precision = speed.precision(job.precision, device)
    return precision, speed.peak(device, precision)


def why_eager(job: Job) -> str | None:
    """Why this job cannot or should not be compiled; None where it may. Says so in one line where that is news."""
    if job.compile == "no":
        return 'compile = "no"'
    unable = speed.cannot_compile(speed.device())
    if unable is not None:
        say(f"{job.name}: trains eager, since there is {unable}")
    return unable


def _try_compiled(trainer: Trainer, eager_step: float | None, timing: float) -> tuple[str | None, float | None]:
    """Compile and time it. Returns why not to (None: do), and the seconds a step of what was chosen takes."""
    job = trainer.job
    if not trainer.compile(job.data[0]):
        return "compiling failed", eager_step
    if eager_step is None:
        return None, None
    step = _step_time(trainer, timing)
    if job.compile == "auto" and step > WORTH * eager_step:
        trainer.use_eager()
        say(f"{job.name}: trains eager, since that is as fast here")
        return f"a compiled step took {step:.3f} s, an eager one {eager_step:.3f} s", eager_step
    return None, step


def _step_time(trainer: Trainer, seconds: float) -> float:
    """Seconds a step, on the batches with which training will begin; the first, which warms up, is not counted."""
    data = trainer.job.data
    trainer.step(data[0], 0.0)
    return timed(lambda number: trainer.step(data[number], 0.0), seconds, _clock(trainer))


def _costs(trainer: Trainer, checkpoints: Path) -> Costs:
    """What a validation and a checkpoint take here: one held-out batch of those there are, one checkpoint."""
    job, clock, validation = trainer.job, _clock(trainer), 0.0
    if job.heldout:
        trainer.heldout_loss(job.heldout[:1])  # the first of all imports and warms up
        began = clock()
        trainer.heldout_loss(job.heldout[:1])
        batches = len(job.heldout) + sum(len(part.batches) for part in job.heldout_parts.values())
        validation = (clock() - began) * batches
    began = clock()
    checkpoint.save(checkpoints, 0, trainer.model, trainer.optimizer, job.ranks)
    saving = clock() - began
    if job.ranks.first:
        shutil.rmtree(checkpoints)
    return Costs(validation, job.validate_every, saving, 60 * job.checkpoint_minutes)


def _clock(trainer: Trainer) -> Callable[[], float]:
    """The first process's clock: all of them have to stop after the same step."""
    return lambda: trainer.ranks.agree(time.perf_counter())
