"""What a recipe's pretraining takes on given hardware: parameters, operations, memory a rank, tokens/s, days, cost.

Parameters and operations are exact. Memory is the model's own code walked through on tensors without data
(`train.footprint`) beside what the layout of the ranks leaves each. The rate is the share of the peak that was measured
or is given; where it is neither it is an assumption, and said to be one, as is the price.
"""

import re
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import torch

from repoloom.errors import UsageError
from repoloom.model import in_blocks
from repoloom.model.config import Config
from repoloom.model.transformer import Transformer
from repoloom.recipe import Recipe
from repoloom.tokens.bpe import SPECIAL
from repoloom.train import measure, parallel, scaling, speed
from repoloom.train.footprint import trace
from repoloom.train.job import Job
from repoloom.train.plan import timed
from repoloom.train.trainer import micro_batch

GB = 1e9


@dataclass(frozen=True, slots=True)
class Hardware:
    """An accelerator, by its data sheet."""

    flops: float
    """FLOP/s of dense bfloat16 matrix products."""
    memory: float
    """Bytes."""


HARDWARE = {
    "A100": Hardware(312e12, 80 * GB),
    "H100": Hardware(989.4e12, 80 * GB),
    "H800": Hardware(989.4e12, 80 * GB),
    "H200": Hardware(989.4e12, 141 * GB),
}
"""The SXM forms. H800 is H100 with slower links between the cards."""

MFU = 0.4
"""The share of the data sheet's peak that is assumed where none is measured or given."""

PRICE = 2.0
"""Dollars an hour of one accelerator: what DeepSeek-V3 reckons for an H800 [arXiv 2412.19437, Table 1]. An assumption:
give your own."""

RUNTIME = 0.40e9
"""Bytes of Python, PyTorch's libraries and their threads on a CPU; a CUDA context takes about as much."""

KEPT, KEPT_ACCUMULATING = 0.34, 0.5
"""Of activations and logits, the share that a CPU's process holds besides where a step is one micro-batch, or several:
what glibc keeps in pieces that fit no later tensor. Fitted to what was measured (docs/plan.md)."""

KINDS = ("weights", "gradients", "moments", "gathered", "activations", "logits", "runtime", "kept", "staged")

MEASURING = 60.0
"""Seconds that one measured step may take: a larger model's is not measured on a small machine."""

TIMED = 3.0
"""Seconds for which steps are timed."""


