"""The formulas against DeepSeek Coder's own table, and what a recipe gets from them."""

import pytest

from repoloom import recipe
from repoloom.errors import UsageError
from repoloom.model.config import Config
from repoloom.train import scaling

TABLE_2 = [
    (Config(32_256, 2048, 5504, 24, 16, 16, 4096), 1024, 5.3e-4),
    (Config(32_256, 4096, 11_008, 32, 32, 32, 4096), 2304, 4.2e-4),
    (Config(32_256, 7168, 19_200, 62, 56, 8, 4096), 3840, 3.5e-4),
]
"""1.3B, 6.7B, 33B of 2401.14196: shape, sequences a step, peak rate; 2T tokens each."""


@pytest.mark.parametrize(("config", "batch", "rate"), TABLE_2)
def test_the_published_rates_come_out(config, batch, rate):
    flops = config.flops_per_token(4096) * 2e12
    assert scaling.learning_rate(flops) == pytest.approx(rate, rel=0.03)


@pytest.mark.parametrize(("config", "batch", "rate"), TABLE_2[1:])
def test_the_published_batches_come_out_where_the_steps_are_theirs(config, batch, rate):
    steps = round(2e12 / 4096 / batch)
    found = scaling.batch(config.flops_per_token(4096), steps, 4096)
    assert found == pytest.approx(batch, rel=0.12), "three binary digits: an eighth at most"


@pytest.mark.parametrize("steps", [10, 1000, 100_000])
def test_the_batch_is_the_one_whose_own_compute_asks_for_it(steps):
    config = TABLE_2[0][0]
    rows = scaling.batch(config.flops_per_token(4096), steps, 4096)
    flops = config.flops_per_token(4096) * steps * rows * 4096
    assert rows * 4096 == pytest.approx(0.2920 * flops**0.3271, rel=0.13) or rows == 1
    unit = rows & -rows
    assert rows // unit < 8, "at most three binary digits"


def test_what_a_recipe_names_stands_and_the_rest_is_reckoned_from_it():
    config = TABLE_2[0][0]
    named = recipe.Pretrain(steps=1000, batch=24, learning_rate=1e-3)
    assert scaling.resolve(named, config) == (24, 1e-3)
    batch, rate = scaling.resolve(recipe.Pretrain(steps=1000, batch=24), config)
    assert batch == 24
    assert rate == scaling.learning_rate(config.flops_per_token(4096) * 1000 * 24 * 4096)
    with pytest.raises(UsageError, match=r"pretrain\.steps"):
        scaling.resolve(recipe.Pretrain(), config)


def test_minutes_need_both_named():
    for given in ({"batch": 8}, {"learning_rate": 1e-3}, {}):
        with pytest.raises(UsageError, match="with minutes, name batch and learning_rate"):
            recipe.parse({"name": "x", "pretrain": {"minutes": 5, **given}})
    assert recipe.parse({"name": "x", "pretrain": {"minutes": 5, "batch": 8, "learning_rate": 1e-3}})
