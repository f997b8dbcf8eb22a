"""Schedules that end at a floor, and the one that is stable in between."""

import math

import pytest
import torch

from repoloom import recipe
from repoloom.errors import UsageError
from repoloom.train.schedule import effective_warmup, scale


def test_cosine_to_a_floor_is_torchs_own():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=90, eta_min=0.1)
    for step in range(10, 100):
        assert scale("cosine", step, 100, 10, 0.1) == pytest.approx(theirs.get_last_lr()[0], abs=1e-9)
        optimizer.step()
        theirs.step()


def test_linear_to_a_floor_is_torchs_own():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.2, total_iters=50)
    for step in range(50):
        assert scale("linear", step, 50, 0, 0.2) == pytest.approx(theirs.get_last_lr()[0], abs=1e-9)
        optimizer.step()
        theirs.step()


def test_warmup_stable_decay_is_stable_for_four_fifths_and_then_falls_by_one_minus_a_root():
    rates = [scale("warmup-stable-decay", step, 1000, 100) for step in range(1000)]
    assert rates[49] == pytest.approx(0.5) and set(rates[99:801]) == {1.0}
    assert rates[850] == pytest.approx(1 - math.sqrt(50 / 200))
    assert rates[800:] == sorted(rates[800:], reverse=True) and len(set(rates[800:])) == 200
    floored = [scale("warmup-stable-decay", step, 1000, 100, 0.1) for step in range(1000)]
    assert floored[850] == pytest.approx(0.1 + 0.9 * 0.5) and min(floored[100:]) > 0.1


@pytest.mark.parametrize("kind", ["cosine", "linear", "warmup-stable-decay"])
def test_every_rate_lies_between_floor_and_peak_even_in_the_shortest_runs(kind):
    for steps in (1, 2, 3, 7):
        warmup = effective_warmup(2000, steps)
        assert all(0.3 <= scale(kind, step, steps, warmup, 0.3) <= 1 for step in range(warmup, steps))


def test_three_step_takes_no_floor():
    with pytest.raises(UsageError, match="floor"):
        recipe.parse({"name": "x", "pretrain": {"floor": 0.1}})
