"""The named shapes: their numbers of parameters, counted on a network that takes no memory."""

import pytest
import torch

from repoloom import recipe
from repoloom.errors import UsageError
from repoloom.model.config import Config
from repoloom.model.transformer import Transformer
from repoloom.presets import PRESETS

ROWS = 32_256
"""Of DeepSeek Coder's embedding, which has room for more than its tokenizer's 32,022 entries."""

PARAMETERS = {
    "laptop": 8_554_944,
    "25m": 24_975_744,
    "125m": 125_061_888,
    "1.3b": 1_346_471_936,
    "5.7b": 5_700_325_376,
    "6.7b": 6_740_512_768,
    "33b": 33_342_991_360,
}
"""1.3B, 6.7B and 33B: of the released weights. 5.7B: only "5.7B" was published."""


def parsed(**model):
    return recipe.parse({"name": "x", "model": model}).model


@pytest.mark.parametrize("name", PRESETS)
def test_parameters(name):
    config = Config.from_recipe(parsed(preset=name), ROWS)
    with torch.device("meta"):
        model = Transformer(config)
    counted = sum(parameter.numel() for parameter in model.parameters())
    assert config.parameters == counted == PARAMETERS[name]


def test_the_default_shape_is_the_1_3b():
    assert parsed(preset="1.3b").model_dump() == parsed().model_dump()


def test_a_single_key_overrides_the_preset_and_the_name_leaves_no_trace():
    """What a stage is fingerprinted by is the shape, however it was written down."""
    long = parsed(preset="6.7b", context=16_384, rope_base=100_000, rope_scaling=4)
    assert (long.hidden, long.layers, long.context, long.rope_base, long.rope_scaling) == (4096, 32, 16_384, 1e5, 4)
    spelt = parsed(
        hidden=4096, mlp=11008, layers=32, heads=32, kv_heads=32, context=16_384, rope_base=1e5, rope_scaling=4
    )
    assert long.model_dump() == spelt.model_dump()
    assert "preset" not in long.model_dump()


@pytest.mark.parametrize(
    ("model", "key"),
    [
        ({"preset": "7b"}, "model.preset: "),
        ({"preset": ["1.3b"]}, "model.preset: "),
        ({"preset": "33b", "heads": 48}, "model: hidden must be heads times"),
        ({"rope_scaling": 0.5}, "model.rope_scaling: "),
        ({"rope_base": 0}, "model.rope_base: "),
    ],
)
def test_what_is_no_preset_or_does_not_fit_one_is_named(model, key):
    with pytest.raises(UsageError, match=f"^recipe: {key}"):
        parsed(**model)
