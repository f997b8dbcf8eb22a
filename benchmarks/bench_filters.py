"""What each rule of each set takes from the same real input, where the sets disagree, and how fast they run.

Prints the tables of docs/filters.md. The baseline is DeepSeek's set written down plainly, a text at a time.

    python benchmarks/bench_filters.py                       # this environment's packages and the system's headers
    python benchmarks/bench_filters.py --shards COLLECTED    # a folder of `repoloom collect`
"""

import argparse
import itertools
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from repoloom import formats, recipe
from repoloom.collect import collect
from repoloom.curate.filters import SETS, Batch, judge, rule_set
from repoloom.stage import machine


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=Path)
    parser.add_argument("--megabytes", type=float, default=200)
    asked = parser.parse_args()
    print(f"{machine()['processor']}, one core, Python {machine()['python']}\n")
    with tempfile.TemporaryDirectory(prefix="bench-filters-") as place:
        folder = asked.shards
        if folder is None:
            folder = Path(place, "collect")
            sources = tuple(
                f for f in ("installed:", "dir:/usr/include") if not f.startswith("dir:") or Path(f[4:]).is_dir()
            )
            collect(folder, recipe.Collect(sources=sources, megabytes=asked.megabytes), 0)
        _tables(folder)


def _tables(folder: Path) -> None:
    files: list[tuple[str, str, int]] = []
    taken: dict[str, list[str]] = {name: [] for name in SETS}
    seconds = dict.fromkeys([*SETS, "plain"], 0.0)
    plain = 0
    for part in formats.parts(folder, "shards"):
        for group in range(pq.read_metadata(part).num_row_groups):
            table = pq.ParquetFile(part).read_row_group(group, ["repo", "path", "language", "content", "size"])
            repos, paths, languages, sizes = (table.column(n).to_pylist() for n in ("repo", "path", "language", "size"))
            content = table.column("content").combine_chunks()
            files += [
                (f"{repo}/{path}", language, size)
                for repo, path, language, size in zip(repos, paths, languages, sizes, strict=True)
            ]
            for name in SETS:
                rules = rule_set(name)
                started = time.process_time()
                found = judge(rules, Batch(paths, languages, content))
                seconds[name] += time.process_time() - started
                taken[name] += [rules[rule].name if rule >= 0 else "" for rule in found.rule.tolist()]
            texts = content.to_pylist()
            started = time.process_time()
            plain += sum(map(_plain, texts, languages))
            seconds["plain"] += time.process_time() - started
    sizes_of = np.array([size for _, _, size in files])
    total = sizes_of.sum()
    print(f"{len(files):,} files, {total / 1e6:.1f} MB\n")
    print("| set | kept files | kept MB | MB/s a core |\n|---|---|---|---|")
    for name in SETS:
        kept = np.array([not rule for rule in taken[name]])
        print(f"| {name} | {kept.sum():,} | {sizes_of[kept].sum() / 1e6:.1f} | {total / 1e6 / seconds[name]:.1f} |")
    print(
        f"| deepseek, a text at a time in Python | {len(files) - plain:,} | | {total / 1e6 / seconds['plain']:.1f} |\n"
    )
    for name in SETS:
        print(f"| {name}: rule | files | MB | for instance |\n|---|---|---|---|")
        for rule in rule_set(name):
            hit = [number for number, found in enumerate(taken[name]) if found == rule.name]
            if hit:
                example = files[hit[len(hit) // 2]][0]
                print(f"| {rule.name} | {len(hit):,} | {sizes_of[hit].sum() / 1e6:.2f} | {example} |")
        print()
    print("| kept by (row), dropped by (column), files | " + " | ".join(SETS) + " |\n|" + "---|" * (len(SETS) + 1))
    for first in SETS:
        row = [sum(not a and bool(b) for a, b in zip(taken[first], taken[second], strict=True)) for second in SETS]
        print(f"| {first} | " + " | ".join(f"{count:,}" for count in row) + " |")
    print("\n| kept by | dropped by | for the rule | files |\n|---|---|---|---|")
    for first, second in itertools.permutations(SETS, 2):
        reasons = Counter(b for a, b in zip(taken[first], taken[second], strict=True) if not a and b)
        for reason, count in reasons.most_common(3):
            print(f"| {first} | {second} | {reason} | {count:,} |")


def _plain(text: str, language: str) -> bool:
    """Whether DeepSeek's rules for lines, letters and data drop a text."""
    lines = text.splitlines()
    if not lines or sum(map(len, lines)) / len(lines) > 100 or max(map(len, lines)) > 1000:
        return True
    if sum(map(str.isalpha, text)) / len(text) < 0.25 or (language != "xslt" and "<?xml version=" in text[:100]):
        return True
    return language in ("json", "yaml") and not 50 <= len(text) <= 5000


if __name__ == "__main__":
    main()
