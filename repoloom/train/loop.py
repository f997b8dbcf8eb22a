"""The loop that pretrain and tune share: plan, resume, steps, metrics, validation, checkpoints.

After `k` steps, line k of metrics.jsonl stands, then a validation if one is due, then a checkpoint if one is due. A run
that is killed goes on from its newest whole checkpoint: the lines after it are cut off and come again, the same, since
batches and learning rate are functions of the step alone and one machine adds in one order.
"""

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import torch

from repoloom import progress
from repoloom.errors import UserError
from repoloom.model.transformer import Transformer
from repoloom.train import checkpoint, loggers, measure, nonfinite, parallel, plan, schedule, stop
from repoloom.train.checkpoint import Saver
from repoloom.train.job import Batch, Job, Part
from repoloom.train.metrics import Line, Metrics
from repoloom.train.nonfinite import NotFiniteError
from repoloom.train.plan import Plan
from repoloom.train.trainer import Step, Trainer

CHECKPOINTS = ".checkpoints"
PLAN = "plan.json"
METRICS = "metrics.jsonl"

LAST = 0.02
"""The training loss of a run is the mean over this share of its steps, the last: one batch's alone is noise."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of a job."""

    model: Transformer
    """On the CPU; the first process alone has its weights."""
    plan: Plan
    lines: list[Line]
    best: Callable[[], Transformer | None]
    """The model as it was where the held-out loss was least, in place of `model`, as far as the checkpoint policy kept
    it; None where it did not. To be called in all processes together, with `model` saved before."""

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
            "batch": job.batch,
            "learning_rate": job.learning_rate,
            "skipped": sum("skipped" in line for line in self.lines),
            "loss": statistics.fmean(line["loss"] for line in last),
            "heldout_loss_before": heldout[0].get("heldout_loss"),
            "heldout_loss": heldout[-1].get("heldout_loss"),
            "best": self._best_step(),
            "heldout_bits_per_byte": heldout[-1].get("heldout_bits_per_byte"),
            "bits_per_byte": heldout[-1].get("bits_per_byte"),
            "tokens_per_second": rate,
            "precision": self.plan.precision,
            "compiled": self.plan.compiled,
            "eager_because": self.plan.eager_because,
            "micro_batch": self.plan.micro_batch,
            "peak_flops": self.plan.peak,
            "peak_share": job.model.config.flops_per_token(job.context) * rate / (self.plan.peak * job.ranks.count),
        }

    def _best_step(self) -> dict[str, Any] | None:
        """Where the held-out loss was least, and what it was; None where it was not measured."""
        measured = [line for line in self.lines if "heldout_loss" in line and line["step"]]
        least = min(measured, key=lambda line: line["heldout_loss"], default=None)
        return least and {"step": least["step"], "heldout_loss": least["heldout_loss"]}


def train(job: Job, out: Path, started: float) -> Trained:
    """Train `job.model` in the stage's folder `out`, from the start or from where an interrupted run left off.

    `started` is when the stage began (time.monotonic). Raises UserError where the loss is not finite or where no step
    fits into the minutes.
    """
    loggers.check(job.loggers)
    ranks = job.ranks
    fixed = ranks.agree(plan.read(out / PLAN))
    if fixed is None:
        fixed, trainer = measure.decide(job, started, out / CHECKPOINTS)
        if ranks.first:
            fixed.write(out / PLAN)
    else:
        trainer = Trainer(job, fixed.precision, fixed.micro_batch)
        if fixed.compiled and measure.why_eager(job) is None and trainer.compile(job.data[0]):
            trainer.restart()
    done = checkpoint.load(out / CHECKPOINTS, trainer.model, trainer.optimizer, ranks)
    shown = {"parameters": job.model.config.parameters, "batch": job.batch, "learning_rate": job.learning_rate}
    if ranks.first:
        metrics = Metrics(out / METRICS, done, loggers.start(job.loggers, out, out / PLAN, done, shown))
    else:
        metrics = Metrics(None, done)
    try:
        if done is None:
            _validate(trainer, metrics, 0)
        _steps(trainer, fixed, metrics, out, done or 0)
    finally:
        metrics.close()
    best = partial(_best, trainer, out / CHECKPOINTS)
    return Trained(parallel.gather(trainer.model, ranks), fixed, metrics.lines, best)


def _best(trainer: Trainer, checkpoints: Path) -> Transformer | None:
    """The model of the checkpoint with the least held-out loss, where the recipe has it kept."""
    ranks = trainer.ranks
    if not trainer.job.checkpoints.best:
        return None
    trainer.model.to(trainer.device)  # gathered, a single process's is on the CPU
    if checkpoint.load(checkpoints, trainer.model, trainer.optimizer, ranks, best=True) is None:
        return None
    return parallel.gather(trainer.model, ranks)


