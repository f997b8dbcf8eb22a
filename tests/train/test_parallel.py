"""Processes that share a training give what one gives, whatever they share; the largest preset's layout.

`spread.py` is what they run, under torchrun.
"""

import json
import re
import shutil
import subprocess
import sys

import pytest
import torch

from repoloom import recipe
from repoloom.errors import UsageError
from repoloom.model import huggingface
from repoloom.train import parallel, speed
from tests.train.spread import CONFIG, ROOT, command, launch, lines, losses, started

BOTH = ["float32", "float64"]


@pytest.fixture(scope="module", params=[False, True], ids=["", "tied"])
def tied(request):
    return request.param


@pytest.fixture(scope="module")
def one(tmp_path_factory, tied):
    """Fifty steps of one process."""
    out = tmp_path_factory.mktemp("one")
    code, said = launch(out, 1, shape={"tied": tied}, dtypes=BOTH)
    assert code == 0, said
    return out


SHARED = {
    "fsdp": (2, {}),
    "hsdp": (4, {"replicate": 2}),
    "tensor": (2, {"tensor": 2}),
    "tensor and fsdp": (4, {"tensor": 2}),
    "context": (2, {"context": 2}),
    "context and fsdp": (4, {"context": 2}),
}
TIED = {"fsdp", "tensor"}
"""The ways in which a tied head is another matter: sent with the embedding, and divided with it."""


@pytest.mark.slow
@pytest.mark.parametrize("way", SHARED)
def test_processes_give_the_losses_and_weights_of_one(one, tied, way, tmp_path):
    if tied and way not in TIED:
        pytest.skip("as with a head of its own")
    processes, settings = SHARED[way]
    code, said = launch(tmp_path, processes, parallel=settings, shape={"tied": tied}, dtypes=BOTH)
    assert code == 0, said
    for dtype in BOTH:
        found, expected = lines(tmp_path, dtype), lines(one, dtype)
        assert len(losses(one, dtype)) == 50 and losses(one, dtype)[-1] < 2 < 4 < losses(one, dtype)[0], "it learns"
        assert [line["step"] for line in found] == [line["step"] for line in expected], "one process writes"
        for ours, theirs in zip(found, expected, strict=True):
            assert ours.keys() == theirs.keys()
            for key in ("loss", "heldout_loss", "gradient_norm"):
                assert ours.get(key) == pytest.approx(theirs.get(key), abs=1e-5 if dtype == "float32" else 1e-12)
            for key in ("tokens", "fim"):
                assert ours.get(key) == theirs.get(key), "counts of all processes' rows"
        for layer, measures in expected[-2]["layers"].items():
            assert found[-2]["layers"][layer] == pytest.approx(measures, rel=1e-3), "all of a layer, whoever has it"
        assert {"activation_rms", "activation_max"} < expected[-2]["layers"]["layer-01"].keys()
    ours, theirs = (torch.load(out / "float64" / "weights.pt") for out in (tmp_path, one))
    assert ours.keys() == theirs.keys()
    for name in theirs:
        torch.testing.assert_close(ours[name], theirs[name], rtol=0, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["fsdp", "tensor", "context"])
def test_large_matrices_are_clipped_alike(way, tmp_path):
    """PyTorch's norm of a large float32 tensor is too small, by more than for its parts."""
    how = {"shape": {"vocabulary": 40_000, "init_std": 0.02}, "steps": 20}
    for name, processes, settings in (("one", 1, {}), ("two", *SHARED[way])):
        code, said = launch(tmp_path / name, processes, parallel=settings, **how)
        assert code == 0, said
    norms = [[line["gradient_norm"] for line in lines(tmp_path / name) if "loss" in line] for name in ("one", "two")]
    assert norms[1] == pytest.approx(norms[0], rel=3e-6)
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), abs=1e-5)


def test_keeping_one_activation_a_layer_changes_no_bit(tmp_path):
    for name, settings in (("all", {}), ("one", {"activation_checkpointing": True})):
        code, said = launch(tmp_path / name, 1, parallel=settings, steps=5)
        assert code == 0, said
    assert lines(tmp_path / "all") == lines(tmp_path / "one")


@pytest.mark.slow
def test_bfloat16_and_activation_checkpointing_go_with_fsdp(tmp_path):
    settings = {"activation_checkpointing": True}
    for name, processes in (("one", 1), ("two", 2)):
        code, said = launch(tmp_path / name, processes, parallel=settings, steps=20, precision="bfloat16")
        assert code == 0, said
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), abs=2e-2)


@pytest.mark.slow
@pytest.mark.skipif(speed.cannot_compile(torch.device("cpu")) is not None, reason="there is no C++ compiler")
@pytest.mark.parametrize("way", ["fsdp", "tensor", "context"])
def test_compiled_layers_go_with(way, tmp_path):
    """Of a layer compiled between tensor ranks, torch 2.13 lost the gradient that the embedding was to have."""
    for name, processes, settings, how in (("one", 1, {}, "no"), ("two", *SHARED[way], "yes")):
        code, said = launch(tmp_path / name, processes, parallel=settings, compile=how, steps=6)
        assert code == 0, said
    assert json.loads((tmp_path / "two" / "float32" / "plan.json").read_text())["compiled"]
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), abs=1e-5)


