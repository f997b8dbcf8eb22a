"""Checkpoints: torch.distributed.checkpoint, one folder a step, whole or not there, the last two kept.

A folder is written beside its place, synced, listed with digests and renamed. Loading checks the digests, so a disk
that lost bytes costs the steps since the checkpoint before and not the run. What is saved is the model, the optimizer
and the step: the schedule and the batches are pure functions of the step, and nothing in training draws at random.
"""

import json
import os
import shutil
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.checkpoint.state_dict_loader import load as load_distributed
from torch.distributed.checkpoint.state_dict_saver import save as save_distributed

from repoloom import stage
from repoloom.progress import say

KEPT = 2
_DIGESTS = "digests.json"


def save(folder: Path, step: int, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Write the state after `step` steps into `folder`, then remove all but the newest `KEPT`."""
    place = folder / f"step-{step:09d}"
    partial = folder / f".partial-{os.getpid()}-{place.name}"
    for stale in (partial, place):
        shutil.rmtree(stale, ignore_errors=True)
    partial.mkdir(parents=True)
    with _one_process():
        save_distributed(_state(model, optimizer), checkpoint_id=partial)
    digests = {str(file.relative_to(partial)): stage.digest_file(file) for file in _files(partial)}
    stage.atomic_write(partial / _DIGESTS, json.dumps(digests, indent=1))
    partial.replace(place)
    for old in _steps(folder)[KEPT:]:
        shutil.rmtree(old)


def load(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> int | None:
    """Put the newest whole checkpoint's state into model and optimizer. Returns its step; None where there is none."""
    for place in _steps(folder):
        if not _whole(place):
            say(f"the checkpoint {place} is damaged: going on from the one before it")
            shutil.rmtree(place)
            continue
        state = _state(model, optimizer)
        with _one_process():
            load_distributed(state, checkpoint_id=place)
        set_state_dict(model, optimizer, model_state_dict=state["model"], optim_state_dict=state["optimizer"])
        return int(place.name.removeprefix("step-"))
    return None


def _state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Both states keyed by parameter name, which no later sharding changes."""
    weights, moments = get_state_dict(model, optimizer)
    return {"model": weights, "optimizer": moments}


def _steps(folder: Path) -> list[Path]:
    """The checkpoints, newest first."""
    return sorted(folder.glob("step-*"), reverse=True)


def _files(place: Path) -> list[Path]:
    return sorted(file for file in place.rglob("*") if file.is_file() and file.name != _DIGESTS)


def _whole(place: Path) -> bool:
    try:
        digests = json.loads((place / _DIGESTS).read_text("utf-8"))
        return bool(digests == {str(file.relative_to(place)): stage.digest_file(file) for file in _files(place)})
    except (OSError, ValueError):
        return False


def _one_process() -> warnings.catch_warnings:
    """Torch warns when it saves without a process group: that is how one process saves."""
    return warnings.catch_warnings(action="ignore", category=UserWarning)
