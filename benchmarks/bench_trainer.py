"""Training from packed tokens to metrics.jsonl, end to end, beside Hugging Face's Trainer with torch.compile.

Both train the same shape on the same packed tokens, batch, precision and rates, in processes of their own that take
turns. What counts is the median step, all of it: loader, fill-in-the-middle, forward, backward, clipping, optimizer,
logging. Ours runs as recipes run (`documents` that share a row do not see each other) and, like with like, without
document masks. Peak is the best rate of 1,024-wide products in half a second before each step, with the clock stopped:
a shared machine, and a processor that grows warm, is faster or slower from one minute to the next. The share is the
median step's, of all rounds and of each; it counts the operations needed, causal attention halved over the whole row.

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
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

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
from repoloom.train.trainer import Trainer

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
    peaks = [peak for rows in found.values() for row in rows for peak in row["peaks"]]
    print(
        f"{asked.preset}: {config.parameters / 1e6:.1f}M parameters, {asked.batch} x {config.context} tokens, "
        f"{asked.precision}; {machine()['processor']}, peak {min(peaks) / 1e12:.2f} to {max(peaks) / 1e12:.2f} "
        f"TFLOP/s, median {statistics.median(peaks) / 1e12:.2f}, torch {torch.__version__}"
    )
    seconds = {name: statistics.median(s for row in rows for s in row["seconds"]) for name, rows in found.items()}
    flops = config.flops_per_token(config.context) * tokens
    for name, rows in found.items():
        shares = [[flops / s / peak for s, peak in zip(row["seconds"], row["peaks"], strict=True)] for row in rows]
        rounds = ", ".join(f"{statistics.median(steps):.3f}" for steps in shares)
        beside = f"  x{seconds[THEIRS] / seconds[name]:.2f}" if THEIRS in seconds else ""
        print(
            f"{name:<32} {tokens / seconds[name]:>8,.0f} tokens/s  "
            f"{statistics.median(share for steps in shares for share in steps):.3f} of peak ({rounds}){beside}"
        )


class Clock:
    """The seconds of each step, from the end of the one before, and the machine's peak just before it, not counted."""

    def __init__(self, precision: speed.Precision) -> None:
        self.precision = precision
        self.stopped = 0.0
        self.peaks: list[float] = []
        self.ends: list[float] = []

    def before(self) -> None:
        """Measure the peak."""
        began = time.perf_counter()
        speed.peak.cache_clear()
        self.peaks.append(speed.peak(torch.device("cpu"), self.precision))
        self.stopped += time.perf_counter() - began

    def after(self) -> None:
        """A step has ended."""
        self.ends.append(time.perf_counter() - self.stopped)

    def last(self, steps: int) -> dict[str, list[float]]:
        """The last `steps` of them."""
        ends = self.ends[-steps - 1 :]
        return {"seconds": [end - before for before, end in pairwise(ends)], "peaks": self.peaks[-steps:]}


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


def _child(asked: argparse.Namespace) -> dict[str, list[float]]:
    clock = Clock(asked.precision)
    if asked.child == THEIRS:
        _theirs(asked, clock)
    else:
        _ours(asked, asked.child == OURS, clock)
    return clock.last(asked.steps)


def _ours(asked: argparse.Namespace, mask: bool, clock: Clock) -> None:
    step = Trainer.step

    def timed(*arguments: Any, **options: Any) -> Any:
        clock.before()
        done = step(*arguments, **options)
        clock.after()
        return done

    with tempfile.TemporaryDirectory(prefix="bench-ours-") as place, patch.object(Trainer, "step", timed):
        # Held-out text is left out of both: a validation is no step.
        pretrain(asked.run / "pack", asked.run / "tokenizer", Path(place) / "pretrain", _recipe(asked, mask))


def _theirs(asked: argparse.Namespace, clock: Clock) -> None:
    import transformers
    from transformers import LlamaConfig, LlamaForCausalLM, TrainerCallback, TrainingArguments

    config = _config(asked)
    rows = (WARM + asked.steps) * asked.batch
    ids = Packed.open(asked.run / "pack", "train").ids[: rows * config.context]
    windows = torch.from_numpy(np.array(ids, np.int64)).view(rows, config.context)

    class Timed(TrainerCallback):
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            clock.before()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            clock.after()

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
        trainer = transformers.Trainer(
            model=LlamaForCausalLM(LlamaConfig.from_dict(_describe(config))),
            args=arguments,
            train_dataset=[{"input_ids": window, "labels": window} for window in windows],
            callbacks=[Timed()],
        )
        trainer.train()


if __name__ == "__main__":
    main()
