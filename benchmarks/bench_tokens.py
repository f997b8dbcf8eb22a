"""Encoding a core: ours beside Hugging Face's `encode_batch_fast`, same texts, one tokenizer, all ids compared.

Both run in this process on one thread, a megabyte or so of texts at a time, as `pack` asks for it. Ours starts without
a memory (the first time), then goes over the same once more (again). The tokenizer is trained before the clock starts.

    python benchmarks/bench_tokens.py                                       # 200 MB of this environment's packages
    python benchmarks/bench_tokens.py --megabytes 50 --source dir:/usr/include
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from repoloom import formats, recipe
from repoloom.collect import collect
from repoloom.stage import machine
from repoloom.tokens import bpe
from repoloom.tokens.tokenizer import Tokenizer

_BATCH = 1_000_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=200.0)
    parser.add_argument("--source", action="append", help="as `repoloom collect` takes them; default: installed:")
    parser.add_argument("--vocabulary", type=int, default=32_000)
    asked = parser.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    with tempfile.TemporaryDirectory(prefix="bench-tokens-") as place:
        folder = Path(place)
        collect(
            folder, recipe.Collect(sources=tuple(asked.source or ["installed:"]), megabytes=asked.megabytes), seed=0
        )
        texts = [row["content"] for part in formats.parts(folder, "shards") for row in formats.rows(part, ["content"])]
        bpe.learn(iter(texts[:: max(1, len(texts) // 2000)]), asked.vocabulary).save(str(folder / "tokenizer.json"))
        ours, plain = Tokenizer.load(folder), Tokenizer.load(folder)
    plain._is_ours = False  # Hugging Face's alone
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    print(f"{machine()['processor']}, {len(texts):,} files, {megabytes:.1f} MB, {ours.size:,} entries\n")
    print("| encoder | MB/s a core | times | ids that differ |\n|---|---|---|---|")
    want, base = _timed(plain.encode_arrays, texts)
    print(f"| Hugging Face `encode_batch_fast` | {megabytes / base:.2f} | 1.0 | |", flush=True)
    for name in ("ours, the first time", "ours, again"):
        got, seconds = _timed(ours.encode_arrays, texts)
        differ = sum(not np.array_equal(one, other) for one, other in zip(got, want, strict=True))
        print(f"| {name} | {megabytes / seconds:.2f} | {base / seconds:.1f} | {differ} files |", flush=True)


def _timed(
    encode: Callable[[Sequence[str]], list[NDArray[np.uint32]]], texts: Sequence[str]
) -> tuple[list[NDArray[np.uint32]], float]:
    """The ids of all texts, and the CPU seconds they took."""
    found: list[NDArray[np.uint32]] = []
    seconds = 0.0
    first = size = 0
    for place, text in enumerate(texts):
        size += len(text)
        if size >= _BATCH or place == len(texts) - 1:
            started = time.process_time()
            ids = encode(texts[first : place + 1])
            seconds += time.process_time() - started
            found += [one.astype(np.uint16 if int(one.max(initial=0)) < 65_536 else np.uint32) for one in ids]
            first, size = place + 1, 0
    return found, seconds


if __name__ == "__main__":
    main()