def plan(recipe: Recipe, on: str = "here", mfu: float | None = None, price: float | None = None) -> dict[str, Any]:
    """The plan as a table of tables; sizes in bytes, times in seconds unless their name says otherwise.

    `on` is `here` or a number and a kind, such as `8xH100`; `mfu` the share of the peak that training will reach;
    `price` dollars for one device and hour. Raises UsageError for unknown hardware, a layout that does not fit the
    devices, or a recipe that says neither steps nor minutes.
    """
    count, hardware = _hardware(on)
    settings = recipe.pretrain
    if settings.steps is None and settings.minutes is None:
        raise UsageError("pretrain.steps: say how long to train, in pretrain.steps or pretrain.minutes")
    # The tokenizer is not trained yet: its entries are those asked for and the special tokens.
    config = Config.from_recipe(recipe.model, recipe.tokenizer.vocabulary + len(SPECIAL))
    others = recipe.parallel.replicate * recipe.parallel.context * recipe.parallel.tensor
    shard = recipe.parallel.shard or max(count // others, 1)
    if shard * others != count:
        raise UsageError(f"parallel: shard x replicate x context x tensor is {shard * others}, and --on says {count}")
    parallel.check(config, recipe.parallel)
    device = speed.device() if hardware is None else torch.device("cuda")
    precision = _precision(recipe, hardware)
    batch, rate = scaling.resolve(settings, config)
    rows = -(-batch // (shard * recipe.parallel.replicate))
    free = None if hardware is None else int(hardware.memory)
    micro = micro_batch(config, rows, config.context, device, free)
    memory = _memory(config, recipe, count, micro, rows > micro, precision)
    if device.type == "cpu":
        share = KEPT if rows <= micro else KEPT_ACCUMULATING
        memory["kept"] = int(share * (memory["activations"] + memory["logits"]))
        memory["total"] += memory["staged"] + memory["kept"]
    memory["available"] = psutil.virtual_memory().total if hardware is None else int(hardware.memory)
    memory["fits"] = memory["total"] <= memory["available"]

    peak = speed.peak(device, precision) if hardware is None else hardware.flops
    per_token = config.flops_per_token(config.context)
    share, source = (mfu, "given") if mfu is not None else (MFU, "assumed")
    a_micro_batch = per_token * micro * config.context / (MFU * peak)
    if mfu is None and hardware is None and memory["fits"] and a_micro_batch < MEASURING:
        rate_here, compiled = _measured(config, recipe, micro, batch, precision)
        share, source = rate_here * per_token / peak, "measured compiled" if compiled else "measured eager"
    tokens_per_second = share * peak * count / per_token
    a_step = batch * config.context
    steps = settings.steps or max(int(60 * (settings.minutes or 0) * tokens_per_second / a_step), 1)
    seconds = steps * a_step / tokens_per_second
    hours = seconds / 3600 * count
    a_price = None if hardware is None and price is None else PRICE if price is None else price
    return {
        "recipe": recipe.name,
        "on": on,
        "devices": count,
        "precision": precision,
        "parameters": _parameters(config),
        "batch": {"sequences": batch, "tokens": a_step, "micro_batch": micro},
        "learning_rate": rate,
        "by_formula": [name for name in ("batch", "learning_rate") if getattr(settings, name) is None],
        "steps": steps,
        "tokens": steps * a_step,
        "flops": {
            "a_token": per_token,
            "a_token_executed": executed(config, config.context, recipe.parallel.activation_checkpointing, device),
            "training": per_token * steps * a_step,
        },
        "memory": memory,
        "peak_flops": peak,
        "mfu": share,
        "mfu_is": source,
        "tokens_per_second": tokens_per_second,
        "days": seconds / 86_400,
        "device_hours": hours,
        "price": a_price,
        "price_is": "assumed" if price is None else "given",
        "cost": None if a_price is None else hours * a_price,
    }


def executed(config: Config, context: int, checkpointing: bool, device: torch.device) -> float:
    """FLOPs that are executed for a token of a `context`-token sequence, where `flops_per_token` are those needed.

    Attention on CPUs computes whole blocks, on the diagonal the pairs of the future, too; kernels that leave those out
    (longer contexts when eager, GPUs) execute what is needed. `checkpointing` computes every layer's forward pass
    again, but for its last product, on which no gradient depends.
    """
    head = 6.0 * config.vocabulary * config.hidden
    needed = 6.0 * config.layers * config.hidden * context
    matrices = config.flops_per_token(context) - head - needed
    attention = needed
    if device.type == "cpu" and context <= in_blocks.LONGEST:
        pairs = sum((end - first) * end for first, end in in_blocks.blocks(context))
        attention = needed * 2 * pairs / context**2
    again = (matrices + attention) / 3 - 2.0 * config.layers * config.mlp * config.hidden
    return head + matrices + attention + (again if checkpointing else 0.0)


def _hardware(on: str) -> tuple[int, Hardware | None]:
    if on == "here":
        return 1, None
    found = re.fullmatch(r"(?:([1-9][0-9]{0,5})x)?([A-Za-z0-9]+)", on)
    if found is None or found[2].upper() not in HARDWARE:
        raise UsageError(f"--on {on}: expected here, or a number and one of {', '.join(HARDWARE)}, such as 8xH100")
    return int(found[1] or 1), HARDWARE[found[2].upper()]


def _precision(recipe: Recipe, hardware: Hardware | None) -> speed.Precision:
    if hardware is None:
        return speed.precision(recipe.pretrain.precision, speed.device())
    return "bfloat16" if recipe.pretrain.precision == "auto" else recipe.pretrain.precision


def _parameters(config: Config) -> dict[str, int]:
    matrix = config.vocabulary * config.hidden
    embedding = matrix * (1 if config.tied else 2)
    layers = config.parameters - embedding - config.hidden
    return {"all": config.parameters, "embedding_and_head": embedding, "a_layer": layers // config.layers}


def _memory(
    config: Config, recipe: Recipe, count: int, rows: int, accumulated: bool, precision: speed.Precision
) -> dict[str, Any]:
    """Bytes a rank, by kind, at the moment when it holds most."""
    how = recipe.parallel
    held = parallel.layout(config, how, count, precision)
    found = trace(
        config, rows=rows, context=config.context, precision=precision, checkpointing=how.activation_checkpointing
    )
    if count > 1 and precision == "bfloat16":
        # One process keeps bfloat16 copies of its weights until the backward pass; FSDP gathers them and lets them go.
        found = replace(found, activations=found.activations - 2 * config.layers * _parameters(config)["a_layer"])
    parts = how.tensor * how.context
    peak = found.peak(held["gradients"] * parts, accumulated) // parts
    kinds = {
        "weights": held["weights"],
        "gradients": held["gradients"],
        "moments": held["moments"],
        "gathered": held["gathered"],
        "activations": found.activations // parts,
        "logits": found.logits // parts,
        "runtime": int(RUNTIME),
    }
    total = held["weights"] + held["moments"] + held["gathered"] + peak + int(RUNTIME)
    return kinds | {"total": total, "staged": held["staged"]}


@dataclass(frozen=True, slots=True)
class _Noise:
    """Random tokens, whole rows: a batch, and the data in which every step is that batch."""

    tokens: npt.NDArray[np.int64]
    notes: Mapping[str, object] = field(default_factory=dict)

    @property
    def targets(self) -> npt.NDArray[np.int64]:
        """Any will do: what a step costs does not depend on them."""
        return self.tokens

    def __getitem__(self, step: int) -> "_Noise":
        return self

    def prefetch(self, first: int, last: int) -> Iterator["_Noise"]:
        """The same, once for each step."""
        return repeat(self, last - first)


def _measured(config: Config, recipe: Recipe, rows: int, batch: int, precision: speed.Precision) -> tuple[float, bool]:
    """Tokens/s of a few steps here on `rows` random sequences, and whether they are compiled: as training decides."""
    settings = recipe.pretrain
    if settings.steps is not None:
        steps = settings.steps * batch // rows
    else:
        steps = sys.maxsize if 60 * (settings.minutes or 0) >= measure.LONG_ENOUGH else 1
    noise = _Noise(np.random.default_rng(0).integers(0, config.vocabulary, (rows, config.context)))
    job = Job(
        name="plan",
        model=Transformer(config),
        reset=lambda model: model.initialise(0),
        data=noise,
        heldout=[],
        heldout_bytes=None,
        context=config.context,
        **settings.model_dump(exclude={"batch", "learning_rate", "steps", "minutes", "precision"}),
        batch=rows,
        learning_rate=1e-4,
        steps=steps,
        minutes=None,
        precision=precision,
    )
    fixed, trainer = measure.decide(job, time.monotonic(), Path())
    trainer.step(noise, 0.0)
    return rows * config.context / timed(lambda _: trainer.step(noise, 0.0), TIMED), fixed.compiled


def show(found: dict[str, Any]) -> str:
    """The plan as text for people."""
    memory, parameters, flops = found["memory"], found["parameters"], found["flops"]
    lines = [
        f"{found['recipe']} on {found['on']}, {found['precision']}",
        f"parameters   {parameters['all']:,} ({parameters['embedding_and_head']:,} in embedding and head,"
        f" {parameters['a_layer']:,} a layer)",
        f"training     {found['steps']:,} steps of {found['batch']['sequences']:,} sequences:"
        f" {found['tokens']:,} tokens, peak rate {found['learning_rate']:.2g}"
        + (f" ({' and '.join(found['by_formula'])} by the scaling formula)" if found["by_formula"] else ""),
        f"operations   {flops['a_token']:.4g} FLOPs a token ({flops['a_token_executed']:.4g} executed),"
        f" {flops['training']:.3g} in all",
        f"memory       {memory['total'] / GB:.2f} GB a rank of {memory['available'] / GB:.0f} GB"
        + ("" if memory["fits"] else ": DOES NOT FIT"),
        *(f"  {kind:<12} {size / GB:8.3f} GB" for kind, size in memory.items() if kind in KINDS and size),
        f"  with {found['batch']['micro_batch']} sequences at one time; staged is a checkpoint's copy, on the host",
        f"rate         {found['tokens_per_second']:,.0f} tokens/s at {found['mfu']:.2f} ({found['mfu_is']}) of"
        f" {found['peak_flops'] / 1e12:.3g} TFLOP/s a device",
        f"time         {_length(found['days'])}, {found['device_hours']:,.1f} device hours",
    ]
    if found["cost"] is not None:
        lines.append(f"cost         ${found['cost']:,.0f} at ${found['price']:.2f} ({found['price_is']}) a device hour")
    lines.append("Memory, rate, time and cost are estimates; what is assumed is said to be.")
    return "\n".join(lines)


def _length(days: float) -> str:
    if days >= 1:
        return f"{days:,.1f} days"
    return f"{days * 24:.1f} hours" if days >= 1 / 24 else f"{days * 1440:.1f} minutes"
