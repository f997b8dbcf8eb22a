"""A small training shared by processes: `launch` starts this file under torchrun, or alone, as a user would.

    spread.py OUT '{"steps": 50, "dtypes": ["float32"], "parallel": {"tensor": 2}, ...}'

Each dtype trains in a folder of its own, OUT/float32, and leaves its weights in weights.pt.
"""

import contextlib
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import psutil
import torch

from repoloom import recipe
from repoloom.errors import UserError
from repoloom.model.config import Config
from repoloom.model.transformer import Transformer
from repoloom.progress import say
from repoloom.train.job import Job
from repoloom.train.loop import train
from repoloom.train.ranks import joined

ROOT = Path(__file__).parents[2]
CONTEXT, BATCH = 32, 8
CONFIG = Config(vocabulary=64, hidden=32, mlp=48, layers=2, heads=4, kv_heads=2, context=CONTEXT, init_std=0.1)


POISON = 63
"""A token that no walk has. Where a run is to have `bad` steps, its embedding is infinite."""


@dataclass
class Batch:
    """Walks in steps of 0 to 2, two documents a row, as many targets without loss as the row's number says."""

    tokens: np.ndarray
    targets: np.ndarray
    documents: np.ndarray
    notes: dict = field(default_factory=dict)


class Walks:
    def __init__(self, own=slice(None), pause=0.0, bad=()):
        self.own, self.pause, self.bad = own, pause, bad

    def share(self, rank, ranks):
        rows = BATCH // ranks
        return Walks(slice(rank * rows, (rank + 1) * rows), self.pause, self.bad)

    def __getitem__(self, step):
        random = np.random.default_rng(step)
        walks = (np.cumsum(random.integers(0, 3, (BATCH, CONTEXT + 1)), 1) % 50).astype(np.int64)
        if step in self.bad:
            walks[BATCH - 2, 3] = POISON
        targets = walks[:, 1:].copy()
        documents = (np.arange(CONTEXT) >= random.integers(1, CONTEXT, (BATCH, 1))).astype(np.int32)
        for row in range(BATCH):
            targets[row, : 3 * row] = -100
        own = [part[self.own] for part in (walks[:, :-1], targets, documents)]
        return Batch(*own, {"fim": {"pieces": len(own[0]), "cut": int(own[2].sum())}})

    def prefetch(self, first, last):
        for step in range(first, last):
            time.sleep(self.pause)
            yield self[step]


@torch.no_grad()
def poison(model: Transformer) -> None:
    """Starting weights under which the poison overflows, each process's part of them."""
    plain = Transformer(model.config).initialise(0)
    plain.model.embed_tokens.weight[POISON] = math.inf
    weights = plain.state_dict()
    for name, parameter in model.named_parameters():
        parameter.copy_(weights[name])


def main(out: Path, how: dict) -> None:
    torch.set_num_threads(1)
    dtypes = how.pop("dtypes", ["float32"])
    shape, pause, bad = how.pop("shape", {}), how.pop("pause", 0.0), how.pop("bad", [])
    keep = recipe.Checkpoints(**how.pop("checkpoints", {}))
    with joined(recipe.Parallel(**how.pop("parallel", {}))) as ranks:
        for dtype in dtypes:
            with torch.device("meta" if ranks.count > 1 else "cpu"):
                model = Transformer(replace(CONFIG, **shape)).to(getattr(torch, dtype))
            settings = {
                "name": "pretrain", "model": model,
                "reset": poison if bad else lambda model: model.initialise(0),
                "data": Walks(pause=pause, bad=bad).share(ranks.share, ranks.shares),
                "heldout": [odd(Walks()[10**6])], "heldout_bytes": 512, "batch": BATCH, "context": CONTEXT,
                "steps": 50, "minutes": None, "learning_rate": 1e-2, "warmup": 5, "schedule": "three-step",
                "betas": (0.9, 0.95), "weight_decay": 0.1, "clip": 0.5, "precision": "float32", "compile": "no",
                "checkpoint_minutes": 60, "validate_every": 25, "statistics_every": 50,
                "ranks": ranks, "checkpoints": keep,
            } | how  # fmt: skip
            (out / dtype).mkdir(parents=True, exist_ok=True)
            trained = train(Job(**settings), out / dtype, time.monotonic())
            if ranks.first:
                torch.save(trained.model.state_dict(), out / dtype / "weights.pt")


def odd(batch: Batch) -> Batch:
    """Fewer rows than processes divide."""
    return replace(batch, tokens=batch.tokens[:5], targets=batch.targets[:5], documents=batch.documents[:5])


def command(processes: int, *arguments: str) -> list[str]:
    start = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] if processes > 1 else []
    return [sys.executable, *start, *arguments]


@contextlib.contextmanager
def started(words: list[str], **how) -> Iterator[subprocess.Popen]:
    """A process whose descendants end with the block, whatever happens in it."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(words, cwd=ROOT, env=environment, text=True, stderr=subprocess.PIPE, **how) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(psutil.Error):
                for each in [*psutil.Process(process.pid).children(recursive=True), process]:
                    each.kill()


def launch(out: Path, processes: int, timeout: float = 240, **how) -> tuple[int, str]:
    """Train until it ends; the exit code and what was said."""
    arguments = [str(Path(__file__)), str(out), json.dumps(how)]
    with started(command(processes, *arguments)) as process:
        said = process.communicate(timeout=timeout)[1]
    return process.returncode, said


def lines(out: Path, dtype: str = "float32") -> list[dict]:
    """What a run has to repeat: all but the clock."""
    text = (out / dtype / "metrics.jsonl").read_text()
    clocks = {"seconds", "tokens_per_second"}
    return [{k: v for k, v in json.loads(line).items() if k not in clocks} for line in text.splitlines()]


def losses(out: Path, dtype: str = "float32") -> list[float]:
    return [line["loss"] for line in lines(out, dtype) if "loss" in line]


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    try:
        main(Path(sys.argv[1]), json.loads(sys.argv[2]))
    except UserError as error:
        say(f"repoloom: {error}")
        sys.exit(error.exit_code)
