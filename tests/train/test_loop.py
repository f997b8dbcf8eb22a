import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from repoloom.errors import UserError
from repoloom.train import checkpoint, parallel, plan, speed
from repoloom.train.loop import CHECKPOINTS, METRICS, PLAN, train
from repoloom.train.trainer import Trainer, micro_batch
from tests.train.tiny import CONTEXT, Walks, job

ROOT = Path(__file__).parents[2]


def curve(out):
    """What a resumed run has to repeat bit for bit: all but the clock."""
    lines = [json.loads(line) for line in (out / METRICS).read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in {"seconds", "tokens_per_second"}} for line in lines]


def test_it_learns_what_can_be_learnt_and_no_more(tmp_path):
    done = job(steps=150)
    counts = train(done, tmp_path, time.monotonic()).counts(done)
    assert counts["heldout_loss_before"] == pytest.approx(math.log(64), abs=0.1)
    assert math.log(3) - 0.05 < counts["heldout_loss"] < math.log(3) + 0.15
    assert counts["heldout_bits_per_byte"] == pytest.approx(counts["heldout_loss"] * 8 * CONTEXT / math.log(2) / 512)
    assert counts["tokens"] == 150 * 8 * CONTEXT and counts["steps"] == 150
    assert 0 < counts["peak_share"] < 1


def test_the_squares_of_large_gradients_are_float64s():
    """PyTorch's own norm is off by 3e-5 for the first of these."""
    torch.manual_seed(0)
    gradients = [torch.randn(4160, 192), torch.randn(192), torch.randn(192, 512)]
    exact = sum(gradient.double().square().sum().item() for gradient in gradients)
    assert parallel.squares(gradients) == pytest.approx(exact, rel=1e-7)


