"""Loggers: what is not installed is refused at the start; TensorBoard's files are read by its own reader."""

import importlib.util
import json
import os
import time

import pytest

from repoloom.errors import UsageError
from repoloom.train import loggers
from repoloom.train.loggers import numbers
from repoloom.train.loop import METRICS, train
from tests.train.tiny import job


def missing(name):
    return importlib.util.find_spec(name) is None


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "trackio"])
def test_a_logger_that_is_not_installed_is_refused_in_one_line_before_the_first_step(name, tmp_path, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None if module == name else real(module))
    with pytest.raises(
        UsageError, match=rf"pretrain\.loggers: {name} is not installed: pip install 'repoloom\[{name}\]'"
    ):
        train(job(loggers=(name,)), tmp_path, time.monotonic())
    assert not (tmp_path / METRICS).exists()


def test_the_numbers_of_a_line_are_named_by_path_and_nothing_else_is_taken():
    line = {"loss": 2.5, "skipped": "why", "layers": {"layer-00": {"weight_rms": 1}}, "fim": {"cut": 3}}
    assert dict(numbers(line)) == {"loss": 2.5, "layers/layer-00/weight_rms": 1.0, "fim/cut": 3.0}


@pytest.mark.skipif(missing("tensorboard"), reason="tensorboard is not installed")
def test_tensorboards_own_reader_finds_the_curve_of_a_run_that_was_resumed(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(job(steps=30, loggers=("tensorboard",)), tmp_path, time.monotonic())
    train(job(steps=30, loggers=("tensorboard",)), tmp_path, time.monotonic())
    lines = [json.loads(line) for line in (tmp_path / METRICS).read_text().splitlines()]
    read = EventAccumulator(str(tmp_path / loggers.FOLDER / "tensorboard")).Reload()
    found = {event.step: event.value for event in read.Scalars("loss")}
    assert found == pytest.approx({line["step"]: line["loss"] for line in lines if "loss" in line}, rel=1e-6)
    assert len(read.Scalars("heldout_loss")) == 4


@pytest.mark.slow
@pytest.mark.skipif(missing("wandb"), reason="wandb is not installed")
def test_wandb_takes_a_run_without_a_network(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    train(job(steps=10, loggers=("wandb",)), tmp_path, time.monotonic())
    [written] = (tmp_path / loggers.FOLDER / "wandb").glob("offline-run-*/run-*.wandb")
    deadline = time.monotonic() + 60  # a process of wandb's own writes it, and goes on when the run is finished
    while b"gradient_norm" not in written.read_bytes():
        assert time.monotonic() < deadline, f"{written} has {written.stat().st_size} bytes, and no numbers"
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.skipif(missing("trackio"), reason="trackio is not installed")
def test_trackio_keeps_a_run_on_this_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    train(job(steps=10, loggers=("trackio",)), tmp_path, time.monotonic())
    written = [place for place in (tmp_path / "trackio").rglob("*") if place.is_file() and os.path.getsize(place)]
    assert any(b"gradient_norm" in place.read_bytes() for place in written)
