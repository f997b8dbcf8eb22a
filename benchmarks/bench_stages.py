"""The data stages on the demo's own input: MB/s a core, peak memory, and the floor of each, measured in the same run.

Every round makes each stage anew in a fresh folder; the rounds' median stands. A floor is the part of the stage that no
design of ours can leave out, done alone on one core on the same files: reading and compressing for collect, MinHash and
parsing for curate, Hugging Face's own trainer and `encode_batch_fast` for the tokenizer and pack. With several sizes
the last table shows how the time grows.

    python benchmarks/bench_stages.py
    python benchmarks/bench_stages.py --megabytes 3 12 48 --rounds 1
"""

import argparse
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import tokenizers
from tokenizers import trainers

from repoloom import engine, formats, recipe
from repoloom.collect import collect
from repoloom.collect.local import read
from repoloom.curate import curate, screen
from repoloom.curate.grams import ngrams, words
from repoloom.curate.minhash import signatures
from repoloom.stage import Manifest, machine
from repoloom.tokens import bpe
from repoloom.tokens.pack import pack
from repoloom.tokens.tokenizer import FILE, train

STAGES = ("collect", "curate", "tokenizer", "pack")
_BATCH = 256


def main() -> None:
    """Measure and print."""
    asked = _arguments()
    whole = recipe.load(asked.recipe)
    print(f"{machine()['processor']}, {engine.cores()} cores, Python {machine()['python']}\n")
    growth: dict[float, dict[str, float]] = {}
    for megabytes in asked.megabytes or [whole.collect.megabytes]:
        settings = whole.model_copy(update={"collect": whole.collect.model_copy(update={"megabytes": megabytes})})
        with tempfile.TemporaryDirectory(prefix="bench-stages-") as place:
            folders = [Path(place, str(number)) for number in range(asked.rounds)]
            rounds = [_walk(settings, folder) for folder in folders]
            growth[megabytes] = _table(rounds, _floors(settings, folders[-1]))
    if len(growth) > 1:
        print(f"{'MB asked':<10} " + " ".join(f"{stage + ' s':>12}" for stage in STAGES))
        for megabytes, seconds in growth.items():
            print(f"{megabytes:<10g} " + " ".join(f"{seconds[stage]:>12.2f}" for stage in STAGES))


def _walk(settings: recipe.Recipe, out: Path) -> dict[str, Manifest]:
    return {
        "collect": collect(out / "collect", settings.collect, settings.seed),
        "curate": curate(out / "collect", out / "curate", settings.curate, settings.seed),
        "tokenizer": train(out / "curate", out / "tokenizer", settings.tokenizer, settings.seed),
        "pack": pack(out / "curate", out / "tokenizer", out / "pack"),
    }


def _table(rounds: list[dict[str, Manifest]], floors: dict[str, tuple[str, float]]) -> dict[str, float]:
    """Print a line a stage. Returns the stages' median seconds."""
    counts = {stage: manifest["counts"] for stage, manifest in rounds[-1].items()}
    sizes = {
        "collect": counts["collect"]["kept"]["bytes"],
        "curate": counts["curate"]["in"]["bytes"],
        "tokenizer": counts["tokenizer"]["sampled"]["bytes"],
        "pack": sum(counts["pack"][split]["bytes"] for split in ("train", "heldout") if split in counts["pack"]),
    }
    used = {"collect": 1, "curate": engine.cores(), "tokenizer": engine.cores(), "pack": engine.cores()}
    medians = {}
    print(f"{'stage':<10} {'MB':>6} {'s':>7} {'cores':>5} {'MB/s a core':>12} {'peak MB':>8} {'floor s':>8}  floor")
    for stage in STAGES:
        seconds = statistics.median(walked[stage]["run"]["seconds"] for walked in rounds)
        memory = max(walked[stage]["run"]["peak_memory_mb"] for walked in rounds)
        what, floor = floors[stage]
        medians[stage] = seconds
        rate = sizes[stage] / 1e6 / seconds / used[stage]
        print(
            f"{stage:<10} {sizes[stage] / 1e6:>6.1f} {seconds:>7.2f} {used[stage]:>5} {rate:>12.2f} {memory:>8,}"
            f" {floor / used[stage]:>8.2f}  {what}"
        )
    print()
    return medians


