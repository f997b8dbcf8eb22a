"""Training speed: tokens/s of our step beside transformers' LlamaForCausalLM, eager and compiled, at the same shape.

The same batch, precision and optimizer (fused AdamW) for all; the contenders take turns, so that a noisy machine is
unkind to each alike, and all have glibc keep memory, as our training does. Peak is the best rate of square matrix
products, measured in every round; the floor is the step's operations (6 a weight and token, causal attention halved) at
that peak.

    python benchmarks/bench_training.py                      # the demo's shape
    python benchmarks/bench_training.py --shape 125m --rows 32
    for shape in laptop laptop-4x laptop-16x; do   # how cost grows with the weights; --context with the context
        python benchmarks/bench_training.py --shape $shape --rows 16 --contenders "ours compiled"
    done
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from repoloom.model.config import Config
from repoloom.model.huggingface import _describe
from repoloom.model.transformer import Transformer
from repoloom.stage import machine
from repoloom.train import speed
from repoloom.train.optimizer import adamw

SHAPES = {
    "laptop": Config(4160, 192, 512, 6, 3, 1, 512, tied=True, init_std=0.02),
    "laptop-4x": Config(4160, 384, 1024, 6, 6, 2, 512, tied=True, init_std=0.02),
    "laptop-16x": Config(4160, 768, 2048, 6, 12, 4, 512, tied=True, init_std=0.02),
    "125m": Config(32_256, 768, 2048, 12, 6, 2, 2048, init_std=0.02),
    "1.3b": Config(32_256, 2048, 5504, 24, 16, 16, 4096),
}
"""The demo's, it with 4 and 16 times the weights in its layers, the preset with DeepSeek Coder's vocabulary, and
DeepSeek Coder 1.3B's."""

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def main() -> None:
    """Measure and print a table, or one JSON object with --json."""
    asked = _arguments()
    device = speed.device()
    speed.keep_memory()
    precision = speed.precision(asked.precision, device)
    config = SHAPES[asked.shape]
    if asked.context:
        config = replace(config, context=asked.context)
    rng = np.random.default_rng(0)
    ids = torch.from_numpy(rng.integers(0, config.vocabulary, (asked.rows, config.context + 1))).to(device)
    steps = {}
    for name in asked.contenders:
        steps[name] = _step(name, config, ids, precision, device)
        steps[name]()
        steps[name]()
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    peaks = []
    for _ in range(asked.rounds):
        speed.peak.cache_clear()
        peaks.append(speed.peak(device, precision))
        for name, step in steps.items():
            clock = time.perf_counter()
            step()
            speed.synchronize(device)
            seconds[name].append(time.perf_counter() - clock)
    peak = max(peaks)
    tokens = asked.rows * config.context
    flops = config.flops_per_token(config.context) * tokens
    rows = {}
    for name, times in seconds.items():
        median = statistics.median(times)
        rows[name] = {"tokens_per_second": round(tokens / median), "peak_share": round(flops / median / peak, 3)}
    ours = rows[asked.contenders[0]]["tokens_per_second"]
    result = {
        "shape": asked.shape,
        "parameters": config.parameters,
        "rows": asked.rows,
        "context": config.context,
        "precision": precision,
        "device": torch.cuda.get_device_name() if device.type == "cuda" else machine()["processor"],
        "torch": torch.__version__,
        "peak_tflops": round(peak / 1e12, 3),
        "floor_seconds": round(flops / peak, 4),
        "contenders": rows,
        "memory_gb": round(torch.cuda.max_memory_allocated() / 1e9, 1) if device.type == "cuda" else None,
    }
    if asked.json:
        print(json.dumps(result))
        return
    print(
        f"{asked.shape}: {config.parameters / 1e6:.1f}M parameters, {asked.rows} x {config.context} tokens, "
        f"{precision}\n{result['device']}, peak {peak / 1e12:.2f} TFLOP/s, torch {torch.__version__}"
    )
    for name, row in rows.items():
        ratio = ours / row["tokens_per_second"]
        print(
            f"{name:<18} {row['tokens_per_second']:>9,} tokens/s  {row['peak_share']:.2f} of peak  ours is {ratio:.2f}x"
        )


def _step(
    name: str, config: Config, ids: torch.Tensor, precision: speed.Precision, device: torch.device
) -> Callable[[], None]:
    torch.manual_seed(0)
    compiled = name.endswith("compiled")
    if name.startswith("ours"):
        model: Any = Transformer(config).initialise(0).to(device)
        loss: Loss = model.compiled_loss(dynamic=False) if compiled else model.loss
    else:
        # float32 weights under autocast, as ours; sdpa is its default attention.
        model = LlamaForCausalLM(LlamaConfig.from_dict(_describe(config)))
        model.to(device)
        network = torch.compile(model, dynamic=False) if compiled else model

        def loss(tokens: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = network(input_ids=tokens, labels=targets, shift_labels=targets, use_cache=False).loss
            return out

    model.train()
    tokens, targets = ids[:, :-1].contiguous(), ids[:, 1:].contiguous()
    optimizer = adamw(model, learning_rate=1e-4, betas=(0.9, 0.95), weight_decay=0.1, device=device)

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            value = loss(tokens, targets)
        value.backward()  # type: ignore[no-untyped-call]  # torch leaves `backward` untyped
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def _arguments() -> SimpleNamespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="laptop")
    parser.add_argument("--rows", type=int, default=8, help="sequences a step")
    parser.add_argument("--context", type=int, help="tokens a sequence, instead of the shape's own")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto")
    parser.add_argument(
        "--contenders",
        nargs="+",
        default=["ours compiled", "ours eager", "transformers compiled", "transformers eager"],
    )
    parser.add_argument("--json", action="store_true")
    return SimpleNamespace(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
