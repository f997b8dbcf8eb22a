import math

import pytest

from repoloom.train.schedule import effective_warmup, scale


def test_three_step_warms_up_and_drops_by_the_root_of_a_tenth_at_80_and_90_percent():
    steps, warmup = 1000, 100
    rates = [scale("three-step", step, steps, warmup) for step in range(steps)]
    assert rates[0] == pytest.approx(0.01) and rates[49] == pytest.approx(0.5) and rates[99] == 1
    assert set(rates[100:800]) == {1.0}
    assert rates[800:900] == pytest.approx([math.sqrt(0.1)] * 100)
    assert rates[900:] == pytest.approx([0.1] * 100)


def test_cosine_is_torchs_own():
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=90)
    for step in range(10, 100):
        assert scale("cosine", step, 100, 10) == pytest.approx(theirs.get_last_lr()[0], abs=1e-9)
        optimizer.step()
        theirs.step()


def test_linear_falls_evenly_towards_zero():
    rates = [scale("linear", step, 100, 0) for step in range(100)]
    assert rates[0] == 1 and rates[50] == pytest.approx(0.5) and rates[99] == pytest.approx(0.01)


@pytest.mark.parametrize("kind", ["three-step", "cosine", "linear"])
def test_every_rate_lies_in_the_peak_even_in_the_shortest_runs(kind):
    for steps in (1, 2, 3, 7):
        warmup = effective_warmup(2000, steps)
        assert all(0 < scale(kind, step, steps, warmup) <= 1 for step in range(steps))
