"""Redaction: MB/s a core, recall on planted secrets, what is found in real code; detect-secrets alone beside it.

The real code is the source files of this environment's distributions, or of the folders given. A planted secret stands
in a line of a real file's; it counts as found if it is not in the text any more (detect-secrets: if a finding holds it,
or is held by it, and is at least half of it). detect-secrets runs with its default plugins and filters, over a sample,
since it is slow. `--examples N` prints N findings a kind, for reading.

    python benchmarks/bench_secrets.py
    python benchmarks/bench_secrets.py /usr/include /usr/share/perl --megabytes 100 --examples 30
"""

import argparse
import random
import statistics
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from detect_secrets.core.potential_secret import PotentialSecret
from detect_secrets.core.scan import scan_file
from detect_secrets.settings import default_settings
from planted_secrets import planted

from repoloom import languages
from repoloom.curate.secrets import redact_batch
from repoloom.curate.secrets.detectors import detectors
from repoloom.curate.secrets.prefilter import candidates
from repoloom.stage import machine

_BATCH = 8_000_000
_ROUNDS = 3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, default=[Path(sysconfig.get_path("purelib"))])
    parser.add_argument("--megabytes", type=float, default=60)
    parser.add_argument("--planted", type=int, default=5000)
    parser.add_argument("--examples", type=int, default=0)
    asked = parser.parse_args()
    texts = list(_files(asked.folders, asked.megabytes * 1e6))
    print(f"{machine()['processor']}, one core, Python {machine()['python']}\n")
    detectors()  # imports detect-secrets
    _speed(texts)
    _planted(asked.planted, texts)
    _real(texts, asked.examples)


def _files(folders: list[Path], size: float) -> Iterator[str]:
    paths = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    random.Random(0).shuffle(paths)
    for path in paths:
        if size <= 0:
            return
        if path.stat().st_size > 1_000_000:
            continue
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        if "\0" not in text and languages.detect(path.name, text) is not None:
            size -= len(text.encode())
            yield text


def _batches(texts: list[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _speed(texts: list[str]) -> None:
    batches = list(_batches(texts))
    encoded = [[text.encode() for text in batch] for batch in batches]
    megabytes = sum(len(text) for batch in encoded for text in batch) / 1e6
    lines = sum(text.count(b"\n") + 1 for batch in encoded for text in batch)
    matched = sum(1 for batch in encoded for _ in candidates(batch))
    print(
        f"{len(texts):,} real files, {megabytes:.1f} MB, {lines:,} lines, of which the prefilter passes {matched:,}\n"
    )
    print("| | MB/s a core |\n|---|---|")
    print(f"| prefilter | {megabytes / _time(lambda: [list(candidates(batch)) for batch in encoded]):.1f} |")
    print(f"| redaction | {megabytes / _time(lambda: [redact_batch(batch) for batch in batches]):.1f} |")
    alone = texts[:300]
    size = sum(len(text.encode()) for text in alone) / 1e6
    print(f"| redaction, a file a call | {size / _time(lambda: [redact_batch([text]) for text in alone]):.1f} |")
    sample, size = [], 0.0
    for text in texts:
        sample.append(text)
        size += len(text.encode()) / 1e6
        if size > 1:
            break
    begun = time.perf_counter()
    _theirs(sample)
    print(f"| detect-secrets | {size / (time.perf_counter() - begun):.2f} |\n")


def _theirs(texts: list[str]) -> list[PotentialSecret]:
    """What detect-secrets finds, as it is run by default."""
    with tempfile.TemporaryDirectory() as folder, default_settings():
        path = Path(folder, "text.py")
        found = []
        for text in texts:
            path.write_text(text, "utf-8")
            found += list(scan_file(str(path)))
        return found


def _time(work: Callable[[], object]) -> float:
    """The median of some rounds, seconds."""
    times = []
    for _ in range(_ROUNDS):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def _planted(count: int, texts: list[str]) -> None:
    dice = random.Random(11)
    lines = [line for text in texts[:200] for line in text.splitlines()]
    cases = [planted(dice) for _ in range(count)]
    whole = ["\n".join([dice.choice(lines), text, dice.choice(lines)]) for _, _, text in cases]
    total = Counter(kind for kind, _, _ in cases)
    ours: Counter[str] = Counter()
    for (kind, secret, _), found in zip(cases, redact_batch(whole), strict=True):
        ours[kind] += secret not in found.text
    values = [found.secret_value or "" for found in _theirs(["\n".join(text for _, _, text in cases)])]
    keys = sum(value.startswith("BEGIN") for value in values)
    theirs = Counter({"private-key": min(keys, total["private-key"])})
    for kind, secret, _ in cases:
        theirs[kind] += kind != "private-key" and any(
            (v in secret and 2 * len(v) >= len(secret)) or secret in v for v in values if v
        )
    print("| planted | of | found | by detect-secrets |\n|---|---|---|---|")
    for kind in sorted(total):
        print(f"| {kind} | {total[kind]} | {ours[kind] / total[kind]:.3f} | {theirs[kind] / total[kind]:.3f} |")
    print(f"| all | {count} | {ours.total() / count:.3f} | {theirs.total() / count:.3f} |\n")


def _real(texts: list[str], examples: int) -> None:
    counts: Counter[str] = Counter()
    shown: dict[str, list[str]] = {}
    for batch in _batches(texts):
        for text, found in zip(batch, redact_batch(batch), strict=True):
            counts.update(found.counts)
            if examples and found.counts:
                for before, after in zip(text.split("\n"), found.text.split("\n"), strict=False):
                    if before != after:
                        shown.setdefault("+".join(found.counts), []).append(before.strip()[:160])
    print("| found in the real files | |\n|---|---|")
    for kind, number in counts.most_common():
        print(f"| {kind} | {number} |")
    for kind, found_lines in shown.items():
        print(f"\n{kind}")
        for line in random.Random(0).sample(found_lines, min(examples, len(found_lines))):
            print("   ", line)
    sample = texts[:300]
    theirs = Counter(found.type for found in _theirs(sample))
    ours = sum((Counter(found.counts) for found in redact_batch(sample)), Counter[str]())
    print(f"\nin the first {len(sample)} files: {ours.total()} {dict(ours)}")
    print(f"detect-secrets there: {theirs.total()} {dict(theirs)}")


if __name__ == "__main__":
    main()
