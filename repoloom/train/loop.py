"""The loop that pretrain and tune share: plan, resume, steps, metrics, validation, checkpoints.

After `k` steps, line k of metrics.jsonl stands, then a validation if one is due, then a checkpoint if one is due. A run
that is killed goes on from its newest whole checkpoint: the lines after it are cut off and come again, the same, since
batches and learning rate are functions of the step alone and one machine adds in one order.
"""

import math
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch

from repoloom import progress
from repoloom.train import checkpoint, measure, plan, schedule
from repoloom.train.job import Job
from repoloom.train.metrics import Line, Metrics
from repoloom.train.plan import Plan
from repoloom.train.trainer import Trainer

CHECKPOINTS = ".checkpoints"
PLAN = "plan.json"
METRICS = "metrics.jsonl"

LAST = 0.02
"""The training loss of a run is the mean over this share of its steps, the last: one batch's alone is noise."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of a job; the weights are in `job.model`, on the CPU."""

    plan: Plan
    lines: list[Line]

    def counts(self, job: Job) -> dict[str, Any]:
        """The figures of the stage's manifest."""
        steps = [line for line in self.lines if "loss" in line]
        heldout = [line for line in self.lines if "heldout_loss" in line] or [{}]
        last = steps[-max(1, math.ceil(LAST * len(steps))) :]
        rate = statistics.median(line["tokens_per_second"] for line in steps)
        return {
            "steps": self.plan.steps,
            "tokens": steps[-1]["tokens"],
            "parameters": job.model.config.parameters,
            "loss": statistics.fmean(line["loss"] for line in last),
            "heldout_loss_before": heldout[0].get("heldout_loss"),
            "heldout_loss": heldout[-1].get("heldout_loss"),
            "heldout_bits_per_byte": heldout[-1].get("heldout_bits_per_byte"),
            "tokens_per_second": rate,
            "precision": self.plan.precision,
            "compiled": self.plan.compiled,
            "eager_because": self.plan.eager_because,
            "micro_batch": self.plan.micro_batch,
            "peak_flops": self.plan.peak,
            "peak_share": job.model.config.flops_per_token(job.context) * rate / self.plan.peak,
        }


def train(job: Job, out: Path, started: float) -> Trained:
    """Train `job.model` in the stage's folder `out`, from the start or from where an interrupted run left off.

    `started` is when the stage began (time.monotonic). Raises UserError where the loss is not finite or where no step
    fits into the minutes.
    """
    fixed = plan.read(out / PLAN)
    if fixed is None:
        fixed, trainer = measure.decide(job, started, out / CHECKPOINTS)
        fixed.write(out / PLAN)
    else:
        trainer = Trainer(job, fixed.precision, fixed.micro_batch)
        if fixed.compiled and measure.why_eager(job) is None and trainer.compile(job.data[0]):
            trainer.restart()
    done = checkpoint.load(out / CHECKPOINTS, trainer.model, trainer.optimizer)
    metrics = Metrics(out / METRICS, done)
    try:
        if done is None:
            _validate(trainer, metrics, 0)
        _steps(trainer, fixed, metrics, out / CHECKPOINTS, done or 0)
    finally:
        metrics.close()
    job.model.cpu()
    return Trained(fixed, metrics.lines)


def _steps(trainer: Trainer, fixed: Plan, metrics: Metrics, checkpoints: Path, done: int) -> None:
    job, steps = trainer.job, fixed.steps
    warmup = schedule.effective_warmup(job.warmup, steps)
    if warmup < job.warmup and not done:
        progress.say(
            f"{job.name}: {warmup} warm-up steps instead of {job.warmup}, since there are {steps} steps in all"
        )
    tokens, spent = metrics.last("tokens", 0), metrics.last("seconds", 0.0)
    clock = saved = time.monotonic()
    with progress.bar(job.name, steps, done) as bar:
        for step, batch in enumerate(job.data.prefetch(done, steps), done):
            rate = job.learning_rate * schedule.scale(job.schedule, step, steps, warmup)
            result = trainer.step(batch, rate)
            now = time.monotonic()
            seconds, clock = now - clock, now
            tokens, spent = tokens + result.tokens, spent + seconds
            metrics.add(
                {
                    "step": step + 1,
                    "loss": result.loss,
                    "learning_rate": rate,
                    "tokens": tokens,
                    "seconds": round(spent, 3),
                    "tokens_per_second": round(result.tokens / seconds, 1),
                    "gradient_norm": result.gradient_norm,
                    **batch.notes,
                }
            )
            last = step + 1 == steps
            if last or (step + 1) % job.validate_every == 0:
                _validate(trainer, metrics, step + 1)
            if last or time.monotonic() - saved >= 60 * job.checkpoint_minutes:
                checkpoint.save(checkpoints, step + 1, trainer.model, trainer.optimizer)
                saved = time.monotonic()
            clock = time.monotonic()
            bar.advance(1, f"loss {result.loss:.3f}  {result.tokens / seconds:,.0f} tokens/s  {_memory(trainer)}")


def _validate(trainer: Trainer, metrics: Metrics, step: int) -> None:
    job = trainer.job
    if not job.heldout:
        return
    loss, count = trainer.heldout_loss(job.heldout)
    line: Line = {"step": step, "heldout_loss": loss}
    if job.heldout_bytes:
        line["heldout_bits_per_byte"] = loss * count / math.log(2) / job.heldout_bytes
    metrics.add(line)


def _memory(trainer: Trainer) -> str:
    """What training holds now: the process's resident memory, or the GPU's peak."""
    if trainer.device.type == "cuda":
        return f"{torch.cuda.max_memory_allocated(trainer.device) / 1e9:.1f} GB"
    return f"{psutil.Process().memory_info().rss / 1e9:.1f} GB"
