"""One step of training, and the held-out loss: autocast, micro-batches, clipping, compiling around a plain model."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor

from repoloom.errors import UserError
from repoloom.model.config import Config
from repoloom.model.transformer import run_block
from repoloom.progress import say
from repoloom.train import layerwise, nonfinite, optimizer, parallel, speed
from repoloom.train.job import Batch, Job
from repoloom.train.nonfinite import NotFiniteError
from repoloom.train.rows import Rows

CPU_TOKENS = 4096
"""Tokens at one time on a CPU. More were measured to be no faster (the activations leave the cache) and cost memory."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a step reports."""

    loss: float
    """Mean cross-entropy in nats a target."""
    gradient_norm: float
    """Before clipping."""
    tokens: int
    """Targets that carried loss."""
    layers: layerwise.Table | None = None
    """What was seen of the layers, where it was asked for."""


class Trainer:
    """A job's model and optimizer on the device, with a step compiled or not."""

    _loss: Callable[..., Tensor]

    def __init__(self, job: Job, precision: speed.Precision, micro_batch: int) -> None:
        """Take the job's model to the device, or this process's part of it; at most `micro_batch` rows at one time."""
        self.job, self.ranks = job, job.ranks
        self.device = speed.device()
        speed.keep_memory()
        self.model = job.model
        parallel.apply(self.model, self.ranks, self.device, precision)
        self.micro_batch = _divisor(self.ranks.rows(job.batch), micro_batch)
        self._autocast = precision == "bfloat16"
        self._run = parallel.checkpointed if self.ranks.settings.activation_checkpointing else run_block
        self.use_eager()
        self.restart()

    def restart(self) -> None:
        """Starting weights and a new optimizer."""
        parallel.reset(self.model, self.ranks, self.job.reset)
        self.model.train()
        job = self.job
        self.optimizer = optimizer.make(
            job.optimizer,
            self.model,
            learning_rate=0.0,
            betas=job.betas,
            weight_decay=job.weight_decay,
            device=self.device,
        )

    def compile(self, batch: Batch) -> bool:
        """Compile the loss and its gradient for batches like this one; False, with a line, where that fails."""
        say(f"{self.job.name}: compiling a layer and the loss, once (15-40 s on two cores)")
        if (cxx := speed.compiler()) is not None:
            torch._inductor.config.cpp.cxx = (None, cxx)
        self._loss = self.model.compiled_loss(self._run, dynamic=False)
        try:
            self.step(batch, 0.0)
        except (RuntimeError, OSError) as error:
            if self.ranks.count > 1:  # the others may have got further: they cannot turn back together
                raise UserError(f'compiling failed, set pretrain.compile = "no": {_first_line(error)}') from error
            self.use_eager()
            say(f"{self.job.name}: trains eager, since compiling failed: {_first_line(error)}")
            return False
        return True

    def use_eager(self) -> None:
        """Go back to the network as it stands."""
        self._loss = partial(self.model.loss, run=self._run)

    def step(self, batch: Batch, learning_rate: float, watch: bool = False) -> Step:
        """Train on one batch; `watch` looks at every layer's weights and gradients.

        Raises NotFiniteError, the weights untouched, where the loss or its gradient is not finite.
        """
        rows = Rows.of(batch, self.ranks.parts)
        total = int(self.ranks.sum([rows.real])[0])
        loss = torch.zeros((), dtype=torch.float64, device=self.device)
        for number, part in enumerate(rows.parts(self.micro_batch), 1):
            share = part.real / max(total, 1)
            mean = self._mean(self._loss, part, z_loss=self.job.z_loss)
            parallel.sum_replicas(self.model, number * self.micro_batch >= len(rows.tokens))
            (mean * share).backward()  # type: ignore[no-untyped-call]  # torch leaves `backward` untyped
            loss += mean.detach() * share
        layers = self._look(next(rows.parts(self.micro_batch))) if watch else None
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        all_loss, square = self.ranks.sum([loss.item(), parallel.squares(gradients)])
        step = Step(all_loss, math.sqrt(square), total, layers)
        try:
            nonfinite.check(self.job.name, step.loss, step.gradient_norm)
        except NotFiniteError:
            self.optimizer.zero_grad()
            raise
        if step.gradient_norm > self.job.clip:
            torch._foreach_mul_(gradients, self.job.clip / step.gradient_norm)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        self.optimizer.zero_grad()
        return step

    @torch.no_grad()
    def heldout_loss(self, batches: Sequence[Batch]) -> tuple[float, int]:
        """The mean loss in nats over all targets of these batches, and their number. Eager: compiling costs more."""
        total = count = 0.0
        for batch in batches:
            rows = Rows.of(batch, self.ranks.parts).share(self.ranks.share, self.ranks.shares)
            for part in rows.parts(self.micro_batch):
                total += self._mean(self.model.loss, part).item() * part.real
            count += rows.real
        parallel.part_again(self.model)
        total, count = self.ranks.sum([total, count])
        return total / max(count, 1), int(count)

    def _mean(self, loss: Callable[..., Tensor], rows: Rows, **how: float) -> Tensor:
        """The mean loss over these rows' targets."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._autocast):
            return loss(*self._tensors(rows), **how)

    def _look(self, rows: Rows) -> layerwise.Table:
        """Every layer, after the backward pass; of the activations those of one micro-batch of each process."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._autocast):
            table = layerwise.look(self.model, *self._tensors(rows), self.ranks)
        parallel.part_again(self.model)
        return table

    def _tensors(self, rows: Rows) -> tuple[Tensor, Tensor, Tensor | None]:
        documents = None if rows.documents is None else self._tensor(rows.documents)
        return self._tensor(rows.tokens), self._tensor(rows.targets), documents

    def _tensor(self, array: "np.ndarray[tuple[int, ...], np.dtype[np.integer[Any]]]") -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device, non_blocking=True)


def micro_batch(config: Config, batch: int, context: int, device: torch.device, memory: int | None = None) -> int:
    """The largest divisor of `batch` whose sequences fit at one time; a divisor, so that all parts are of one shape.

    What a token leaves for the backward pass is about 18 hidden and 5 MLP widths a layer (norms, projections before
    and after RoPE, attention, gates), reckoned in float32, and held to half of the free `memory`, this machine's if it
    is not given.
    """
    if memory is None and device.type == "cuda":
        memory = torch.cuda.mem_get_info(device)[0]
    elif memory is None:
        memory = psutil.virtual_memory().available
    a_token = 4 * config.layers * (18 * config.hidden + 5 * config.mlp)
    tokens = memory // 2 // a_token
    if device.type == "cpu":
        tokens = min(tokens, CPU_TOKENS)
    return _divisor(batch, max(tokens // context, 1))


def _divisor(count: int, most: int) -> int:
    """The largest divisor of `count` that is no larger than `most`."""
    return next(size for size in range(min(most, count), 0, -1) if count % size == 0)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__
