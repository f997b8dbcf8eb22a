"""The memory that `repoloom plan` predicts beside what a training process on this CPU really held, at five sizes.

Each size is trained by the real loop in a process of its own; measured is its peak of resident memory (VmHWM). The copy
for a checkpoint is held until the next step is done, as by a slow disk. Once with glibc told to give memory back
(MALLOC_MMAP_THRESHOLD_), which is what a program holds; once as training runs, where glibc keeps what it was given for
the next step, in pieces that do not always fit.

    python benchmarks/bench_plan.py
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

SIZES: dict[str, dict[str, Any]] = {
    "small": {
        "model": {"hidden": 128, "mlp": 352, "layers": 4, "heads": 4, "kv_heads": 2, "context": 256},
        "batch": 16,
    },
    "laptop": {
        "model": {"hidden": 192, "mlp": 512, "layers": 6, "heads": 3, "kv_heads": 1, "context": 512},
        "batch": 16,
    },
    "8m": {"model": {"hidden": 256, "mlp": 704, "layers": 8, "heads": 4, "kv_heads": 4, "context": 1024}, "batch": 4},
    "25m": {
        "model": {"hidden": 384, "mlp": 1024, "layers": 8, "heads": 6, "kv_heads": 2, "context": 512},
        "batch": 8,
    },
    "36m": {"model": {"hidden": 512, "mlp": 1376, "layers": 10, "heads": 8, "kv_heads": 8, "context": 512}, "batch": 1},
}
VOCABULARY = {"small": 4096, "laptop": 4096, "8m": 8192, "25m": 32_000, "36m": 8192}
STEPS = 3


@dataclass
class _Noise:
    tokens: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64]
    notes: dict[str, object] = field(default_factory=dict)


class _Data:
    """Random tokens, whole rows."""

    def __init__(self, rows: int, context: int, vocabulary: int) -> None:
        self._shape, self._vocabulary = (rows, context + 1), vocabulary

    def __getitem__(self, step: int) -> _Noise:
        ids = np.random.default_rng(step).integers(0, self._vocabulary, self._shape)
        return _Noise(ids[:, :-1].copy(), ids[:, 1:].copy())

    def prefetch(self, first: int, last: int) -> Iterator[_Noise]:
        return (self[step] for step in range(first, last))


def main() -> None:
    """Print a line for each size and precision."""
    asked = _arguments()
    if asked.child:
        _child(*asked.child)
        return
    print(
        f"{'size':<8} {'precision':<9} {'in use':>9} {'held':>9} {'ratio':>6} {'predicted':>9} {'held':>9} {'ratio':>6}"
    )
    for size in asked.sizes:
        for precision in asked.precisions:
            command = [sys.executable, __file__, "--child", size, precision]
            columns = []
            for more, place in (({"MALLOC_MMAP_THRESHOLD_": "65536"}, 0), ({}, 1)):
                done = subprocess.run(command, env=os.environ | more, check=True, capture_output=True, text=True)
                *predicted, held = map(float, done.stdout.split()[:3])
                columns.append(
                    f"{predicted[place] / 1e6:>6.0f} MB {held / 1e6:>6.0f} MB {predicted[place] / held:>6.2f}"
                )
            print(f"{size:<8} {precision:<9} {' '.join(columns)}", flush=True)


def _child(size: str, precision: Any) -> None:
    """Train a size; print in bytes what was predicted to be in use, what with all that glibc keeps, what was held."""
    from repoloom import plan, recipe
    from repoloom.model.config import Config
    from repoloom.model.transformer import Transformer
    from repoloom.tokens.bpe import SPECIAL
    from repoloom.train.job import Job
    from repoloom.train.loop import train

    _hold_checkpoints()
    settings = recipe.parse(
        {
            "name": size,
            "tokenizer": {"vocabulary": VOCABULARY[size]},
            "model": SIZES[size]["model"] | {"tied": True},
            "pretrain": {"steps": STEPS, "batch": SIZES[size]["batch"], "learning_rate": 1e-3, "precision": precision},
            "checkpoints": {"every": 2},
        }
    )
    config = Config.from_recipe(settings.model, VOCABULARY[size] + len(SPECIAL))
    pretrain = settings.pretrain
    assert pretrain.batch is not None and pretrain.learning_rate is not None
    job = Job(
        name="plan",
        model=Transformer(config),
        reset=lambda model: model.initialise(0),
        data=_Data(pretrain.batch, config.context, config.vocabulary),
        heldout=[],
        heldout_bytes=None,
        batch=pretrain.batch,
        context=config.context,
        steps=STEPS,
        minutes=None,
        learning_rate=pretrain.learning_rate,
        warmup=0,
        schedule="linear",
        betas=pretrain.betas,
        weight_decay=pretrain.weight_decay,
        clip=pretrain.clip,
        precision=precision,
        compile="no",
        checkpoint_minutes=60,
        validate_every=STEPS,
        checkpoints=settings.checkpoints,
    )
    with tempfile.TemporaryDirectory(prefix="bench-plan-") as folder:
        train(job, Path(folder), time.monotonic())
    status = Path("/proc/self/status").read_text()
    held = 1024 * int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
    found = plan.plan(settings, mfu=0.5)
    print(found["memory"]["total"] - found["memory"]["kept"], found["memory"]["total"], held, found["memory"])


def _hold_checkpoints() -> None:
    """Keep the copy for a checkpoint through the next step: whether the disk or the step is faster is else a race."""
    from torch.distributed.checkpoint import staging
    from torch.optim.optimizer import register_optimizer_step_post_hook

    from repoloom.train import checkpoint

    kept: list[Any] = []

    class Holding(staging.BlockingAsyncStager):
        def stage(self, state_dict: Any) -> Any:
            kept.append(super().stage(state_dict))
            return kept[-1]

    setattr(checkpoint, "BlockingAsyncStager", Holding)  # noqa: B010  (to mypy it is a name of another module)
    register_optimizer_step_post_hook(lambda *_: kept.clear())


def _arguments() -> SimpleNamespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--precisions", nargs="+", choices=("float32", "bfloat16"), default=["float32", "bfloat16"])
    parser.add_argument("--child", nargs=2, metavar=("SIZE", "PRECISION"), help=argparse.SUPPRESS)
    return SimpleNamespace(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
