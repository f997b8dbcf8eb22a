"""What the loop is given: a model, batches that are pure functions of the step, and how to train on them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from repoloom import recipe
from repoloom.model.transformer import Transformer
from repoloom.train.loggers import Name
from repoloom.train.optimizer import Kind as Optimizer
from repoloom.train.ranks import ALONE, Ranks
from repoloom.train.schedule import Kind


class Batch(Protocol):
    """Tokens and targets, int64 [rows, time]; a target of -100 carries no loss."""

    @property
    def tokens(self) -> npt.NDArray[np.int64]:
        """What the model sees."""

    @property
    def targets(self) -> npt.NDArray[np.int64]:
        """What follows each token."""

    @property
    def notes(self) -> Mapping[str, object]:
        """What the step's line in metrics.jsonl says of the batch besides; may be empty."""


class Data(Protocol):
    """Batches by step; `tokens.batches.Batches` is one."""

    def __getitem__(self, step: int) -> Batch: ...

    def prefetch(self, first: int, last: int) -> Iterator[Batch]:
        """The batches of the steps from `first` up to, not including, `last`, made ahead of their use."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of what is held out, measured by itself."""

    batches: Sequence[Batch]
    bytes: int
    """Of the text that the targets spell."""


@dataclass(frozen=True, slots=True)
class Job:
    """One training: what pretrain and tune ask of the loop."""

    name: str
    model: Transformer
    reset: Callable[[Transformer], object]
    """Puts the starting weights into the model again: measuring speed spoils them."""
    data: Data
    heldout: Sequence[Batch]
    """Never trained on; its loss is reported. May be empty."""
    heldout_bytes: int | None
    """Bytes of the text in `heldout`, for bits per byte."""
    batch: int
    """Sequences a step, at most."""
    context: int
    """Tokens of the longest sequence."""
    steps: int | None
    minutes: float | None
    """For the whole stage; takes the place of `steps`."""
    learning_rate: float
    warmup: int
    schedule: Kind
    betas: tuple[float, float]
    weight_decay: float
    clip: float
    precision: Literal["auto", "float32", "bfloat16"]
    compile: Literal["auto", "yes", "no"]
    checkpoint_minutes: float
    validate_every: int
    optimizer: Optimizer = "adamw"
    floor: float = 0.0
    """The share of the peak rate at which the schedule ends."""
    heldout_parts: Mapping[str, Part] = field(default_factory=dict)
    """By name: what is reported in bits per byte besides the whole, such as `python` and `python fim`."""
    on_nonfinite: Literal["stop", "skip"] = "stop"
    z_loss: float = 0.0
    statistics_every: int | None = None
    """Steps between two looks at every layer."""
    loggers: Sequence[Name] = ()
    ranks: Ranks = ALONE
    """The processes that train together; `data` is this one's share of the rows, `heldout` is whole in each."""
    checkpoints: recipe.Checkpoints = field(default_factory=recipe.Checkpoints)