def _floors(settings: recipe.Recipe, run: Path) -> dict[str, tuple[str, float]]:
    """Core-seconds below which each stage cannot come, and what they are spent on."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # a floor is one core's
    kept = list(_texts(run / "curate", ("documents", "heldout")))
    texts = [text for _, _, text in kept]
    floors = {
        "collect": ("read the files, decode, compress", _timed(lambda: _read(run / "collect"))),
        "curate": (
            "MinHash of what came in, one parse of what stays",
            _timed(lambda: _minhash(run / "collect", settings.curate)) + _timed(lambda: _parse(kept)),
        ),
        "tokenizer": ("Hugging Face's trainer on as much text", _timed(lambda: _train(texts, settings.tokenizer))),
        "pack": (
            "encode_batch_fast, the format's own pre-tokenizer",
            _timed(lambda: _encode(texts, run / "tokenizer")),
        ),
    }
    del os.environ["TOKENIZERS_PARALLELISM"]
    return floors


def _timed(work: Callable[[], object]) -> float:
    clock = time.perf_counter()
    work()
    return time.perf_counter() - clock


def _texts(folder: Path, kinds: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Language, path and text of every file that stayed."""
    for kind in kinds:
        for part in sorted((folder / kind).glob("part-*.parquet")):
            for row in formats.rows(part, ["files", "text"]):
                for file in row["files"]:
                    yield file["language"], file["path"], row["text"][file["start"] : file["end"]]


def _read(collected: Path) -> None:
    """The least that shards need: every file's bytes, as text, compressed. They lie in this environment."""
    site = [Path(entry) for entry in sys.path if entry.endswith("site-packages")]
    codec = pa.Codec("zstd")
    for part in formats.parts(collected, "shards"):
        paths = [row["path"] for row in formats.rows(part, ["path"])]
        places = (place for path in paths for folder in site if (place := folder / path).is_file())
        while some := list(itertools.islice(places, _BATCH)):
            data = [read(str(place), 1 << 30).decode("utf-8", "replace") for place in some]
            codec.compress("".join(data).encode())


def _minhash(collected: Path, settings: recipe.Curate) -> None:
    for part in formats.parts(collected, "shards"):
        for group in pq.ParquetFile(part).iter_batches(_BATCH, columns=["content"]):
            grams = [ngrams(words(text or ""), settings.duplicate_ngram) for text in group.column(0).to_pylist()]
            signatures(grams, settings.duplicate_permutations)


def _parse(kept: list[tuple[str, str, str]]) -> None:
    for language, path, text in kept:
        screen.syntax(language, path, text)


def _train(texts: list[str], settings: recipe.TokenizerSettings) -> None:
    core = bpe.untrained()
    trainer = trainers.BpeTrainer(vocab_size=settings.vocabulary, show_progress=False)
    sizes = itertools.accumulate(len(text) for text in texts)
    limit = settings.sample_megabytes * 1e6
    core.train_from_iterator((text for text, size in zip(texts, sizes, strict=True) if size <= limit), trainer)


def _encode(texts: list[str], tokenizer: Path) -> None:
    core = tokenizers.Tokenizer.from_file(str(tokenizer / FILE))
    for start in range(0, len(texts), _BATCH):
        core.encode_batch_fast(texts[start : start + _BATCH], add_special_tokens=False)


def _arguments() -> SimpleNamespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, default=Path("recipes/laptop.toml"))
    parser.add_argument("--megabytes", type=float, nargs="+", help="instead of the recipe's collect.megabytes")
    parser.add_argument("--rounds", type=int, default=3)
    return SimpleNamespace(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
