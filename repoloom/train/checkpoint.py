"""Checkpoints: torch.distributed.checkpoint, one folder a step, whole or not there, written while training goes on.

A state is copied into memory, and a thread writes the copy: beside its place, synced, listed with digests and renamed.
Each process writes, digests and checks its own files. Loading checks the digests, so a disk that lost bytes costs the
steps since the checkpoint before and not the run. What is saved is the model, the optimizer and the step: the schedule
and the batches are pure functions of the step, and nothing in training draws at random. All is keyed by parameter name
and sliced by what a process asks for, so it may be loaded by any number of them. The folder has to be one that all see.
"""

import errno
import json
import os
import shutil
import time
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.planner import SavePlan, SavePlanner
from torch.distributed.checkpoint.staging import BlockingAsyncStager
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.checkpoint.state_dict_loader import load as load_distributed
from torch.distributed.checkpoint.state_dict_saver import save as save_distributed

from repoloom import recipe, stage
from repoloom.progress import say
from repoloom.train import speed
from repoloom.train.ranks import ALONE, PATIENCE, Ranks

_PARTIAL = ".partial-"
_DIGESTS = "digests.json"
_HELDOUT = "heldout.json"
"""The held-out loss, where it was measured at this step."""

_Optimizers = torch.optim.Optimizer | Iterable[torch.optim.Optimizer]

T = TypeVar("T")

# Torch warns when it saves or loads without a process group: that is how one process does it. For good, since filters
# that come and go are no matter for a thread.
warnings.filterwarnings("ignore", "torch.distributed is disabled", UserWarning)


class _Writer(FileSystemWriter):
    """Torch's own, which hides a full disk's error ("unexpected pos 704 vs 598"): afterwards there is room again."""

    def write_data(self, plan: SavePlan, planner: SavePlanner) -> Any:
        try:
            return super().write_data(plan, planner)
        except RuntimeError as error:
            if stage.out_of_space(error, Path(self.path)):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
            raise


class Saver:
    """Writes the checkpoints of a run into `folder`, one at a time, and removes those that the policy does not keep.

        with Saver(folder, recipe.checkpoints, 600.0, ranks) as saver:
            ...
            if saver.due(step):
                saver.save(step, model, optimizer)      # returns when the state is copied
            ...
    Leaving the block waits for the last one. All processes have to call `save` at the same steps.
    """

    def __init__(
        self,
        folder: Path,
        keep: recipe.Checkpoints | None = None,
        seconds: float = float("inf"),
        ranks: Ranks = ALONE,
    ) -> None:
        """`seconds` is the time from one checkpoint to the next."""
        self._folder, self._keep, self._ranks = folder, keep or recipe.Checkpoints(), ranks
        self._seconds, self._saved = seconds, time.monotonic()
        self._group = None if ranks.mesh is None else dist.new_group(backend="gloo", timeout=PATIENCE)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._stager = BlockingAsyncStager(cache_staged_state_dict=speed.device().type == "cuda")  # pinned: faster
        self._best = min(filter(None, map(_heldout_loss, _steps(folder))), default=float("inf"))
        self._writing: Future[None] | None = None

    def __enter__(self) -> "Saver":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: TracebackType | BaseException | None) -> None:
        try:
            if kind is None:
                self.wait()
        finally:
            self._pool.shutdown(wait=kind is None)

    def due(self, step: int, heldout_loss: float | None = None) -> bool:
        """Whether one is to be written after `step` steps. Processes have clocks of their own: ask one of them."""
        if self._keep.best and heldout_loss is not None and heldout_loss < self._best:
            return True
        return _divides(self._keep.every, step) or time.monotonic() - self._saved >= self._seconds

    @property
    def failed(self) -> bool:
        """Whether the last one could not be written; `wait` then says why."""
        return self._writing is not None and self._writing.done() and self._writing.exception() is not None

    def save(self, step: int, model: nn.Module, optimizer: _Optimizers, heldout_loss: float | None = None) -> None:
        """Copy the state after `step` steps and begin to write it, once the one before is written.

        Raises what kept that one from being written, also in another process: OSError, or torch's CheckpointException.
        """
        self.wait()
        state = self._stager.stage(_state(model, optimizer))
        self._writing = self._pool.submit(self._write, state, step, heldout_loss)
        self._saved = time.monotonic()
        self._best = min(self._best, float("inf") if heldout_loss is None else heldout_loss)

    def wait(self) -> None:
        """Return when the last one is written. Raises as `save` does."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def _write(self, state: Any, step: int, heldout_loss: float | None) -> None:
        place = self._folder / f"step-{step:09d}"
        partial = self._folder / f"{_PARTIAL}{place.name}"
        try:
            self._together(lambda: _prepare(partial, heldout_loss) if self._ranks.first else None)
            _save(state, partial, self._group)
            own = [file for file in _files(partial) if self._wrote(file)]
            digests = self._together(lambda: {file.name: stage.digest_file(file) for file in own})
            self._together(lambda: self._finish(partial, place, digests) if self._ranks.first else None)
        except BaseException:  # torch's CheckpointException is no Exception
            shutil.rmtree(partial, ignore_errors=True)
            raise

    def _wrote(self, file: Path) -> bool:
        """Whether this process wrote the file: torch names data by rank; what is for all is the first one's."""
        if file.suffix == ".distcp":
            return file.name.startswith(f"__{self._ranks.rank}_")
        return self._ranks.first

    def _finish(self, partial: Path, place: Path, digests: list[dict[str, str]]) -> None:
        together = {name: digest for part in digests for name, digest in part.items()}
        _write_synced(partial / _DIGESTS, json.dumps(together, indent=1))
        shutil.rmtree(place, ignore_errors=True)
        partial.replace(place)
        _sync(self._folder)
        kept = set(self._kept())
        for old in _steps(self._folder):
            if old not in kept:
                shutil.rmtree(old)

    def _kept(self) -> list[Path]:
        places = _steps(self._folder)
        kept = places[: self._keep.last]
        kept += [place for place in places if _divides(self._keep.every, _step(place))]
        if self._keep.best:
            kept += _best(self._folder)[:1]
        return kept

    def _together(self, work: Callable[[], T]) -> list[T]:
        """Do something in every process; what each made of it. Where one of them fails, all do."""
        try:
            outcome: T | OSError = work()
        except OSError as error:
            outcome = error
        outcomes: list[Any] = [outcome]
        if self._group is not None:
            outcomes = [None] * self._ranks.count
            dist.all_gather_object(outcomes, outcome, group=self._group)
        for found in outcomes:
            if isinstance(found, OSError):
                raise found
        return outcomes