def _steps(trainer: Trainer, fixed: Plan, metrics: Metrics, out: Path, done: int) -> None:
    job, steps = trainer.job, fixed.steps
    warmup = schedule.effective_warmup(job.warmup, steps)
    if warmup < job.warmup and not done:
        progress.say(
            f"{job.name}: {warmup} warm-up steps instead of {job.warmup}, since there are {steps} steps in all"
        )
    tokens, spent, skipped = metrics.last("tokens", 0), metrics.last("seconds", 0.0), 0
    clock = time.monotonic()
    with (
        stop.asked() as asked,
        Saver(out / CHECKPOINTS, job.checkpoints, 60 * job.checkpoint_minutes, job.ranks) as saver,
        progress.bar(job.name, steps, done) as bar,
    ):
        for step, batch in enumerate(job.data.prefetch(done, steps), done):
            rate = job.learning_rate * schedule.scale(job.schedule, step, steps, warmup, job.floor)
            watch = job.statistics_every is not None and (step + 1) % job.statistics_every == 0
            try:
                result = trainer.step(batch, rate, watch)
            except NotFiniteError as error:
                skipped += 1
                lost = skipped >= min(nonfinite.PATIENCE, steps)
                note = _not_finite(trainer, saver, out, step, batch, rate, error, lost)
                metrics.add({"step": step + 1, "skipped": str(error).partition(":")[0], "learning_rate": rate})
            else:
                skipped = 0
                now = time.monotonic()
                seconds = now - clock
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
                        **job.ranks.total(batch.notes),
                        **({} if result.layers is None else {"layers": result.layers}),
                    }
                )
                note = _note(trainer, fixed, result, seconds)
            last = step + 1 == steps
            validates = last or (step + 1) % job.validate_every == 0
            heldout_loss = _validate(trainer, metrics, step + 1) if validates else None
            _save(trainer, saver, step + 1, heldout_loss, last, asked)
            clock = time.monotonic()
            bar.advance(1, note)


def _save(trainer: Trainer, saver: Saver, step: int, heldout_loss: float | None, last: bool, asked: stop.Asked) -> None:
    """Begin a checkpoint if one is due, in all processes together; leave behind it where one of them was asked to.

    Raises StoppedError then, and what kept an earlier checkpoint from being written.
    """
    ranks = trainer.ranks
    due = last or (ranks.first and saver.due(step, heldout_loss))
    due, failed, *came = ranks.any(due, saver.failed, *(asked.by is each for each in stop.SIGNALS))
    if failed:
        saver.wait()
    if due or any(came):
        saver.save(step, trainer.model, trainer.optimizer, heldout_loss)
    if any(came) and not last:
        saver.wait()
        by = list(stop.SIGNALS)[came.index(True)]
        line = f"stopped by {stop.SIGNALS[by]}, step {step} is saved: run it again to go on"
        raise stop.StoppedError(f"{trainer.job.name}: {line}", by)


def _not_finite(
    trainer: Trainer,
    saver: Saver,
    out: Path,
    step: int,
    batch: Batch,
    rate: float,
    error: NotFiniteError,
    lost: bool,
) -> str:
    """Keep the batch of a step whose loss or gradient is not finite; go on, or save the weights before it and stop."""
    job = trainer.job
    place = nonfinite.keep(out, step + 1, batch, rate, error)
    if job.on_nonfinite == "stop" or lost:
        saver.save(step, trainer.model, trainer.optimizer)
        saver.wait()
        raise UserError(f"step {step + 1}: {error}; its batch is kept in {place}") from None
    progress.say(f"{job.name}: step {step + 1} is skipped, its loss or gradient is not finite; its batch is {place}")
    return "skipped"


def _note(trainer: Trainer, fixed: Plan, result: Step, seconds: float) -> str:
    """What stands beside the bar: the loss, the speed, the share of the machine's matmul rate, the memory."""
    rate = result.tokens / seconds
    share = trainer.model.config.flops_per_token(trainer.job.context) * rate / (fixed.peak * trainer.ranks.count)
    return f"loss {result.loss:.3f}  {rate:,.0f} tokens/s  {share:.2f} of peak  {_memory(trainer)}"


def _validate(trainer: Trainer, metrics: Metrics, step: int) -> float | None:
    job = trainer.job
    if not job.heldout:
        return None
    loss, count = trainer.heldout_loss(job.heldout)
    line: Line = {"step": step, "heldout_loss": loss}
    if job.heldout_bytes:
        line["heldout_bits_per_byte"] = loss * count / math.log(2) / job.heldout_bytes
    if job.heldout_parts:
        line["bits_per_byte"] = {name: _bits_per_byte(trainer, part) for name, part in job.heldout_parts.items()}
    metrics.add(line)
    return loss


def _bits_per_byte(trainer: Trainer, part: Part) -> float:
    loss, count = trainer.heldout_loss(part.batches)
    return loss * count / math.log(2) / part.bytes


def _memory(trainer: Trainer) -> str:
    """What training holds now: the process's resident memory, or the GPU's peak."""
    if trainer.device.type == "cuda":
        return f"{torch.cuda.max_memory_allocated(trainer.device) / 1e9:.1f} GB"
    return f"{psutil.Process().memory_info().rss / 1e9:.1f} GB"
