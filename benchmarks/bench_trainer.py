"""Training from packed tokens to metrics.jsonl, end to end, beside Hugging Face's Trainer with torch.compile.

Both train the same shape on the same packed tokens, batch, precision and rates, in processes of their own that take
turns. What counts is the median step, all of it: loader, fill-in-the-middle, forward, backward, clipping, optimizer,
logging. Ours runs as recipes run (`documents` that share a row do not see each other) and, like with like, without
document masks. Peak is the best rate of 1,024-wide products, measured before and after each process's steps, which are
held against that: a shared machine has phases of some minutes. The share is the rounds' median and each of them; it
counts the operations needed, causal attention halved over the whole row.

    pip install accelerate      # Trainer's; or --target FOLDER, and FOLDER in PYTHONPATH
    python benchmarks/bench_trainer.py                                   # the demo's shape
    python benchmarks/bench_trainer.py --preset 125m --vocabulary 32000 --context 512 --steps 6
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # as the command line does, for both; before torch is loaded

import numpy as np
import torch

from repoloom import recipe
from repoloom.collect import collect
from repoloom.curate import curate
from repoloom.model.config import Config
from repoloom.model.huggingface import _describe
from repoloom.recipe import Recipe
from repoloom.stage import machine
from repoloom.tokens.pack import Packed, pack
from repoloom.tokens.tokenizer import Tokenizer, train
from repoloom.train import speed
from repoloom.train.pretrain import pretrain

WARM = 5
"""Steps that are not counted; compiling is in the first."""

OURS, ALIKE, THEIRS = "ours", "ours, no document masks", "transformers Trainer, compiled"


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="the folder of a run, instead of a corpus made for this")
    parser.add_argument("--vocabulary", type=int, default=4096, help="of the tokenizer made for this")
    parser.add_argument("--preset", default="laptop")
    parser.add_argument("--context", type=int, help="tokens a sequence, instead of the preset's own")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=40, help="steps that are counted, a round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="bfloat16")
    parser.add_argument("--contenders", nargs="+", choices=(OURS, ALIKE, THEIRS), default=[OURS, ALIKE, THEIRS])
    parser.add_argument("--child", choices=(OURS, ALIKE, THEIRS), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        print(json.dumps(_child(asked)))
        return
    with tempfile.TemporaryDirectory(prefix="bench-trainer-") as place:
        asked.run = (asked.run or _made(Path(place), asked.vocabulary)).resolve()
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in asked.contenders}
        for _ in range(asked.rounds):
            for name in asked.contenders:
                found[name].append(_run(asked, name))
        config = _config(asked)
    tokens = asked.batch * config.context
    peak = max(row["peak"] for rows in found.values() for row in rows)
    print(
        f"{asked.preset}: {config.parameters / 1e6:.1f}M parameters, {asked.batch} x {config.context} tokens, "
        f"{asked.precision}; {machine()['processor']}, peak {peak / 1e12:.2f} TFLOP/s, torch {torch.__version__}"
    )
    seconds = {name: statistics.median(s for row in rows for s in row["seconds"]) for name, rows in found.items()}
    for name, rows in found.items():
        flops = config.flops_per_token(config.context) * tokens
        shares = [flops / statistics.median(row["seconds"]) / row["peak"] for row in rows]
        beside = f"  x{seconds[THEIRS] / seconds[name]:.2f}" if THEIRS in seconds else ""
        print(
            f"{name:<32} {tokens / seconds[name]:>8,.0f} tokens/s  {statistics.median(shares):.3f} of peak "
            f"({', '.join(f'{share:.3f}' for share in shares)}){beside}"
        )


def _made(place: Path, vocabulary: int) -> Path:
    collect(place / "collect", recipe.Collect(sources=("installed:",), megabytes=48), seed=0)
    curate(place / "collect", place / "curate", recipe.Curate(), seed=0)
    settings = recipe.TokenizerSettings(vocabulary=vocabulary, sample_megabytes=12)
    train(place / "curate", place / "tokenizer", settings, seed=0)
    pack(place / "curate", place / "tokenizer", place / "pack")
    return place


def _run(asked: argparse.Namespace, name: str) -> dict[str, Any]:
    """One round of one contender, in a process of its own."""
    options = [f"--{key}={getattr(asked, key)}" for key in ("run", "preset", "batch", "steps", "precision")]
    if asked.context:
        options.append(f"--context={asked.context}")
    done = subprocess.run(
        [sys.executable, __file__, *options, "--child", name], stdout=subprocess.PIPE, text=True, check=True
    )
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def _recipe(asked: argparse.Namespace, mask: bool = True) -> Recipe:
    model = {"preset": asked.preset} | ({"context": asked.context} if asked.context else {})
    training = {
        "steps": WARM + asked.steps,
        "batch": asked.batch,
        "learning_rate": 1e-3,
        "warmup": WARM,
        "validate_every": 10**6,
        "precision": asked.precision,
        "compile": "yes",
    }
    return Recipe.model_validate(
        {"name": "bench", "model": model, "pretrain": training, "batches": {"document_mask": mask}}
    )


def _config(asked: argparse.Namespace) -> Config:
    return Config.from_recipe(_recipe(asked).model, Tokenizer.load(asked.run / "tokenizer").size)


def _child(asked: argparse.Namespace) -> dict[str, Any]:
    """The seconds of every counted step, and this machine's peak."""
    device = torch.device("cpu")
    peaks = [speed.peak(device, asked.precision)]
    seconds = _theirs(asked) if asked.child == THEIRS else _ours(asked, asked.child == OURS)
    speed.peak.cache_clear()
    peaks.append(speed.peak(device, asked.precision))
    return {"seconds": seconds, "peak": max(peaks)}


def _ours(asked: argparse.Namespace, mask: bool) -> list[float]:
    with tempfile.TemporaryDirectory(prefix="bench-ours-") as place:
        out = Path(place) / "pretrain"
        # Held-out text is left out of both: a validation is no step.
        pretrain(asked.run / "pack", asked.run / "tokenizer", out, _recipe(asked, mask))
        lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text("utf-8").splitlines()]
    ends = [line["seconds"] for line in lines if "loss" in line]
    return [after - before for before, after in zip(ends[WARM - 1 :], ends[WARM:], strict=False)]


def _theirs(asked: argparse.Namespace) -> list[float]:
    from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainerCallback, TrainingArguments

    config = _config(asked)
    rows = (WARM + asked.steps) * asked.batch
    ids = Packed.open(asked.run / "pack", "train").ids[: rows * config.context]
    windows = torch.from_numpy(np.array(ids, np.int64)).view(rows, config.context)
    ends: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            ends.append(time.perf_counter())

    with tempfile.TemporaryDirectory(prefix="bench-theirs-") as place:
        arguments = TrainingArguments(
            output_dir=place,
            use_cpu=True,
            bf16=asked.precision == "bfloat16",
            torch_compile=True,
            per_device_train_batch_size=asked.batch,
            max_steps=WARM + asked.steps,
            learning_rate=1e-3,
            adam_beta2=0.95,
            weight_decay=0.1,
            max_grad_norm=1.0,
            optim="adamw_torch_fused",
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        trainer = Trainer(
            model=LlamaForCausalLM(LlamaConfig.from_dict(_describe(config))),
            args=arguments,
            train_dataset=[{"input_ids": window, "labels": window} for window in windows],
            callbacks=[Clock()],
        )
        trainer.train()
    return [after - before for before, after in zip(ends[WARM - 1 :], ends[WARM:], strict=False)]


if __name__ == "__main__":
    main()
