"""Near-deduplication: how time and memory grow with millions of texts.

Simulates N signatures, a fifth of them copies of others at a similarity between 0.4 and 1, all in groups of a thousand
with a header in common (0.3 alike by that). Prints the time from signatures on disk to the list of what goes (CPU: of
all threads), the peak of memory, the share found of what was planted at 0.72 and more, and how many went though they
were planted below 0.68.

    python benchmarks/bench_dedup_growth.py 600000 2500000 10000000
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from repoloom.curate.clusters import Floats, Numbers, matches
from repoloom.curate.minhash import Store
from repoloom.recipe import Curate
from repoloom.stage import machine

SETTINGS = Curate()
_CHUNK = 32_000
_GROUP = 1000
_COPIES = 5


def main() -> None:
    """Print a line for each number."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("counts", type=int, nargs="+")
    parser.add_argument("--here", action="store_true", help="in this process: for the script itself")
    asked = parser.parse_args()
    if asked.here:
        _simulate(asked.counts[0])
        return
    print(f"{machine()['processor']}, {machine()['cores']} cores\n")
    print(
        f"{'signatures':>10} {'seconds':>8} {'CPU s':>7} {'CPU us each':>11} {'peak MB':>8} {'recall':>7} {'wrong':>6}",
        flush=True,
    )
    for count in asked.counts:
        # A process each, so that the peak is its own.
        subprocess.run([sys.executable, __file__, "--here", str(count)], check=True)


def _simulate(count: int) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-dedup-") as place:
        scratch = Path(place)
        store, copy_of, similarity = _planted(count, scratch)
        ranks = np.random.default_rng(1).permutation(count)
        rows = np.empty(count, np.int64)
        rows[ranks] = np.arange(count)

        def exact(pairs: Numbers) -> Floats:
            first, second = rows[pairs].T
            here, back = copy_of[second] == first, copy_of[first] == second
            return np.where(here, similarity[second], np.where(back, similarity[first], 0.0))

        start, spent = time.perf_counter(), time.process_time()
        found = matches(store, rows, np.arange(count), SETTINGS, exact, scratch)
        seconds, spent = time.perf_counter() - start, time.process_time() - spent
        gone = np.zeros(count, bool)
        for match in found:
            text, like = rows[match.text], rows[match.like]
            gone[text if copy_of[text] == like else like] = True
        asked = (copy_of >= 0) & (similarity >= 0.72)
        wrong = gone & ~((copy_of >= 0) & (similarity >= 0.68))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        print(
            f"{count:>10,} {seconds:>8.1f} {spent:>7.1f} {spent / count * 1e6:>11.1f} {peak:>8,.0f}"
            f" {gone[asked].mean():>7.4f} {wrong.sum():>6,}",
            flush=True,
        )


def _planted(count: int, scratch: Path) -> tuple[Store, Numbers, NDArray[np.float64]]:
    """Signatures on disk; for each row the row it copies (or -1) and at what similarity."""
    permutations = SETTINGS.duplicate_permutations
    store = Store(scratch / "signatures", permutations)
    copy_of, similarity = np.full(count, -1, np.int64), np.zeros(count)
    rng = np.random.default_rng(0)
    for first in range(0, count, _CHUNK):
        size = min(_CHUNK, count - first)
        texts = rng.integers(0, 1 << 32, (size, permutations), np.uint32)
        headers = np.repeat(rng.integers(0, 1 << 32, (size // _GROUP + 1, permutations), np.uint32), _GROUP, axis=0)
        texts = np.where(rng.random((size, permutations), np.float32) < 0.55, headers[:size], texts)
        copies = size // _COPIES
        alike = rng.uniform(0.4, 1, copies)
        same = rng.random((copies, permutations), np.float32) < alike[:, None]
        texts[-copies:] = np.where(same, texts[:copies], rng.integers(0, 1 << 32, same.shape, np.uint32))
        copy_of[first + size - copies : first + size] = np.arange(first, first + copies)
        similarity[first + size - copies : first + size] = alike
        store.append(texts)
    return store, copy_of, similarity


if __name__ == "__main__":
    main()
