"""Where a run's metrics go besides metrics.jsonl: TensorBoard's event files, wandb, trackio. Each is an extra.

What a logger is given are the numbers of the lines of metrics.jsonl, nested names joined by a slash. A run that is
resumed goes on in the same curve; its name is a digest of plan.json, which is written once a run.
"""

import hashlib
import importlib
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from repoloom.errors import UsageError

Name = Literal["tensorboard", "wandb", "trackio"]

FOLDER = ".logs"
"""Inside the stage's folder: `tensorboard --logdir runs/NAME/pretrain/.logs`. Its name begins with a dot since what
these programs write is no part of what the stage made."""

PROJECT = "repoloom"
"""The name under which wandb and trackio group the runs."""


class Logger(Protocol):
    """One of them, open."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Take the values of a step."""

    def close(self) -> None:
        """Write out what is left."""


def check(names: Sequence[Name]) -> None:
    """Raise UsageError for a logger that is not installed: before the first step, not after the last."""
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise UsageError(f"pretrain.loggers: {name} is not installed: pip install 'repoloom[{name}]'")


def start(
    names: Sequence[Name], folder: Path, plan: Path, step: int | None, settings: Mapping[str, Any]
) -> list[Logger]:
    """The loggers of a run in the stage's folder, which goes on after `step` or begins (None).

    `settings` are shown beside the curves by those that can.
    """
    run = f"{folder.resolve().parent.name}-{hashlib.blake2b(plan.read_bytes(), digest_size=4).hexdigest()}"
    place = folder / FOLDER
    place.mkdir(exist_ok=True)
    started: list[Logger] = []
    for name in names:
        if name == "tensorboard":
            started.append(_TensorBoard(place / name, step))
        else:
            started.append(_Experiment(name, run, place, settings))
    return started


def numbers(line: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """The numbers of a line of metrics.jsonl, by name."""
    for key, value in line.items():
        if isinstance(value, Mapping):
            yield from numbers(value, f"{prefix}{key}/")
        elif isinstance(value, int | float):
            yield f"{prefix}{key}", float(value)


class _TensorBoard:
    """Event files, by PyTorch's writer."""

    def __init__(self, folder: Path, step: int | None) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # What an interrupted run wrote after its checkpoint comes again: the reader is told to forget it.
        self._writer = SummaryWriter(str(folder), purge_step=(step or 0) + 1)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class _Experiment:
    """wandb, and trackio, which has taken over its interface."""

    def __init__(self, module: str, run: str, folder: Path, settings: Mapping[str, Any]) -> None:
        self._module = importlib.import_module(module)
        options: dict[str, Any] = {"project": PROJECT, "name": run, "config": dict(settings), "resume": "allow"}
        if module == "wandb":
            options |= {"id": run, "dir": str(folder)}
        self._run = self._module.init(**options)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()
