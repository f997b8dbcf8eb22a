"""Print the tables of docs/science.md from the lines that run.py wrote.

    python benchmarks/science/table.py RESULTS.jsonl

Each arm's mean over its seeds and the standard error of that; behind it the mean of the differences from the base, seed
by seed, with the 95% interval of Student's t. An interval that leaves zero out is marked with a star. Three seeds say
little of an arm's scatter, so the last table takes it from all arms together: the least-squares fit of an effect of the
arm and one of the seed, and the scatter around it.
"""

import json
import math
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from arms import ARMS

Runs = dict[str, dict[int, dict[str, Any]]]
"""By arm and seed."""

T = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
]  # fmt: skip
"""97.5% of Student's t for 1, 2, ... degrees of freedom: 95% between plus and minus."""

INFILLING = ["left to right", "PSM", "SPM", "prefix alone"]
TABLES: dict[str, tuple[list[str], list[str]]] = {
    "Fill-in-the-middle: rate": (["fim 0", "fim 1"], INFILLING),
    "Fill-in-the-middle: form": (["spm", "half spm", "masked spans"], INFILLING),
    "Fill-in-the-middle: level and scope": (
        ["document level", "file scope"],
        [*INFILLING, "PSM in the last file", "prefix alone in the last file"],
    ),
    "Order": (
        ["files", "shuffled"],
        [
            "left to right",
            "files alone",
            "names",
            "names, files alone",
            "first names",
            "first names, files alone",
        ],
    ),
    "Deduplication and filters": (
        ["no dedup", "dedup of repositories", "dedup of files", "no filters"],
        ["left to right", "files alone", "PSM"],
    ),
}
"""By title: the arms beside the base, and what they are measured by."""


def read(path: Path) -> Runs:
    """All runs."""
    runs: Runs = {arm: {} for arm in ARMS}
    for line in path.read_text().splitlines():
        one = json.loads(line)
        runs[one["arm"]][one["seed"]] = one
    return runs


def mean(values: Sequence[float]) -> str:
    """The mean and its standard error."""
    if len(values) < 2:
        return f"{values[0]:.4f}" if values else "-"
    return f"{statistics.fmean(values):.4f} ± {error(values):.4f}"


def error(values: Sequence[float]) -> float:
    """The standard error of the mean."""
    return statistics.stdev(values) / math.sqrt(len(values))


def difference(values: Sequence[float]) -> str:
    """The mean of differences and half their 95% interval, with a star where zero is outside it."""
    if len(values) < 2:
        return f"{values[0]:+.4f}" if values else "-"
    return interval(statistics.fmean(values), T[len(values) - 2] * error(values))


def interval(middle: float, half: float) -> str:
    """A difference and half its interval, with a star where zero is outside it."""
    return f"{middle:+.4f} ± {half:.4f}{' *' if abs(middle) > half else ''}"


def lines(runs: Runs, arms: Sequence[str], columns: Sequence[str]) -> Iterator[str]:
    """A table in Markdown: the means of the base and the arms, and the arms' differences from the base."""
    yield f"| | seeds | {' | '.join(columns)} |"
    yield "|---" * (2 + len(columns)) + "|"
    for arm in ["base", *arms]:
        cells = [mean([run[column] for run in runs[arm].values()]) for column in columns]
        yield f"| {arm} | {len(runs[arm])} | {' | '.join(cells)} |"
    for arm in arms:
        seeds = sorted(runs[arm].keys() & runs["base"].keys())
        cells = [difference([runs[arm][s][column] - runs["base"][s][column] for s in seeds]) for column in columns]
        yield f"| {arm} - base | {len(seeds)} | {' | '.join(cells)} |"


USES = {
    "PSM": ("PSM", "prefix alone"),
    "SPM": ("SPM", "prefix alone"),
    "PSM in the last file": ("PSM in the last file", "prefix alone in the last file"),
    "left to right": ("left to right", "files alone"),
    "names": ("names", "names, files alone"),
    "first names": ("first names", "first names, files alone"),
}
"""What is measured with more context, and with less: the suffix or not, the other files or not."""


def uses(runs: Runs) -> Iterator[str]:
    """A table of what every arm gains by the suffix and by the other files: less is more."""
    yield f"| | {' | '.join(USES)} |"
    yield "|---" * (1 + len(USES)) + "|"
    for arm in runs:
        cells = [mean([run[more] - run[less] for run in runs[arm].values()]) for more, less in USES.values()]
        yield f"| {arm} | {' | '.join(cells)} |"


def together(runs: Runs, columns: Sequence[str]) -> Iterator[str]:
    """A table of every arm's difference from the base, with the scatter of all arms together."""
    cells = [(arm, seed) for arm in runs for seed in runs[arm]]
    arms = ["base", *(arm for arm in runs if runs[arm] and arm != "base")]
    seeds = sorted({seed for _, seed in cells})
    # The mean of the base with the first seed, what each other arm adds, and what each other seed adds.
    design = np.zeros((len(cells), len(arms) + len(seeds) - 1))
    design[:, 0] = 1
    for row, (arm, seed) in enumerate(cells):
        if arm != "base":
            design[row, arms.index(arm)] = 1
        if seed != seeds[0]:
            design[row, len(arms) + seeds.index(seed) - 1] = 1
    freedom = len(cells) - design.shape[1]
    spread = np.sqrt(np.diag(np.linalg.inv(design.T @ design)))
    found = []
    for column in columns:
        values = np.array([runs[arm][seed][column] for arm, seed in cells])
        effects = np.linalg.lstsq(design, values, rcond=None)[0]
        scatter = math.sqrt(((values - design @ effects) ** 2).sum() / freedom)
        found.append((effects, T[min(freedom, len(T)) - 1] * scatter * spread, scatter))
    yield f"| arm - base | {' | '.join(columns)} |"
    yield "|---" * (1 + len(columns)) + "|"
    for number, arm in enumerate(arms[1:], start=1):
        yield f"| {arm} | {' | '.join(interval(effects[number], half[number]) for effects, half, _ in found)} |"
    yield f"| scatter of a run | {' | '.join(f'{scatter:.4f}' for _, _, scatter in found)} |"


def main(path: Path) -> None:
    """Print all tables."""
    runs = read(path)
    for title, (arms, columns) in TABLES.items():
        print(f"## {title}\n")
        print("\n".join(lines(runs, arms, columns)), end="\n\n")
    print("## What is gained by the suffix, and by the other files\n")
    print("\n".join(uses(runs)), end="\n\n")
    print("## All arms, their scatter taken together\n")
    print("\n".join(together(runs, ["left to right", "PSM", "prefix alone", "names", "first names"])))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
