"""The three orders on real repositories: the share of edges they honour, and how the time grows.

An edge is honoured where the file that is used stands before its user. Edges inside a cycle cannot all be; the share
that lies between cycles is what condensing alone can reach. The folders given are repositories; without any, packages
of this environment are taken.

    python benchmarks/bench_order.py [FOLDER...]
"""

import random
import statistics
import sys
import sysconfig
import time
from pathlib import Path

from repoloom.curate import folder, imports
from repoloom.curate.order import Order, arrange
from repoloom.curate.topological import strong_components
from repoloom.stage import machine

PACKAGES = ("transformers", "openai", "sympy", "mypy", "networkx", "pydantic", "rich", "torch/include")
ORDERS: tuple[Order, ...] = ("topological", "deepseek", "shuffle")
SIZES = (4_375, 17_500, 70_000)


def main() -> None:
    """Measure and print."""
    print(f"{machine()['processor']}, Python {machine()['python']}\n")
    site = Path(sysconfig.get_path("purelib"))
    chosen = [Path(place) for place in sys.argv[1:]] or [site / name for name in PACKAGES]
    print("| repository | files | edges | largest cycle | between cycles | " + " | ".join(ORDERS) + " |")
    print("|---|---|---|---|---|---|---|---|")
    for place in chosen:
        if place.is_dir():
            _shares(place)
    print("\n| files | edges | " + " | ".join(f"{order}, s" for order in ORDERS) + " |\n|---|---|---|---|---|")
    for size in SIZES:
        _seconds(size)


def _shares(place: Path) -> None:
    files = folder.read(place)
    names = [file.path for file in files]
    edges = imports.edges(files)
    cycle = _cycles(len(files), edges)
    sizes = [cycle.count(number) for number in set(cycle)]
    row = [place.name, f"{len(files):,}", f"{len(edges):,}", f"{max(sizes, default=0):,}"]
    row.append(f"{sum(cycle[user] != cycle[used] for user, used in edges) / max(len(edges), 1):.3f}")
    for order in ORDERS:
        where = {node: n for n, node in enumerate(n for group in arrange(names, edges, order) for n in group)}
        row.append(f"{sum(where[used] < where[user] for user, used in edges) / max(len(edges), 1):.3f}")
    print("| " + " | ".join(row) + " |", flush=True)


def _cycles(count: int, edges: list[tuple[int, int]]) -> list[int]:
    """The number of each file's cycle."""
    uses: list[list[int]] = [[] for _ in range(count)]
    for user, used in edges:
        uses[user].append(used)
    cycle = [0] * count
    for number, members in enumerate(strong_components(uses)):
        for member in members:
            cycle[member] = number
    return cycle


def _seconds(size: int) -> None:
    """A made-up repository: six uses a file, of nearby files mostly, three in four of them backwards."""
    rng = random.Random(size)
    names = [f"src/{n // 50:05}/{n:06}.py" for n in range(size)]
    edges = set()
    for user in range(size):
        for _ in range(6):
            reach = int(rng.expovariate(1 / 200)) + 1
            used = user - reach if rng.random() < 0.75 else user + reach
            if 0 <= used < size:
                edges.add((user, used))
    row = [f"{size:,}", f"{len(edges):,}"]
    for order in ORDERS:
        taken = []
        for _ in range(3):
            started = time.perf_counter()
            arrange(names, sorted(edges), order)
            taken.append(time.perf_counter() - started)
        row.append(f"{statistics.median(taken):.2f}")
    print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
