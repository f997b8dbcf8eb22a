"""The default chain and tokenization against datatrove's, on the same shards in the same run; then each step alone.

Ours: every screen that is on by default, deduplication at both levels with verification, decontamination, redaction,
ordering, then `pack`. datatrove's (peer_datatrove.py) does less: read, filter by lines and alphabet, MinHash without
verification, tokenize. Both write the tokens of what they keep, with one tokenizer, trained before the clock starts.
MB are raw bytes that came in, a core is one that was reserved (wall time x processes); beside it stand the seconds of
processor time that ours used, which other work on the machine changes little. The tokenizer is the first size's.

    python benchmarks/bench_curation.py                     # ours alone, on this environment's packages
    python benchmarks/bench_curation.py --peer PYTHON       # of an environment with datatrove[processing,io] and spacy
    python benchmarks/bench_curation.py --megabytes 60 240 960 --source installed: --source dir:/usr/include
"""

import argparse
import json
import resource
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pyarrow.parquet as pq

from repoloom import engine, formats, recipe
from repoloom.collect import collect
from repoloom.curate import curate, filters, imports, screen
from repoloom.curate.decontaminate import Detector
from repoloom.curate.grams import ngrams_of, words_of
from repoloom.curate.minhash import signatures
from repoloom.curate.order import arrange
from repoloom.curate.secrets import redact_batch
from repoloom.stage import machine
from repoloom.tokens.pack import pack
from repoloom.tokens.tokenizer import FILE, Tokenizer, train

PEER = Path(__file__).with_name("peer_datatrove.py")


def main() -> None:
    """Measure and print."""
    asked = _arguments()
    count = asked.processes or engine.cores()
    print(f"{machine()['processor']}, {count} processes, Python {machine()['python']}\n")
    print("| MB in | files | ours, s | MB/s | MB/s a core | core-s | MB a worker | kept MB | datatrove, s | ours is |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    steps: list[tuple[str, float]] = []
    with tempfile.TemporaryDirectory(prefix="bench-curation-", dir=asked.scratch) as scratch:
        tokenizer = Path(scratch) / "tokenizer"
        for megabytes in asked.megabytes:
            folder = Path(scratch) / "corpus"
            # Several shards a process, so that datatrove, which shares out whole files, has work for all.
            settings = recipe.Collect(
                sources=tuple(asked.source or ["installed:"]),
                megabytes=megabytes,
                shard_megabytes=megabytes / count / 4,
            )
            size = collect(folder / "collect", settings, 0)["counts"]["kept"]
            if not tokenizer.exists():
                curate(folder / "collect", folder / "curate", recipe.Curate(), 0, processes=count)
                train(folder / "curate", tokenizer, recipe.TokenizerSettings(sample_megabytes=20), 0)
                shutil.rmtree(folder / "curate")
            with _watched() as peak:
                started, used = time.monotonic(), _used()
                kept = curate(folder / "collect", folder / "curate", recipe.Curate(), 0, processes=count)
                pack(folder / "curate", tokenizer, folder / "pack")
                ours, used = time.monotonic() - started, _used() - used
            row = [f"{size['bytes'] / 1e6:.1f}", f"{size['files']:,}", f"{ours:.1f}"]
            row += [f"{size['bytes'] / 1e6 / ours:.2f}", f"{size['bytes'] / 1e6 / ours / count:.2f}", f"{used:.1f}"]
            row += [f"{peak[0] / 1e6:,.0f}", f"{kept['counts']['kept']['bytes'] / 1e6:.1f}"]
            peer = _peer(asked.peer, folder, tokenizer, count) if asked.peer else None
            row += ["", ""] if peer is None else [f"{peer:.1f}", f"{peer / ours:.1f}x"]
            print("| " + " | ".join(row) + " |", flush=True)
            steps = steps or _steps(folder, tokenizer)
            shutil.rmtree(folder)
    print("\n| step, alone on one core | MB/s of what it is given |\n|---|---|")
    for name, speed in steps:
        print(f"| {name} | {speed:,.1f} |")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, nargs="+", default=[60.0])
    parser.add_argument("--source", action="append", help="as `repoloom collect` takes them; default: installed:")
    parser.add_argument("--peer", help="a Python that has datatrove")
    parser.add_argument("--processes", type=int)
    parser.add_argument("--scratch", help="where to keep what is made; default: the system's folder for that")
    return parser.parse_args()


def _used() -> float:
    """Seconds of processor time of this process and of its children that have ended."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in both)


def _peer(python: str, folder: Path, tokenizer: Path, count: int) -> float:
    command = [python, PEER, folder / "collect" / "shards", tokenizer / FILE, folder / "peer", count]
    started = time.monotonic()
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"datatrove failed:\n{done.stderr[-3000:]}")
    seconds = json.loads(done.stdout.splitlines()[-1])
    print(f"<!-- datatrove, s: {seconds} -->")
    return time.monotonic() - started


@contextmanager
def _watched() -> Iterator[list[int]]:
    """The most resident bytes of any one process below this one, and of this one."""
    peak, done = [0], threading.Event()

    def watch() -> None:
        this = psutil.Process()
        while not done.wait(0.1):
            for process in [this, *this.children(recursive=True)]:
                try:
                    peak[0] = max(peak[0], process.memory_info().rss)
                except psutil.Error:
                    continue

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def _steps(folder: Path, trained: Path) -> list[tuple[str, float]]:
    """MB/s of each step alone, in this process, on at most 30 MB of the shards."""
    settings = recipe.Curate()
    tables = [pq.read_table(part) for part in formats.parts(folder / "collect", "shards")]
    rows = [row for table in tables for row in table.to_pylist()]
    chosen, total = [], 0
    for row in rows:
        if total < 30e6:
            chosen.append(row)
            total += row["size"]
    texts = [row["content"] for row in chosen]
    languages = [row["language"] for row in chosen]
    batch = filters.Batch([row["path"] for row in chosen], languages, texts)
    rules = filters.rule_set(settings.rules)
    data = np.frombuffer("".join(texts).encode(), np.uint8)
    offsets = np.cumsum([0, *(len(text.encode()) for text in texts)])
    detector = Detector(settings.decontaminate, settings.contamination_ngram)
    tokenizer = Tokenizer.load(trained)
    words = words_of(data, offsets)
    grams = ngrams_of(words, settings.duplicate_ngram)
    files = [imports.File(row["path"], row["language"], row["content"]) for row in chosen]
    edges = imports.edges(files)
    steps: dict[str, Callable[[], object]] = {
        "filter rules": lambda: filters.judge(rules, batch),
        "words and 5-grams": lambda: ngrams_of(words_of(data, offsets), settings.duplicate_ngram),
        "MinHash, 256 permutations": lambda: signatures([grams[row] for row in range(len(texts))], 256),
        "decontamination": lambda: detector.found_batch(data, offsets, languages, words),
        "syntax screen": lambda: [screen.syntax(row["language"], row["path"], row["content"]) for row in chosen],
        "secrets": lambda: redact_batch(texts, b""),
        "imports": lambda: imports.edges(files),
        "order": lambda: arrange([row["path"] for row in chosen], edges),
        "tokens": lambda: [tokenizer.encode_arrays(texts[at : at + 100]) for at in range(0, len(texts), 100)],
    }
    found = []
    for name, step in steps.items():
        started = time.process_time()
        step()
        found.append((name, total / 1e6 / max(time.process_time() - started, 1e-9)))
    return found


if __name__ == "__main__":
    main()