def save(folder: Path, step: int, model: nn.Module, optimizer: _Optimizers, ranks: Ranks = ALONE) -> None:
    """Write the state after `step` steps into `folder`, and wait for it."""
    with Saver(folder, ranks=ranks) as saver:
        saver.save(step, model, optimizer)


def load(
    folder: Path, model: nn.Module, optimizer: _Optimizers, ranks: Ranks = ALONE, best: bool = False
) -> int | None:
    """Put the newest whole checkpoint's state into model and optimizer; `best`: that with the least held-out loss.

    Returns its step; None where there is none.
    """
    for place in ranks.agree(_best(folder) if best else _steps(folder)):
        [damaged] = ranks.any(not _whole(place, ranks))
        if damaged:
            if ranks.first:
                instead = "taking the next best" if best else "going on from the one before it"
                say(f"the checkpoint {place} is damaged: {instead}")
                shutil.rmtree(place)
            continue
        state = _state(model, optimizer)
        load_distributed(state, checkpoint_id=place)
        set_state_dict(model, optimizer, model_state_dict=state["model"], optim_state_dict=state["optimizer"])
        return _step(place)
    return None


def _state(model: nn.Module, optimizer: _Optimizers) -> dict[str, Any]:
    """Both states keyed by parameter name, which no later sharding changes."""
    weights, moments = get_state_dict(model, optimizer)
    return {"model": weights, "optimizer": moments}


def _steps(folder: Path) -> list[Path]:
    """The checkpoints, newest first."""
    return sorted(folder.glob("step-*"), reverse=True)


def _best(folder: Path) -> list[Path]:
    """Those whose held-out loss was measured, the least first, of equals the oldest."""
    losses = {place: loss for place in reversed(_steps(folder)) if (loss := _heldout_loss(place)) is not None}
    return sorted(losses, key=lambda place: losses[place])


def _step(place: Path) -> int:
    return int(place.name.removeprefix("step-"))


def _files(place: Path) -> list[Path]:
    return sorted(file for file in place.rglob("*") if file.is_file() and file.name != _DIGESTS)


def _whole(place: Path, ranks: Ranks) -> bool:
    """Whether this process's share of the files is as it was written, and none is missing or too many."""
    try:
        digests = json.loads((place / _DIGESTS).read_text("utf-8"))
        files = _files(place)
        if not isinstance(digests, dict) or [file.name for file in files] != sorted(digests):
            return False
        return all(digests[file.name] == stage.digest_file(file) for file in files[ranks.rank :: ranks.count])
    except (OSError, ValueError):
        return False


def _heldout_loss(place: Path) -> float | None:
    try:
        return float(json.loads((place / _HELDOUT).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _prepare(partial: Path, heldout_loss: float | None) -> None:
    for left in partial.parent.glob(f"{_PARTIAL}*"):  # by a run that was killed
        shutil.rmtree(left)
    partial.mkdir(parents=True)
    if heldout_loss is not None:
        _write_synced(partial / _HELDOUT, json.dumps(heldout_loss))


def _save(state: Any, partial: Path, group: dist.ProcessGroup | None) -> None:
    """Write this process's part. Raises the OSError of any process, which torch wraps in what is no Exception."""
    try:
        save_distributed(state, storage_writer=_Writer(partial), process_group=group)
    except CheckpointException as failed:
        for error, _ in failed.failures.values():
            if isinstance(error, OSError):
                raise error from None
        raise


def _divides(every: int | None, step: int) -> bool:
    return every is not None and step % every == 0


def _write_synced(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Have the disk hold the folder's names, a renaming among them."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