LAYOUTS = {
    "512 fsdp": (512, {}),
    "8 x 64 hsdp": (512, {"replicate": 8}),
    "64 fsdp x 8 tensor": (512, {"tensor": 8}),
    "2 x 32 hsdp x 2 context x 4 tensor": (512, {"replicate": 2, "context": 2, "tensor": 4}),
    "3 fsdp, unevenly": (3, {}),
}
META = """
import json, sys
import torch, torch.distributed as dist
from torch.distributed.tensor import DTensor
from torch.testing._internal.distributed.fake_pg import FakeStore
from repoloom import recipe
from repoloom.model.config import Config
from repoloom.model.transformer import Transformer
from repoloom.train import parallel, ranks

config = Config.from_recipe(recipe.Model(preset="33b", context=16384), 32_256)
for count, of in json.loads(sys.argv[1]):
    settings = recipe.Parallel(**of)
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=count)
    with torch.device("meta"):
        model = Transformer(config)
    parallel.divide(model, ranks.placed(settings, count, "cpu"), "bfloat16")
    own = 0
    for name, parameter in model.named_parameters():
        assert isinstance(parameter, DTensor) and parameter.is_meta, name
        assert parameter.to_local().numel() < parameter.numel(), name
        own += parameter.to_local().numel()
    print(json.dumps([own, parallel.layout(config, settings, count, "bfloat16")]))
    dist.destroy_process_group()
"""


def test_the_33b_model_is_divided_to_the_last_parameter_as_predicted(capsys):
    words = [sys.executable, "-c", META, json.dumps(list(LAYOUTS.values()))]
    said = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT, timeout=240).stdout
    parameters = 33_342_991_360
    for way, line in zip(LAYOUTS, said.splitlines(), strict=True):
        own, kinds = json.loads(line)
        assert kinds["weights"] == kinds["gradients"] == kinds["moments"] / 2 == 4 * own
        count, settings = LAYOUTS[way]
        share = parameters * settings.get("replicate", 1) / count
        assert share <= own < 1.02 * share, "19,200 rows are not a multiple of 512"
        with capsys.disabled():
            print(f"\n  33B on {way}: " + ", ".join(f"{kind} {size / 2**30:.2f} GiB" for kind, size in kinds.items()))


@pytest.mark.parametrize(
    ("settings", "count", "key"),
    [
        ({"tensor": 3}, 6, "kv_heads"),
        ({"tensor": 2, "context": 2}, 4, "kv_heads"),
        ({"context": 3}, 3, "context"),
    ],
)
def test_a_model_that_cannot_be_divided_so_is_refused(settings, count, key):
    with pytest.raises(UsageError, match=rf"parallel: .*{key}"):
        parallel.check(CONFIG, recipe.Parallel(**settings))


@pytest.mark.parametrize(("processes", "settings"), [(1, {"tensor": 2}), (2, {"shard": 4})])
def test_numbers_that_do_not_come_to_the_processes_are_a_usage_error(processes, settings, tmp_path):
    code, said = launch(tmp_path, processes, parallel=settings)
    assert "parallel: shard x replicate x context x tensor is" in said
    assert f"torchrun started {processes} process" in said
    assert code == (2 if processes == 1 else 1), "torchrun has one code for all failures"


RECIPE = """
name = "tiny"
seed = 3
model = { hidden = 32, mlp = 64, layers = 2, heads = 4, kv_heads = 2, init_std = 0.02, context = 72 }
pretrain = { steps = 12, batch = 8, learning_rate = 1e-2, warmup = 4, precision = "float32", compile = "no" }
checkpoints = { every = 5, last = 1 }
"""


@pytest.mark.slow
def test_torchrun_of_the_command_writes_what_one_process_writes(street, tmp_path):
    (tmp_path / "recipe.toml").write_text(RECIPE)
    counts = {}
    for processes in (1, 2):
        run = tmp_path / str(processes)
        for stage in ("pack", "tokenizer"):
            shutil.copytree(getattr(street, stage), run / stage)
        words = ["-m", "repoloom", "pretrain", str(tmp_path / "recipe.toml"), "--out", str(run)]
        with started(command(processes, *words), stdout=subprocess.PIPE) as process:
            out, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
        assert out.count("model  ") == 1, "one process says where the model is"
        counts[processes] = json.loads((run / "pretrain" / "manifest.json").read_text())["counts"]
        places = sorted((run / "pretrain" / ".checkpoints").iterdir())
        assert [place.name for place in places] == ["step-000000005", "step-000000010", "step-000000012"]
    assert counts[1]["fim"] == counts[2]["fim"] and counts[1]["tokens"] == counts[2]["tokens"]
    for name in ("loss", "heldout_loss", "heldout_bits_per_byte"):
        assert counts[2][name] == pytest.approx(counts[1][name], abs=1e-5)
    ours, theirs = (huggingface.load(tmp_path / each / "pretrain" / "model").state_dict() for each in "21")
    for name in theirs:
        torch.testing.assert_close(ours[name], theirs[name], rtol=0, atol=1e-3)


def test_the_examples_in_the_docs_are_programs():
    text = (ROOT / "docs" / "parallel.md").read_text()
    found = re.findall(r"^```(bash|python)\n(.*?)^```", text, re.M | re.S)
    assert {kind for kind, _ in found} == {"bash", "python"}
    for kind, program in found:
        if kind == "python":
            compile(program, "docs/parallel.md", "exec")
        else:
            subprocess.run(["bash", "-n"], input=program, text=True, check=True)
