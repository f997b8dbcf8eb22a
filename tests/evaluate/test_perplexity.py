"""Bits a token: a model that knows nothing says log2 V, and any model says what its own training loss says."""

import math

import numpy as np
import pytest
import torch

from repoloom.evaluate import perplexity
from repoloom.evaluate.heldout import NO_TOKEN, Windows
from repoloom.model.config import Config
from repoloom.model.transformer import Transformer

CONFIG = Config(
    vocabulary=128,
    hidden=32,
    mlp=64,
    layers=2,
    heads=4,
    kv_heads=2,
    context=16,
    rope_base=10_000.0,
    norm_epsilon=1e-6,
    init_std=0.2,
    tied=False,
)
START = 1


def windows(lengths: list[int]) -> Windows:
    generator = np.random.default_rng(0)
    parts = [generator.integers(2, 128, length) for length in lengths]
    previous = np.concatenate([np.concatenate(([NO_TOKEN], part[:-1])) for part in parts])
    bounds = np.cumsum([0, *lengths])
    return Windows(np.concatenate(parts), previous, bounds, np.zeros(bounds[-1], np.int64))


def test_a_uniform_model_says_log2_of_its_vocabulary() -> None:
    model = Transformer(CONFIG)
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    chosen = windows([16, 16, 5, 1])
    found = perplexity.bits(model, chosen.tokens, chosen.bounds, START)
    np.testing.assert_allclose(found, math.log2(CONFIG.vocabulary), rtol=1e-6)
    assert len(found) == 38


def test_it_is_the_training_loss_window_by_window(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Transformer(CONFIG)
    model.initialise(seed=0)
    chosen = windows([16, 9, 16, 1, 7])
    found = perplexity.bits(model, chosen.tokens, chosen.bounds, START)
    for low, high in zip(chosen.bounds[:-1], chosen.bounds[1:], strict=True):
        tokens = torch.from_numpy(chosen.tokens[low:high])[None]
        inputs = torch.cat((torch.full((1, 1), START), tokens[:, :-1]), 1)
        with torch.no_grad():
            loss = float(model.loss(inputs, tokens))
        assert found[low:high].mean() * math.log(2) == pytest.approx(loss, rel=1e-5)
    monkeypatch.setattr(perplexity, "_LOGITS", 1)
    np.testing.assert_allclose(perplexity.bits(model, chosen.tokens, chosen.bounds, START), found, rtol=1e-4)
