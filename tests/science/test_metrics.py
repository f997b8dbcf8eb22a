"""What the arms are measured by, on a small repository that is curated and packed as a user would."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from repoloom import recipe
from repoloom.collect import collect
from repoloom.curate import curate
from repoloom.model.config import Config
from repoloom.model.transformer import Transformer
from repoloom.tokens import tokenizer
from repoloom.tokens.pack import Packed, pack
from repoloom.tokens.tokenizer import Tokenizer

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "science"))

import metrics
from metrics import Measure

CONTEXT = 256
FILES = {
    "shop/money.py": "class Euro:\n    '''Whole.'''\n\n    def __init__(self, cents):\n        self.cents = cents\n",
    "shop/till.py": "from .money import Euro\n\n\ndef total(prices):\n    return Euro(sum(p.cents for p in prices))\n",
    "shop/goods.py": "from .till import total\n\n\ndef bill(cart):\n    # naïve: no tax\n    return total(cart)\n",
}


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    root = tmp_path_factory.mktemp("science")
    for copy in range(3):
        for name, text in FILES.items():
            place = root / f"repo{copy}" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text.replace("Euro", f"Euro{copy}").replace("total", f"total{copy}"))
    settings = recipe.Curate(decontaminate=(), duplicate_repositories=False, duplicate_files=False)
    collect(root / "collect", recipe.Collect(sources=tuple(f"dir:{root}/repo{copy}" for copy in range(3))), 1)
    curate(root / "collect", root / "curate", settings, 1, processes=1)
    tokenizer.train(root / "curate", root / "tokenizer", recipe.TokenizerSettings(vocabulary=300), 1)
    pack(root / "curate", root / "tokenizer", root / "pack")
    return root


@pytest.fixture(scope="module")
def measure(packed):
    return Measure(packed / "pack", packed / "tokenizer", CONTEXT)


@pytest.fixture(scope="module")
def model(packed):
    size = Tokenizer.load(packed / "tokenizer").size
    shape = recipe.Model(hidden=16, mlp=32, layers=1, heads=2, kv_heads=2, context=CONTEXT, init_std=0.5)
    return Transformer(Config.from_recipe(shape, size)).initialise(0).eval()


def test_the_tokens_of_names_spell_what_an_earlier_file_of_the_window_defines(packed, measure):
    ids, read = Packed.open(packed / "pack", "train").ids, Tokenizer.load(packed / "tokenizer")
    spelt = []
    for window in measure._named:
        text = read.decode(ids[window.start : window.file].tolist())
        assert (window.all >= window.file).all() and (window.all < window.end).all()
        assert set(window.first) <= set(window.all)
        spelt.append("".join(read.decode(ids[window.all].tolist()).split()))
        assert f"class {spelt[-1][:5]}" in text or f"def {spelt[-1][:6]}" in text
    assert len(spelt) == 6
    assert {"Euro0Euro0", "total2total2"} <= set(spelt)


def test_every_figure_is_the_mean_of_the_models_own_losses(packed, measure, model):
    found = measure(model)
    source, read = Packed.open(packed / "pack", "train"), Tokenizer.load(packed / "tokenizer")
    assert all(math.isfinite(value) and value > 0 for value in found.values())
    nats = size = 0.0
    for start, end in measure._text:
        row = [token for token in source.ids[start:end].tolist() if token != read.eos]
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            nats += model.loss(torch.tensor([[read.bos, *row[:-1]]]), torch.tensor([row])).item() * len(row)
        size += len(read.decode(row).encode())
    assert found["count left to right"] == size
    assert found["left to right"] == pytest.approx(nats / size / math.log(2), rel=1e-3)


def test_a_model_that_knows_nothing_pays_the_same_for_every_token(measure, packed):
    """With all weights zero every token costs log(vocabulary): the three ways to a middle cost alike, names as well."""
    size = Tokenizer.load(packed / "tokenizer").size
    shape = recipe.Model(hidden=16, mlp=32, layers=1, heads=2, kv_heads=2, context=CONTEXT)
    flat = Transformer(Config.from_recipe(shape, size)).initialise(0)
    for parameter in flat.parameters():
        parameter.data.zero_()
    found = measure(flat)
    assert found["PSM"] == found["SPM"] == found["prefix alone"]
    assert found["count PSM"] == found["count SPM"] == found["count prefix alone"] > 0
    assert found["names"] == found["first names"] == pytest.approx(math.log(flat.config.vocabulary))
    assert found["left to right"] == found["files alone"]


def test_files_parts_cover_a_window(measure, packed):
    source = Packed.open(packed / "pack", "train")
    for start, end in measure._text:
        parts = metrics._parts(source, start, end)
        assert np.concatenate([np.arange(a, b) for a, b in parts]).tolist() == list(range(end - start))
        assert all(start + a in source.files for a, _ in parts[1:])
