"""A loss or gradient that is not finite: the batch that gave it is kept, so that it can be looked at and replayed.

    kept = nonfinite.load(Path("runs/mine/pretrain/nonfinite/step-000001234.npz"))
    trainer.step(kept, kept.learning_rate)      # with the weights of the checkpoint before it

The weights are those before the step: nothing of such a batch ever reaches them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import distributed

from repoloom import stage
from repoloom.errors import UserError
from repoloom.train.job import Batch

FOLDER = "nonfinite"

PATIENCE = 10
"""So many steps skipped in a row, and the run stops all the same: then it is not the batches."""


class NotFiniteError(UserError):
    """The loss or its gradient is not finite; weights and moments are as they were before the step."""

    def __init__(self, name: str, loss: float, gradient_norm: float) -> None:
        self.loss, self.gradient_norm = loss, gradient_norm
        super().__init__(
            f"the loss or its gradient is not finite (loss {loss}, gradient norm {gradient_norm}): lower"
            f" {name}.learning_rate, lengthen its warmup, set pretrain.precision to float32, or pretrain.on_nonfinite"
            " to skip"
        )


def check(name: str, loss: float, gradient_norm: float) -> None:
    """Raise NotFiniteError, for the job of this name, unless both are finite."""
    if not (math.isfinite(loss) and math.isfinite(gradient_norm)):
        raise NotFiniteError(name, loss, gradient_norm)


@dataclass(frozen=True, slots=True)
class Kept:
    """A batch that was kept, to be trained on again; it is a `job.Batch`."""

    tokens: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64]
    learning_rate: float
    loss: float
    gradient_norm: float
    documents: npt.NDArray[np.int32] | None = None
    notes: Mapping[str, object] = field(default_factory=dict)


def keep(folder: Path, step: int, batch: Batch, learning_rate: float, error: NotFiniteError) -> Path:
    """Write the batch of step `step` (from 1) that this process saw below `folder`; where it stands then."""
    rank = distributed.get_rank() if distributed.is_initialized() else 0
    place = folder / FOLDER / (f"step-{step:09d}" + (f"-rank-{rank}" if rank else "") + ".npz")
    documents = getattr(batch, "documents", None)
    with stage.whole(place) as partial, partial.open("wb") as file:
        np.savez_compressed(
            file,
            tokens=batch.tokens,
            targets=batch.targets,
            learning_rate=learning_rate,
            loss=error.loss,
            gradient_norm=error.gradient_norm,
            **({} if documents is None else {"documents": documents}),
        )
    return place


def load(path: Path) -> Kept:
    """A batch that was kept. Raises UserError where there is none."""
    try:
        with np.load(path) as file:
            rate, loss, norm = (float(file[name]) for name in ("learning_rate", "loss", "gradient_norm"))
            return Kept(file["tokens"], file["targets"], rate, loss, norm, file.get("documents"))
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path} holds no batch: {error}") from None
