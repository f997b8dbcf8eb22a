"""The plan against PyTorch's own counter of operations, its own tracker of tensors, and what a process really held."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker
from torch.utils.flop_counter import FlopCounterMode

from repoloom import recipe
from repoloom.errors import UsageError
from repoloom.model.config import Config
from repoloom.model.transformer import Transformer
from repoloom.plan import MFU, PRICE, executed, plan, show
from repoloom.train import scaling, speed
from repoloom.train.footprint import trace
from tests.street import repoloom

ROOT = Path(__file__).parents[1]
CPU = torch.device("cpu")
SMALL = Config(vocabulary=512, hidden=64, mlp=128, layers=3, heads=4, kv_heads=2, context=512)


def read(**tables):
    return recipe.parse({"name": "planned"} | tables)


DEFAULT = {"steps": 480_000, "batch": 1024}


@pytest.mark.parametrize("context", [64, 300, 512])
@pytest.mark.parametrize("tied", [False, True])
def test_the_operations_executed_are_those_that_pytorch_counts(context, tied):
    config = Config(512, 64, 128, 3, 4, 2, 512, tied=tied)
    with FakeTensorMode(), FlopCounterMode(display=False) as counter:
        tokens = torch.zeros(2, context, dtype=torch.int64)
        Transformer(config).loss(tokens, tokens).backward()
    assert counter.get_total_flops() == 2 * context * executed(config, context, False, CPU)


def test_what_is_needed_differs_from_what_is_executed_by_the_blocks_on_the_diagonal_alone():
    needed = SMALL.flops_per_token(512)
    attention = 6 * SMALL.layers * SMALL.hidden * 512
    assert executed(SMALL, 512, False, CPU) - needed == pytest.approx(attention / 8), "eight blocks: an eighth more"
    assert executed(SMALL, 512, False, torch.device("cuda")) == needed


def test_checkpointing_executes_every_layer_once_more():
    from repoloom.train.parallel import checkpointed

    with FakeTensorMode(), FlopCounterMode(display=False) as counter:
        tokens = torch.zeros(1, 256, dtype=torch.int64)
        Transformer(SMALL).loss(tokens, tokens, run=checkpointed).backward()
    assert counter.get_total_flops() == pytest.approx(256 * executed(SMALL, 256, True, CPU), rel=1e-9)


@pytest.mark.parametrize(("precision", "layers"), [("float32", 2), ("float32", 5), ("bfloat16", 5)])
def test_the_memory_of_a_step_is_what_pytorchs_tracker_finds(precision, layers):
    config = Config(2048, 64, 160, layers, 4, 2, 256)
    found = trace(config, rows=4, context=256, precision=precision)
    with FakeTensorMode():
        model, tracker = Transformer(config), MemTracker()
        tracker.track_external(model)
        tokens = torch.zeros(4, 256, dtype=torch.int64)
        with tracker:
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
                loss = model.loss(tokens, tokens)
            loss.backward()
        peak = tracker.get_tracker_snapshot("peak")[CPU]["Total"]
    weights = 4 * config.parameters
    assert weights + found.peak(weights, accumulated=False) == pytest.approx(peak, rel=0.03)


def test_gradients_that_stand_already_add_to_the_peak():
    found = trace(SMALL, rows=1, context=64, precision="float32")
    gradients = 4 * SMALL.parameters
    assert found.peak(gradients, True) > found.peak(gradients, False) >= gradients


def test_checkpointing_keeps_far_less():
    config = Config(512, 64, 160, 24, 4, 2, 256)
    kept, again = (
        trace(config, rows=2, context=256, precision="float32", checkpointing=flag).activations
        for flag in (False, True)
    )
    assert again < kept / 5


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's /proc")
@pytest.mark.parametrize(("size", "precision"), [("small", "float32"), ("small", "bfloat16"), ("laptop", "bfloat16")])
def test_the_memory_of_a_process_as_the_command_line_runs_it_is_that_of_the_prediction(size, precision):
    """Within a tenth, what glibc keeps of memory that was given back among it.

    That scatters, and the plan is for the worst of three processes.
    """
    script = [sys.executable, "benchmarks/bench_plan.py", "--child", size, precision]
    held = []
    for _ in range(3):
        done = subprocess.run(script, cwd=ROOT, check=True, capture_output=True, text=True)
        in_use, predicted, measured = map(float, done.stdout.split()[:3])
        held.append(measured)
    measured = max(held)
    assert predicted == pytest.approx(measured, rel=0.1)
    assert in_use < measured, "glibc keeps some"


def test_deepseek_coders_sizes_on_eight_h100():
    found = plan(read(pretrain=DEFAULT), "8xH100")
    assert 1.3e9 < found["parameters"]["all"] < 1.36e9
    assert found["tokens"] == 480_000 * 1024 * 4096
    memory = found["memory"]
    assert memory["weights"] == pytest.approx(4 * found["parameters"]["all"] / 8, rel=0.01)
    assert memory["moments"] == 2 * memory["weights"] and memory["fits"]
    rate = MFU * 8 * 989.4e12 / found["flops"]["a_token"]
    assert found["tokens_per_second"] == pytest.approx(rate) and found["mfu_is"] == "assumed"
    assert found["days"] == pytest.approx(found["tokens"] / rate / 86_400)
    assert found["cost"] == pytest.approx(found["days"] * 24 * 8 * PRICE) and found["price_is"] == "assumed"
    given = plan(read(pretrain=DEFAULT), "8xh100", mfu=0.2, price=3.0)
    assert given["days"] == pytest.approx(2 * found["days"]) and given["cost"] == pytest.approx(3 * found["cost"])
    assert "(given)" in show(given) and "(assumed)" in show(found)


def test_the_formulas_serve_where_the_recipe_names_nothing():
    found = plan(read(pretrain={"steps": 100_000}), "8xA100")
    assert found["by_formula"] == ["batch", "learning_rate"] and "by the scaling formula" in show(found)
    flops = found["flops"]["training"]
    assert found["learning_rate"] == pytest.approx(scaling.learning_rate(flops))


def test_what_does_not_fit_is_said():
    large = {"hidden": 7168, "mlp": 19_200, "layers": 62, "heads": 56, "kv_heads": 8}
    found = plan(read(model=large, pretrain=DEFAULT), "1xA100")
    assert not found["memory"]["fits"] and "DOES NOT FIT" in show(found)
    spread = plan(read(model=large, pretrain=DEFAULT, parallel={"activation_checkpointing": True}), "64xH200")
    assert spread["memory"]["fits"]


def test_copies_of_the_weights_are_no_activations_of_ranks_that_gather_them():
    """Activations grow with the rows and with nothing else: what is left at no rows is what belongs to the weights."""
    config = Config(1024, 256, 704, 6, 4, 2, 256)
    two, four = (trace(config, rows=rows, context=256, precision="bfloat16").activations for rows in (2, 4))
    matrices = config.layers * (256 * (2 * 256 + 2 * 128) + 3 * 256 * 704)
    head = 1024 * 256
    assert 2 * matrices < 2 * two - four < 2 * matrices + 7 * head
    alone, many = (plan(read(pretrain=DEFAULT), on)["memory"]["activations"] for on in ("1xH200", "64xH200"))
    assert many < alone


@pytest.mark.parametrize("on", ["8xB99", "x", "0xH100", "8xH100x2", "9999999xH100"])
def test_unknown_hardware_is_refused_in_one_line(on):
    with pytest.raises(UsageError, match="--on"):
        plan(read(pretrain=DEFAULT), on)


def test_a_layout_that_does_not_come_to_the_devices_is_refused():
    with pytest.raises(UsageError, match="parallel"):
        plan(read(pretrain=DEFAULT, parallel={"tensor": 3}), "8xH100")


@pytest.mark.slow
@pytest.mark.skipif(speed.cannot_compile(CPU) is not None, reason="there is no C++ compiler")
def test_what_is_measured_is_compiled_where_training_would_be(capsys):
    model = {"hidden": 64, "mlp": 128, "layers": 1, "heads": 2, "kv_heads": 1, "context": 128}
    for steps, compile, how in ((10**9, "auto", None), (1, "yes", "compiled"), (10**9, "no", "eager")):
        pretrain = {"steps": steps, "batch": 4, "learning_rate": 1e-3, "compile": compile, "precision": "float32"}
        found = plan(read(tokenizer={"vocabulary": 512}, model=model, pretrain=pretrain))
        said = "plan: compiling" in capsys.readouterr().err
        assert said == (compile != "no")
        assert found["mfu_is"] in ({f"measured {how}"} if how else {"measured compiled", "measured eager"})
        assert f"({found['mfu_is']})" in show(found) and found["tokens_per_second"] > 0


def test_the_command_measures_here_and_prints_both_forms(tmp_path):
    done = repoloom("plan", ROOT / "recipes" / "smallest.toml", "--json", "--set", "pretrain.precision=float32")
    assert done.returncode == 0, done.stderr
    import json

    found = json.loads(done.stdout)
    assert found["mfu_is"] == "measured eager" and 0 < found["mfu"] < 1.5 and found["cost"] is None
    done = repoloom("plan", ROOT / "recipes" / "smallest.toml", "--mfu", "0.5", "--price", "1")
    assert done.returncode == 0 and "(given)" in done.stdout and "cost" in done.stdout
    done = repoloom("plan", ROOT / "recipes" / "smallest.toml", "--on", "3xToaster")
    assert done.returncode == 2 and "--on 3xToaster" in done.stderr
