"""One step of training, and the held-out loss: autocast, micro-batches, clipping, compiling around a plain model."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import psutil
import torch
from torch import Tensor

from repoloom.errors import UserError
from repoloom.model.config import Config
from repoloom.model.transformer import IGNORED
from repoloom.progress import say
from repoloom.train import speed
from repoloom.train.job import Batch, Job
from repoloom.train.optimizer import adamw

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


class Trainer:
    """A job's model and optimizer on the device, with a step compiled or not."""

    _loss: Callable[[Tensor, Tensor], Tensor]

    def __init__(self, job: Job, precision: speed.Precision, micro_batch: int) -> None:
        self.job = job
        self.device = speed.device()
        self.model = job.model.to(self.device)
        self.micro_batch = micro_batch
        self._autocast = precision == "bfloat16"
        self.use_eager()
        self.restart()

    def restart(self) -> None:
        """Starting weights and a new optimizer."""
        self.job.reset(self.model)
        self.model.train()
        job = self.job
        self.optimizer = adamw(
            self.model, learning_rate=0.0, betas=job.betas, weight_decay=job.weight_decay, device=self.device
        )

    def compile(self, batch: Batch) -> bool:
        """Compile the loss and its gradient for batches like this one; False, with a line, where that fails."""
        say(f"{self.job.name}: compiling a layer and the loss, once (15-40 s on two cores)")
        if (cxx := speed.compiler()) is not None:
            torch._inductor.config.cpp.cxx = (None, cxx)
        self._loss = self.model.compiled_loss(dynamic=False)
        try:
            self.step(batch, 0.0)
        except (RuntimeError, OSError) as error:
            self.use_eager()
            say(f"{self.job.name}: trains eager, since compiling failed: {_first_line(error)}")
            return False
        return True

    def use_eager(self) -> None:
        """Go back to the network as it stands."""
        self._loss = self.model.loss

    def step(self, batch: Batch, learning_rate: float) -> Step:
        """Train on one batch. Raises UserError, the weights untouched, where the loss or its gradient is not finite."""
        total = int((batch.targets != IGNORED).sum())
        loss = torch.zeros((), dtype=torch.float64, device=self.device)
        for tokens, targets in self._micro_batches(batch):
            share = (targets != IGNORED).sum() / max(total, 1)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self._autocast):
                part = self._loss(tokens, targets)
            (part * share).backward()  # type: ignore[no-untyped-call]  # torch leaves `backward` untyped
            loss += part.detach() * share
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.job.clip)
        step = Step(loss.item(), norm.item(), total)
        if not (math.isfinite(step.loss) and math.isfinite(step.gradient_norm)):
            raise UserError(
                f"the loss or its gradient is not finite (loss {step.loss}, gradient norm {step.gradient_norm}): lower"
                f" {self.job.name}.learning_rate, lengthen its warmup, or set pretrain.precision to float32"
            )
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        self.optimizer.zero_grad()
        return step

    @torch.no_grad()
    def heldout_loss(self, batches: Sequence[Batch]) -> tuple[float, int]:
        """The mean loss in nats over all targets of these batches, and their number. Eager: compiling costs more."""
        total, count = 0.0, 0
        for batch in batches:
            for tokens, targets in self._micro_batches(batch):
                real = int((targets != IGNORED).sum())
                with torch.autocast(self.device.type, torch.bfloat16, enabled=self._autocast):
                    total += self.model.loss(tokens, targets).item() * real
                count += real
        return total / max(count, 1), count

    def _micro_batches(self, batch: Batch) -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, len(batch.tokens), self.micro_batch):
            rows = slice(start, start + self.micro_batch)
            yield self._tensor(batch.tokens[rows]), self._tensor(batch.targets[rows])

    def _tensor(self, array: "np.ndarray[tuple[int, ...], np.dtype[np.int64]]") -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device, non_blocking=True)


def micro_batch(config: Config, batch: int, context: int, device: torch.device) -> int:
    """The largest divisor of `batch` whose sequences fit at one time; a divisor, so that all parts are of one shape.

    What a token leaves for the backward pass is about 18 hidden and 5 MLP widths a layer (norms, projections before
    and after RoPE, attention, gates), reckoned in float32, and held to half of the free memory.
    """
    if device.type == "cuda":
        memory = torch.cuda.mem_get_info(device)[0]
    else:
        memory = psutil.virtual_memory().available
    a_token = 4 * config.layers * (18 * config.hidden + 5 * config.mlp)
    tokens = memory // 2 // a_token
    if device.type == "cpu":
        tokens = min(tokens, CPU_TOKENS)
    rows = max(tokens // context, 1)
    return next(size for size in range(min(rows, batch), 0, -1) if batch % size == 0)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__
