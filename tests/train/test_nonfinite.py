"""A batch whose loss is not finite: kept, replayed to the same loss, skipped or the end of the run."""

import json
import math
import re
import time

import numpy as np
import pytest
import torch

from repoloom.errors import UserError
from repoloom.train import checkpoint, nonfinite
from repoloom.train.loop import CHECKPOINTS, METRICS, train
from repoloom.train.trainer import Trainer
from tests.train import spread
from tests.train.tiny import Walks, job

BAD = 7


def explode(network):
    """Starting weights under which token 63 alone, which no walk has, overflows."""
    network.initialise(0)
    with torch.no_grad():
        network.model.embed_tokens.weight[63] = math.inf


class Poisoned(Walks):
    """One batch holds the token whose embedding is infinite."""

    def __init__(self, bad=(BAD,)):
        self.bad = bad

    def __getitem__(self, step):
        batch = super().__getitem__(step)
        if step in self.bad:
            batch.tokens[0, 3] = 63
        return batch


def poisoned(bad=(BAD,), **changes):
    # Weight decay would turn the infinite row into NaN everywhere it is read; the step size is finite all the same.
    return job(data=Poisoned(bad), reset=explode, weight_decay=0.0, heldout=[], heldout_bytes=None, **changes)


def lines(out):
    return [json.loads(line) for line in (out / METRICS).read_text().splitlines()]


def test_a_stopped_run_keeps_batch_and_weights_so_that_the_step_can_be_replayed(tmp_path):
    with pytest.raises(UserError, match=r"step 8: .*not finite.*is kept in"):
        train(poisoned(), tmp_path, time.monotonic())
    kept = nonfinite.load(tmp_path / "nonfinite" / "step-000000008.npz")
    np.testing.assert_array_equal(kept.tokens, Poisoned()[BAD].tokens)
    np.testing.assert_array_equal(kept.targets, Poisoned()[BAD].targets)
    assert not math.isfinite(kept.loss)
    again = Trainer(poisoned(), "float32", 8)
    assert checkpoint.load(tmp_path / CHECKPOINTS, again.model, again.optimizer) == BAD
    before = [parameter.clone() for parameter in again.model.parameters()]
    with pytest.raises(nonfinite.NotFiniteError) as failure:
        again.step(kept, kept.learning_rate)
    assert str(failure.value.loss) == str(kept.loss)
    assert all(torch.equal(a, b) for a, b in zip(before, again.model.parameters(), strict=True))
    assert all(parameter.grad is None for parameter in again.model.parameters())


def test_the_run_that_stopped_goes_on_when_it_is_told_to_skip(tmp_path):
    with pytest.raises(UserError):
        train(poisoned(), tmp_path, time.monotonic())
    train(poisoned(on_nonfinite="skip"), tmp_path, time.monotonic())
    straight = tmp_path / "straight"
    straight.mkdir()
    train(poisoned(on_nonfinite="skip"), straight, time.monotonic())
    clocks = {"seconds", "tokens_per_second"}
    curves = [
        [{k: v for k, v in line.items() if k not in clocks} for line in lines(out)] for out in (tmp_path, straight)
    ]
    assert curves[0] == curves[1]


def test_a_skipped_step_changes_no_weight_and_is_counted(tmp_path, capsys):
    done = poisoned(on_nonfinite="skip")
    counts = train(done, tmp_path, time.monotonic()).counts(done)
    assert counts["skipped"] == 1 and counts["tokens"] == 39 * 8 * 32
    found = lines(tmp_path)
    assert [line["step"] for line in found] == list(range(1, 41))
    assert "loss" not in found[BAD] and "not finite" in found[BAD]["skipped"]
    assert all(math.isfinite(line["loss"]) for line in found if "loss" in line)
    assert "step 8 is skipped" in capsys.readouterr().err


def test_what_never_ends_is_not_skipped_for_ever(tmp_path):
    with pytest.raises(UserError, match=f"step {5 + nonfinite.PATIENCE}:"):
        train(poisoned(range(5, 40), on_nonfinite="skip"), tmp_path, time.monotonic())
    assert len(list((tmp_path / "nonfinite").iterdir())) == nonfinite.PATIENCE


def test_a_file_that_is_no_batch_is_refused_in_one_line(tmp_path):
    for name, content in (("none.npz", None), ("bad.npz", b"no batch")):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match="holds no batch"):
            nonfinite.load(tmp_path / name)
    np.savez(tmp_path / "other.npz", tokens=np.zeros(3))
    with pytest.raises(UserError, match="holds no batch"):
        nonfinite.load(tmp_path / "other.npz")


@pytest.mark.slow
def test_two_processes_skip_together_what_one_of_them_saw(tmp_path):
    """The bad row is the second process's; the curve is that of one process, and each keeps the rows that it had."""
    how = {"steps": 12, "bad": [BAD], "weight_decay": 0.0, "on_nonfinite": "skip"}
    for processes in (1, 2):
        code, said = spread.launch(tmp_path / str(processes), processes, **how)
        assert code == 0 and said.count("step 8 is skipped") == 1, said
    one, two = (spread.lines(tmp_path / name) for name in "12")
    assert [line["step"] for line in two] == [line["step"] for line in one]
    assert "not finite" in two[BAD + 1]["skipped"], "the line after the validation before the first step"
    assert spread.losses(tmp_path / "2") == pytest.approx(spread.losses(tmp_path / "1"), abs=1e-5)
    assert len(spread.losses(tmp_path / "2")) == 11
    whole, *halves = (
        nonfinite.load(tmp_path / name / "float32" / "nonfinite" / f"step-000000008{rank}.npz")
        for name, rank in (("1", ""), ("2", ""), ("2", "-rank-1"))
    )
    np.testing.assert_array_equal(np.concatenate([half.tokens for half in halves]), whole.tokens)


@pytest.mark.slow
def test_two_processes_stop_together_and_go_on_when_they_are_told_to_skip(tmp_path):
    how = {"steps": 12, "bad": [BAD], "weight_decay": 0.0}
    code, said = spread.launch(tmp_path / "stopped", 2, **how)
    assert code == 1 and re.search(r"^repoloom: step 8: .*not finite.*is kept in .*step-000000008\.npz$", said, re.M), (
        said
    )
    assert len(spread.losses(tmp_path / "stopped")) == BAD
    for name in ("stopped", "straight"):
        code, said = spread.launch(tmp_path / name, 2, **how, on_nonfinite="skip")
        assert code == 0, said
    assert spread.lines(tmp_path / "stopped") == spread.lines(tmp_path / "straight")
