"""Who steps which parameter, and that Muon's steps are what its paper says, resumed or shared between processes."""

import math

import pytest
import torch

from repoloom.model.transformer import Transformer
from repoloom.train import checkpoint, optimizer
from repoloom.train.loop import CHECKPOINTS
from repoloom.train.trainer import Trainer
from tests.train.spread import CONFIG, launch, losses
from tests.train.tiny import Walks, job

CPU = torch.device("cpu")


def made(kind, **changes):
    model = job(**changes).model.initialise(0)
    return model, optimizer.make(kind, model, learning_rate=1e-2, betas=(0.9, 0.95), weight_decay=0.1, device=CPU)


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_every_parameter_has_one_optimizer_and_only_matrices_decay(kind):
    model, found = made(kind)
    stepped = [id(p) for group in found.param_groups for p in group["params"]]
    assert sorted(stepped) == sorted(map(id, model.parameters()))
    for group in found.param_groups:
        assert all((p.dim() == 2) == (group["weight_decay"] > 0) for p in group["params"])


def test_muon_has_the_matrices_of_the_layers_alone():
    model, found = made("muon")
    [muon] = [part for part in found if isinstance(part, torch.optim.Muon)]
    names = {id(p): name for name, p in model.named_parameters()}
    theirs = {names[id(p)].split(".")[-2] for group in muon.param_groups for p in group["params"]}
    assert theirs == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert sum(len(group["params"]) for group in muon.param_groups) == 7 * len(model.model.layers)


def test_muons_step_is_orthogonal_and_of_adamws_size():
    """Of a gradient of full rank: singular values near one, times 0.2 sqrt(the longer side) and the rate."""
    model, found = made("muon")
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    random = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=random)
    found.step()
    for name, parameter in model.named_parameters():
        if ".layers." in name and parameter.dim() == 2:
            step = (before[name] * (1 - 1e-2 * 0.1) - parameter.detach()) / 1e-2
            values = torch.linalg.svdvals(step) / (0.2 * math.sqrt(max(step.shape)))
            assert values.median() > 0.6 and values.max() < 1.3, name
            assert 0.1 < step.square().mean().sqrt() < 0.25, "AdamW's is about 0.2"
    found.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_a_checkpoint_holds_muons_momentum_bit_for_bit(tmp_path):
    first = Trainer(job(optimizer="muon"), "float32", 8)
    for step in range(3):
        first.step(Walks()[step], 1e-2)
    checkpoint.save(tmp_path, 3, first.model, first.optimizer)
    expected = first.step(Walks()[3], 1e-2)
    second = Trainer(job(optimizer="muon", reset=lambda model: model.initialise(9)), "float32", 8)
    assert checkpoint.load(tmp_path, second.model, second.optimizer) == 3
    assert second.step(Walks()[3], 1e-2) == expected
    assert all(torch.equal(a, b) for a, b in zip(first.model.parameters(), second.model.parameters(), strict=True))


@pytest.mark.slow
def test_processes_share_muons_matrices(tmp_path):
    """Newton-Schulz is computed in bfloat16, and rounds otherwise where several have a part: not within 1e-5 here."""
    for name, processes in (("one", 1), ("two", 2)):
        code, said = launch(tmp_path / name, processes, optimizer="muon", steps=20)
        assert code == 0, said
    expected = losses(tmp_path / "one")
    assert losses(tmp_path / "two") == pytest.approx(expected, abs=2e-3) and expected[-1] < expected[0] - 1
    one = Trainer(job(optimizer="muon", model=Transformer(CONFIG)), "float32", 8)
    assert checkpoint.load(tmp_path / "two" / "float32" / CHECKPOINTS, one.model, one.optimizer) == 20
    weights = torch.load(tmp_path / "two" / "float32" / "weights.pt")
    assert all(torch.equal(tensor, weights[name]) for name, tensor in one.model.state_dict().items())
