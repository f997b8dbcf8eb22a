"""Statistics by layer against the numbers computed from plain hooks, and that looking changes nothing."""

import json
import time

import pytest
import torch

from repoloom.train import layerwise
from repoloom.train.loop import METRICS, train
from repoloom.train.trainer import Trainer
from tests.train.tiny import Walks, job


def rms(*tensors):
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    return flat.square().mean().sqrt().item()


def test_every_layer_is_measured_as_hooks_would_see_it():
    model = job().model.initialise(3)
    batch = Walks()[0]
    tokens, targets = torch.from_numpy(batch.tokens), torch.from_numpy(batch.targets)
    model.loss(tokens, targets).backward()
    seen = {}
    for name, module in model.model.named_children():
        if name == "layers":
            for number, block in enumerate(module):
                block.register_forward_hook(lambda _, __, y, n=number: seen.__setitem__(f"layer-{n:02d}", y.detach()))
    model.model.embed_tokens.register_forward_hook(lambda _, __, y: seen.__setitem__("embedding", y.detach()))
    found = layerwise.look(model, tokens, tokens)
    assert set(found) == {"embedding", "layer-00", "layer-01", "norm", "head"}
    for layer, output in seen.items():
        assert found[layer]["activation_rms"] == pytest.approx(rms(output), rel=1e-5)
        assert found[layer]["activation_max"] == pytest.approx(output.abs().max().item(), rel=1e-6)
    for number, block in enumerate(model.model.layers):
        measures = found[f"layer-{number:02d}"]
        assert measures["weight_rms"] == pytest.approx(rms(*block.parameters()), rel=1e-5)
        assert measures["gradient_rms"] == pytest.approx(rms(*(p.grad for p in block.parameters())), rel=1e-5)
    assert found["head"]["gradient_rms"] == pytest.approx(rms(model.lm_head.weight.grad), rel=1e-5)


def test_looking_at_a_step_changes_nothing_of_it():
    watched, other = (Trainer(job(), "float32", 4) for _ in range(2))
    for step in range(3):
        one, two = watched.step(Walks()[step], 1e-2, watch=True), other.step(Walks()[step], 1e-2)
        assert (one.loss, one.gradient_norm) == (two.loss, two.gradient_norm)
        assert one.layers and two.layers is None
    assert all(torch.equal(a, b) for a, b in zip(watched.model.parameters(), other.model.parameters(), strict=True))


def test_they_stand_on_the_lines_of_the_steps_that_were_asked_for(tmp_path):
    train(job(statistics_every=15), tmp_path, time.monotonic())
    found = [json.loads(line) for line in (tmp_path / METRICS).read_text().splitlines()]
    assert [line["step"] for line in found if "layers" in line] == [15, 30]
