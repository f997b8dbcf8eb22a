"""What the training batches cost a process, and what becomes of the rates and the room, on real packed tokens.

Packages of this environment are collected, curated and packed first (or `--run` names the folder of a run). Then
batches are made one after the other in this process, on one thread; the clock is the process' own CPU time, the median
of the rounds stands, and every round makes other steps. Beside them the floor, batches of the same rows with nothing
cut, and what BigCode's trainer does for a cut: decode the piece, encode its three parts whole (here by Hugging Face's
tokenizer, with its own cuts).

    python benchmarks/bench_loader.py                               # 60 MB, a vocabulary of 32,000
    python benchmarks/bench_loader.py --run runs/laptop --contexts 512 --kinds 'half SPM' 'plain concatenation'
    python benchmarks/bench_loader.py --tokens 15_000_000 --kinds 'characters, PSM (default)'   # rates of whole epochs
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from repoloom import recipe
from repoloom.collect import collect
from repoloom.curate import curate
from repoloom.stage import machine
from repoloom.tokens import fim
from repoloom.tokens.batches import Batches
from repoloom.tokens.levels import FimCounts
from repoloom.tokens.pack import Packed, pack
from repoloom.tokens.tokenizer import Tokenizer, train

KINDS: dict[str, dict[str, Any]] = {
    "nothing cut (the floor)": {"rate": 0.0},
    "characters, PSM (default)": {},
    "the same, rate 1": {"rate": 1.0},
    "half SPM": {"spm": 0.5},
    "between tokens": {"cuts": "tokens"},
    "between lines": {"cuts": "lines"},
    "syntax nodes": {"cuts": "nodes"},
    "each file by itself": {"scope": "file"},
    "document level": {"level": "document"},
    "plain concatenation": {"packing": "plain"},
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="the folder of a run, instead of a corpus made for this")
    parser.add_argument("--megabytes", type=float, default=60.0)
    parser.add_argument("--contexts", type=int, nargs="+", default=[512, 4096])
    parser.add_argument("--tokens", type=int, default=2_000_000, help="a round makes batches of about so many")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--kinds", nargs="+", choices=KINDS, default=list(KINDS), metavar="KIND", help="rows of the table"
    )
    asked = parser.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    with tempfile.TemporaryDirectory(prefix="bench-loader-") as place:
        run = asked.run or _made(Path(place), asked.megabytes)
        tokenizer, packed = Tokenizer.load(run / "tokenizer"), Packed.open(run / "pack", "train")
        print(
            f"{machine()['processor']}; {len(packed.ids):,} tokens, {len(packed.files):,} files, {tokenizer.size:,} ids"
        )
        for context in asked.contexts:
            _table(packed, tokenizer, context, asked)


def _made(place: Path, megabytes: float) -> Path:
    collect(place / "collect", recipe.Collect(sources=("installed:",), megabytes=megabytes), seed=0)
    curate(place / "collect", place / "curate", recipe.Curate(), seed=0)
    train(place / "curate", place / "tokenizer", recipe.TokenizerSettings(sample_megabytes=20), seed=0)
    pack(place / "curate", place / "tokenizer", place / "pack")
    return place


def _table(packed: Packed, tokenizer: Tokenizer, context: int, asked: argparse.Namespace) -> None:
    tokens, rounds = asked.tokens, asked.rounds
    print(f"\ncontext {context}, batches of 32,768 tokens")
    print("| | million tokens/s | made ready in, s | filled | left whole | rate by pieces | by tokens |")
    print("|---|---|---|---|---|---|---|")
    for name in asked.kinds:
        kind = KINDS[name]
        settings = recipe.Batches(packing=kind.get("packing", "best-fit"))
        of_fim = recipe.Fim(**{key: value for key, value in kind.items() if key != "packing"})
        started = time.process_time()
        batches = Batches(
            packed, tokenizer, context=context, fim=of_fim, seed=0, batch=32_768 // context, settings=settings
        )
        ready = time.process_time() - started
        steps = max(1, tokens // 32_768)
        total = FimCounts()

        def one_round(number: int, batches: Batches = batches, steps: int = steps, total: FimCounts = total) -> int:
            for step in range(number * steps, (number + 1) * steps):
                total.add(batches[step].fim)
            return steps * 32_768

        speed = _speed(one_round, rounds)
        rates = total.rates()
        left = total.left / max(total.left + total.cut, 1)
        print(
            f"| {name} | {speed / 1e6:.2f} | {ready:.2f} | {100 * batches.utilisation:.2f}% | {100 * left:.2f}% |"
            f" {100 * rates['rate_by_pieces']:.2f}% | {100 * rates['rate_by_tokens']:.2f}% |",
            flush=True,
        )
    speed = _speed(lambda number: _whole_parts(packed, tokenizer, context, min(tokens, 500_000), number), rounds)
    print(f"| half of all pieces decoded, their parts encoded whole | {speed / 1e6:.2f} | | | | | |", flush=True)


def _speed(one_round: Callable[[int], int], rounds: int) -> float:
    """Tokens a second of CPU: the median round, the first, which warms up, left out."""
    found = []
    for number in range(rounds + 1):
        started = time.process_time()
        tokens = one_round(number)
        found.append(tokens / (time.process_time() - started))
    return statistics.median(found[1:])


def _whole_parts(packed: Packed, tokenizer: Tokenizer, context: int, tokens: int, number: int) -> int:
    """Cut every second stretch of the corpus as a trainer without our tables does. Returns the tokens seen."""
    core = tokenizer._core
    for cut, first in enumerate(_stretches(len(packed.ids), context, tokens, number)):
        ids = packed.ids[first : first + context].astype(np.int64)
        if cut % 2:
            text = tokenizer.decode(ids.tolist())
            one, two = sorted(int(n) * (len(text) + 1) >> 64 for n in fim.draws(0, 0, first)[0, 1:3])
            parts = [
                core.encode(part, add_special_tokens=False).ids for part in (text[:one], text[one:two], text[two:])
            ]
            ids = np.concatenate([[0], parts[0], [0], parts[2], [0], parts[1], [0]])
    return tokens


def _stretches(size: int, context: int, tokens: int, number: int) -> Iterator[int]:
    for first in range(number * tokens, (number + 1) * tokens, context):
        yield first % (size - context)


if __name__ == "__main__":
    main()
