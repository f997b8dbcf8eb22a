"""Muon beside AdamW on a small model: held-out loss at equal tokens and at equal seconds, each at its best rate.

Muon (torch.optim.Muon) takes the layers' matrices, AdamW the embedding, which is the head too, and the norms. One rate
serves both: Muon's update is scaled to the root mean square of AdamW's [arXiv 2502.16982, 2.2]. Rates are searched on
shorter runs of one seed, in steps of two, for as long as the best lies at an edge; then each seed is run at the best.
Newton-Schulz costs time, so Muon also runs with only as many steps as fit into AdamW's seconds. One thread, and its
processor seconds: they do not grow with whatever else the machine does.

    python benchmarks/bench_optimizers.py --pack runs/laptop/pack --tokenizer runs/laptop/tokenizer
"""

import argparse
import statistics
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from repoloom import recipe
from repoloom.model import cross_entropy
from repoloom.model.config import Config
from repoloom.model.transformer import Transformer, run_block
from repoloom.stage import machine
from repoloom.tokens.batches import Batches
from repoloom.tokens.pack import Packed
from repoloom.tokens.tokenizer import Tokenizer
from repoloom.train import heldout, schedule
from repoloom.train.optimizer import adamw

MODEL = recipe.Model(hidden=128, mlp=352, layers=4, heads=2, kv_heads=1, context=512, init_std=0.02, tied=True)
ROWS = 8
BETAS, DECAY, WARMUP = (0.9, 0.95), 0.1, 0.1
RATES = [4e-3, 8e-3, 1.6e-2]
KINDS = ("adamw", "muon")


class Bench:
    """The data, and how a run is done on it."""

    def __init__(self, pack: Path, tokenizer: Path) -> None:
        self._tokenizer = Tokenizer.load(tokenizer)
        self._packed = Packed.open(pack, "train")
        self.config = Config.from_recipe(MODEL, self._tokenizer.size)
        self._heldout = heldout.whole(pack, self._tokenizer, self.config.context, 0)
        self._how: dict[str, Any] = {
            "run": torch.compile(run_block, dynamic=False),
            "chunk": torch.compile(cross_entropy.of_chunk, dynamic=False),
        }

    def train(self, kind: str, rate: float, seed: int, steps: int) -> tuple[float, float]:
        """The held-out loss, nats a token, and the processor seconds of a step; `seed` is that of weights and order."""
        model = Transformer(self.config).initialise(seed)
        batches = Batches(
            self._packed, self._tokenizer, context=self.config.context, fim=recipe.Fim(), seed=seed, batch=ROWS
        )
        optimizers = make(kind, model)
        times = []
        for step, batch in enumerate(batches.prefetch(0, steps)):
            clock = time.thread_time()
            _loss(model, batch, **self._how).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = rate * schedule.scale("linear", step, steps, int(WARMUP * steps))
                optimizer.step()
                optimizer.zero_grad()
            times.append(time.thread_time() - clock)
        with torch.no_grad():
            losses = [(_loss(model, batch).item(), int((batch.targets >= 0).sum())) for batch in self._heldout]
        return sum(loss * n for loss, n in losses) / sum(n for _, n in losses), statistics.median(times)


def make(kind: str, model: Transformer) -> list[torch.optim.Optimizer]:
    """The optimizers of a model: AdamW of all, or Muon of the layers' matrices and AdamW of the rest."""
    matrices = [parameter for parameter in model.model.layers.parameters() if parameter.dim() == 2]
    if kind == "muon":
        for matrix in matrices:
            matrix.requires_grad_(False)  # `adamw` takes what is trained
    rest = adamw(model, learning_rate=0.0, betas=BETAS, weight_decay=DECAY, device=torch.device("cpu"))
    model.requires_grad_(True)
    if kind == "adamw":
        return [rest]
    return [rest, torch.optim.Muon(matrices, weight_decay=DECAY, adjust_lr_fn="match_rms_adamw")]


def _loss(model: Transformer, batch: Any, **how: Any) -> torch.Tensor:
    documents = None if batch.documents is None else torch.from_numpy(batch.documents)
    with torch.autocast("cpu", torch.bfloat16):
        return model.loss(torch.from_numpy(batch.tokens), torch.from_numpy(batch.targets), documents, **how)


def best_rate(bench: Bench, kind: str, steps: int) -> float:
    """Try `RATES`, and more of them beyond an edge that is the best; print each."""
    found: dict[float, float] = {}
    ahead = list(RATES)
    while ahead:
        for rate in ahead:
            found[rate], seconds = bench.train(kind, rate, 0, steps)
            print(f"{kind:<6} rate {rate:.1e}  {steps} steps  {found[rate]:.4f}  {1000 * seconds:.0f} ms", flush=True)
        best = min(found, key=lambda rate: found[rate])
        ahead = [best / 2] if best == min(found) else [best * 2] if best == max(found) else []
    return best


def main() -> None:
    """Search rates, run the seeds, print the losses."""
    asked = _arguments()
    torch.set_num_threads(1)
    bench = Bench(asked.pack, asked.tokenizer)
    a_step = ROWS * bench.config.context
    print(f"{machine()['processor']}, one thread; {bench.config.parameters:,} parameters, bfloat16, compiled")
    print("held-out loss, nats a token, and processor time of a step\n")
    search, steps = (int(millions * 1e6 / a_step) for millions in (asked.search, asked.tokens))
    rates = dict(zip(KINDS, asked.rates or [best_rate(bench, kind, search) for kind in KINDS], strict=True))
    runs = {kind: seeds(bench, kind, rates[kind], steps, asked.seeds) for kind in KINDS}
    seconds = {kind: statistics.median(time for _, time in runs[kind]) for kind in KINDS}
    fewer = int(steps * seconds["adamw"] / seconds["muon"])
    runs["muon, AdamW's seconds"] = seeds(bench, "muon", rates["muon"], fewer, asked.seeds)
    print(f"\n{'':<22} {'rate':>7} {'steps':>6} {'tokens':>9} {'seconds':>8}  mean loss")
    for name, found in runs.items():
        kind = name.partition(",")[0]
        number = steps if name in KINDS else fewer
        print(
            f"{name:<22} {rates[kind]:>7.1e} {number:>6,} {number * a_step:>9,} {number * seconds[kind]:>8.1f}"
            f"  {statistics.fmean(loss for loss, _ in found):.4f}"
        )


def seeds(bench: Bench, kind: str, rate: float, steps: int, count: int) -> list[tuple[float, float]]:
    """Train with as many seeds, none of them the search's; print each."""
    found = []
    for seed in range(1, count + 1):
        found.append(bench.train(kind, rate, seed, steps))
        print(f"{kind:<6} seed {seed}  {steps} steps  {found[-1][0]:.4f}  {1000 * found[-1][1]:.0f} ms", flush=True)
    return found


def _arguments() -> SimpleNamespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, required=True, help="the pack stage's folder")
    parser.add_argument("--tokenizer", type=Path, required=True, help="the tokenizer stage's folder")
    parser.add_argument("--search", type=float, default=0.5, help="million tokens of a run that searches the rate")
    parser.add_argument("--tokens", type=float, default=1.0, help="million tokens of a run at the best rate")
    parser.add_argument("--rates", type=float, nargs=2, metavar=("ADAMW", "MUON"), help="as found; not searched then")
    parser.add_argument("--seeds", type=int, default=3)
    return SimpleNamespace(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