def test_metrics_have_a_line_a_step_and_a_line_a_validation(tmp_path):
    train(job(), tmp_path, time.monotonic())
    lines = curve(tmp_path)
    assert [line["step"] for line in lines if "loss" in line] == list(range(1, 41))
    assert [line["step"] for line in lines if "heldout_loss" in line] == [0, 10, 20, 30, 40]
    rates = [line["learning_rate"] for line in lines if "loss" in line]
    assert rates[4] == 1e-2 and rates[-1] == pytest.approx(1e-3)


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_with_the_same_curve_and_weights(tmp_path):
    steps = 120
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir(), killed.mkdir()
    train(job(steps=steps), whole, time.monotonic())
    command = [sys.executable, "-m", "tests.train.tiny", str(killed), str(steps)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    kills = 0
    for pause in (20, 45, 70):  # lines of metrics to wait for: before, between and after checkpoints
        with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and _lines(killed) < pause:
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
        kills += process.returncode == -signal.SIGKILL
    assert kills == 3
    again = job(steps=steps)
    train(again, killed, time.monotonic())
    assert curve(killed) == curve(whole)
    straight = job(steps=steps)
    train(straight, whole, time.monotonic())
    assert all(torch.equal(a, b) for a, b in zip(again.model.parameters(), straight.model.parameters(), strict=True))


def _lines(out):
    return (out / METRICS).read_text().count("\n") if (out / METRICS).exists() else 0


def test_a_damaged_checkpoint_costs_its_steps_and_not_the_run(tmp_path, capsys):
    train(job(), tmp_path, time.monotonic())
    before = curve(tmp_path)
    newest = max((tmp_path / CHECKPOINTS).iterdir())
    data = max(newest.glob("*.distcp"), key=lambda file: file.stat().st_size)
    data.write_bytes(data.read_bytes()[:-100])
    train(job(), tmp_path, time.monotonic())
    assert "is damaged" in capsys.readouterr().err
    assert curve(tmp_path) == before
    for place in (tmp_path / CHECKPOINTS).iterdir():
        (place / ".metadata").write_bytes(b"")
    train(job(), tmp_path, time.monotonic())
    assert curve(tmp_path) == before


def test_two_checkpoints_are_kept_and_nothing_half_written(tmp_path):
    train(job(), tmp_path, time.monotonic())
    names = sorted(place.name for place in (tmp_path / CHECKPOINTS).iterdir())
    assert len(names) == 2 and names[-1] == "step-000000040"


def test_a_checkpoint_holds_the_moments_bit_for_bit(tmp_path):
    first = Trainer(job(), "float32", 8)
    for step in range(3):
        first.step(Walks()[step], 1e-2)
    checkpoint.save(tmp_path, 3, first.model, first.optimizer)
    expected = first.step(Walks()[3], 1e-2)
    second = Trainer(job(reset=lambda model: model.initialise(9)), "float32", 8)
    assert checkpoint.load(tmp_path, second.model, second.optimizer) == 3
    assert second.step(Walks()[3], 1e-2) == expected
    assert all(torch.equal(a, b) for a, b in zip(first.model.parameters(), second.model.parameters(), strict=True))


def test_micro_batches_add_up_to_the_batch():
    class Masked(Walks):
        def __getitem__(self, step):
            batch = super().__getitem__(step)
            batch.targets[:3, 5:] = -100
            batch.targets[7] = -100
            return batch

    whole, parts = (Trainer(job(data=Masked()), "float32", rows) for rows in (8, 2))
    for step in range(3):
        one, many = (trainer.step(Masked()[step], 1e-2) for trainer in (whole, parts))
        assert one.loss == pytest.approx(many.loss, rel=1e-5)
        assert one.gradient_norm == pytest.approx(many.gradient_norm, rel=1e-4)
        assert one.tokens == many.tokens == 4 * CONTEXT + 15


def test_the_micro_batch_divides_the_batch_and_is_bounded():
    config = job().model.config
    for batch in (1, 7, 24, 1024):
        rows = micro_batch(config, batch, 512, torch.device("cpu"))
        assert batch % rows == 0 and 1 <= rows <= 8


def test_a_loss_that_is_not_finite_ends_the_run_in_one_line(tmp_path):
    with pytest.raises(UserError, match=r"not finite.*pretrain\.learning_rate"):
        train(job(learning_rate=1e30, clip=1e30, warmup=0), tmp_path, time.monotonic())
    assert all(math.isfinite(line["loss"]) for line in curve(tmp_path) if "loss" in line)


def test_minutes_fix_the_steps_before_the_first(tmp_path):
    train(job(steps=None, minutes=0.15, checkpoint_minutes=10), tmp_path, time.monotonic())
    fixed = json.loads((tmp_path / PLAN).read_text())
    assert sum("loss" in line for line in curve(tmp_path)) == fixed["steps"] > 1
    first = curve(tmp_path)[1]["loss"]
    straight = tmp_path / "straight"
    straight.mkdir()
    train(job(steps=2), straight, time.monotonic())
    assert curve(straight)[1]["loss"] == first  # measuring left no trace in the weights


def test_fit_leaves_room_for_all_that_is_not_a_step():
    costs = plan.Costs(validation=2.0, validate_every=50, checkpoint=1.0, checkpoint_every=60.0)
    steps = plan.fit(270.0, 0.5, costs)
    whole = steps * 0.5 + (steps // 50 + 2) * 2.0 + (steps * 0.5 // 60 + 2) * 1.0
    assert 0.9 * 270 < whole < 270
    with pytest.raises(UserError, match="no step fits"):
        plan.fit(3.0, 0.5, costs)


def test_without_a_compiler_it_trains_eager_and_says_so(tmp_path, monkeypatch, capsys):
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("CXX", raising=False)
    out = tmp_path / "out"
    out.mkdir()
    train(job(compile="yes", steps=3), out, time.monotonic())
    assert "trains eager, since there is no C++ compiler" in capsys.readouterr().err
    fixed = json.loads((out / PLAN).read_text())
    assert not fixed["compiled"] and "compiler" in fixed["eager_because"]


def test_a_compiler_that_does_not_work_ends_in_eager_training(tmp_path, monkeypatch, capsys):
    broken = tmp_path / "g++"
    broken.write_text("#!/bin/sh\necho 'cc1plus: cannot execute' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("CXX", str(broken))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    torch._dynamo.reset()
    out = tmp_path / "out"
    out.mkdir()
    train(job(compile="yes", steps=3), out, time.monotonic())
    assert "trains eager, since compiling failed" in capsys.readouterr().err
    assert not json.loads((out / PLAN).read_text())["compiled"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler on this machine")
def test_compiled_training_follows_the_eager_curve(tmp_path):
    torch._dynamo.reset()
    for name in ("yes", "no"):
        (tmp_path / name).mkdir()
        train(job(compile=name, steps=20), tmp_path / name, time.monotonic())
    assert json.loads((tmp_path / "yes" / PLAN).read_text())["compiled"]
    compiled, eager = ([line["loss"] for line in curve(tmp_path / name) if "loss" in line] for name in ("yes", "no"))
    assert compiled == pytest.approx(eager, rel=1e-3)


def test_the_peak_is_the_best_of_half_a_second_of_products(monkeypatch):
    products, seconds = [], iter([9.0, 0.2, 0.05, 0.2, 0.1])  # the first, which is not counted, and no sixth

    def product(left, right):
        products.append(left.shape + right.shape)
        now.append(now[-1] + next(seconds))

    now = [0.0]
    monkeypatch.setattr(speed, "time", SimpleNamespace(perf_counter=lambda: now[-1]))
    monkeypatch.setattr(torch, "matmul", product)
    assert speed.peak.__wrapped__(torch.device("cpu"), "float32") == pytest.approx(2 * 1024**3 / 0.05)
    assert products == [(1024, 1024, 1024, 1024)] * 5
