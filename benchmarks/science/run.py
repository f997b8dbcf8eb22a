"""Train and measure every arm with every seed, two at a time, each on one thread: a JSON line a run, in RESULTS.

    python benchmarks/science/run.py DIR RESULTS.jsonl [--seeds 3] [--steps 1000] [--arms base spm]
        [--set KEY=VALUE] [--start MODEL]

DIR is what corpus.py made. Runs that have a line already are left out, so that a stopped set goes on; the seeds are the
outer loop, so that what is there after any time has as many runs of each arm, but for one. A seed is that of the
weights, of the order of the windows and of the cuts, and the same for all arms: differences are taken by seed. Another
number of steps, settings of all arms by --set, or a model to start from (copying.py), want another file of results.
"""

import argparse
import functools
import json
import multiprocessing
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from arms import ARMS, data
from corpus import HERE

from repoloom import recipe

WORKERS = 2


def run(root: Path, arm: str, seed: int, steps: int, changes: list[str], start: Path | None) -> dict[str, Any]:
    """Train one arm with one seed and measure it."""
    import torch

    from repoloom.model import huggingface
    from repoloom.model.transformer import Transformer
    from repoloom.train.pretrain import pretrain

    torch.set_num_threads(1)
    if start is not None:
        weights = huggingface.load(start).state_dict()
        Transformer.initialise = lambda model, _: model.load_state_dict(weights)  # type: ignore[method-assign, assignment]
    settings = recipe.load(HERE / "base.toml", [*changes, *ARMS[arm], f"seed={seed}", f"pretrain.steps={steps}"])
    out = root / "runs" / f"{arm} {seed}"
    clock = time.process_time()
    manifest = pretrain(root / "pack" / data(arm), root / "tokenizer", out, settings)
    trained = time.process_time()
    figures = _measure(root, settings.model.context)(huggingface.load(out / "model").eval())
    shutil.rmtree(out)
    counts = {key: manifest["counts"][key] for key in ("tokens", "loss", "fim", "utilisation", "tokens_per_second")}
    seconds = {"training": trained - clock, "measuring": time.process_time() - trained}
    return {"arm": arm, "seed": seed, **figures, **counts, "processor_seconds": seconds}


@functools.cache
def _measure(root: Path, context: int) -> Any:
    from metrics import Measure

    return Measure(root / "pack" / "heldout", root / "tokenizer", context)


def left(results: Path, seeds: int, arms: list[str]) -> Iterator[tuple[str, int]]:
    """The runs that have no line yet."""
    lines = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    done = {(line["arm"], line["seed"]) for line in lines}
    return ((arm, seed) for seed in range(1, seeds + 1) for arm in arms if (arm, seed) not in done)


def main() -> None:
    """Do what is left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, metavar="DIR")
    parser.add_argument("results", type=Path, metavar="RESULTS")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="settings of every arm")
    parser.add_argument("--start", type=Path, metavar="MODEL", help="weights that every run starts from")
    asked = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(WORKERS, multiprocessing.get_context("spawn")) as pool:
        todo = left(asked.results, asked.seeds, asked.arms)
        jobs = [pool.submit(run, asked.root, arm, seed, asked.steps, asked.set, asked.start) for arm, seed in todo]
        for job in as_completed(jobs):
            line = job.result()
            with asked.results.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(f"{line['arm']:<24} seed {line['seed']}  {line['left to right']:.4f} bits a byte", flush=True)


if __name__ == "__main__":
    main()
