"""The order of a repository's files: connected components, and within one what a file needs before it.

An edge is (user, used). Three orders: `topological` (the default, see topological.py), `deepseek` (the published one)
and `shuffle`.

`deepseek` is [DeepSeek-Coder, 2.2, Algorithm 1]. In the paper's graph an edge runs from the dependency to the file that
needs it, so a file's in-degree counts what it still waits for. The algorithm takes the file of smallest in-degree that
is not yet taken, appends it, and lowers the in-degree of its dependents: smallest, not zero, so that cycles pass. The
paper leaves ties open; here the smaller path goes first, so that the order is a function of the repository alone. A
heap with outdated entries left in it makes that O((files + edges) log edges), without recursion.

`shuffle` is the whole repository in an order drawn by seed, as StarCoder2 and DeepSeek-Coder-V2 train on it.

READMEs and build files that nothing imports have no edges. `deepseek` leaves each a document of its own; `topological`
puts them where a reader meets them: a folder's README, then its build files, before the first file below that folder of
the component that has most files there.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from pathlib import Path
from typing import Literal

from repoloom.curate import folder as folders
from repoloom.curate import imports
from repoloom.curate.imports.paths import ancestors
from repoloom.curate.imports.paths import folder as folder_of
from repoloom.curate.topological import topological

Edges = Sequence[tuple[int, int]]
Order = Literal["topological", "deepseek", "shuffle"]

_BUILD_FILES = """
build.gradle build.gradle.kts build.sbt build.xml cargo.toml cmakelists.txt composer.json configure.ac deno.json
dockerfile gemfile gnumakefile go.mod makefile meson.build package.json package.swift pom.xml pyproject.toml rakefile
settings.gradle settings.gradle.kts setup.cfg setup.py tsconfig.json
"""
BUILD_FILES = frozenset(_BUILD_FILES.split())
"""In lower case."""


@dataclass(frozen=True, slots=True)
class Ordering:
    """A repository's files in dependency order, component after component, and its edges (user, used) by path."""

    files: list[str]
    edges: list[tuple[str, str]]


def order_folder(folder: Path, by: Order = "topological", seed: int = 0) -> Ordering:
    """The order and the edges of the source files in a folder that holds one repository.

    Raises UserError where it cannot be listed. Files that are no text in a known language are left out.
    """
    files = folders.read(folder)
    edges = imports.edges(files)
    names = [file.path for file in files]
    ordered = [n for group in arrange(names, edges, by, f"{seed}") for n in group if files[n].language]
    return Ordering([names[n] for n in ordered], sorted((names[user], names[used]) for user, used in edges))


def arrange(names: Sequence[str], edges: Edges, by: Order = "topological", key: str = "") -> list[list[int]]:
    """The files of one repository, a list a document, in order; the documents in order of their smallest path.

    `names[n]` is the path of file n; `key` (seed and repository) alone decides how `shuffle` shuffles.
    """
    if by == "shuffle":
        drawn = sorted(range(len(names)), key=lambda n: (_draw(key, names[n]), n))
        return [drawn] if drawn else []
    groups = [
        topological(group, inside, names) if by == "topological" else published(group, inside, names)
        for group, inside in _split(len(names), edges)
    ]
    if by == "topological":
        groups = _with_front(groups, names)
    return sorted(groups, key=lambda group: min((names[n], n) for n in group))


def components(count: int, edges: Iterable[tuple[int, int]]) -> list[list[int]]:
    """The connected components of the files 0..count-1, edges undirected: each sorted, in order of its first file."""
    parent = list(range(count))

    def find(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for user, used in edges:
        first, second = find(user), find(used)
        # The smaller index stays the root: deterministic; halving the paths keeps it near-linear.
        if first != second:
            parent[max(first, second)] = min(first, second)
    groups: dict[int, list[int]] = {}
    for node in range(count):
        groups.setdefault(find(node), []).append(node)
    return list(groups.values())


def published(component: Sequence[int], edges: Iterable[tuple[int, int]], names: Sequence[str]) -> list[int]:
    """The published order of one component, `edges` being its own."""
    waits = dict.fromkeys(component, 0)
    dependents: dict[int, list[int]] = {}
    for user, used in set(edges):
        if user != used:
            waits[user] += 1
            dependents.setdefault(used, []).append(user)
    heap = [(degree, names[node], node) for node, degree in waits.items()]
    heapify(heap)
    taken: list[int] = []
    while heap:
        degree, _, node = heappop(heap)
        if waits.get(node) != degree:
            continue  # outdated: taken already, or its in-degree was lowered since
        del waits[node]
        taken.append(node)
        for user in dependents.get(node, ()):
            if user in waits:
                waits[user] -= 1
                heappush(heap, (waits[user], names[user], user))
    return taken


def _split(count: int, edges: Edges) -> Iterator[tuple[list[int], Edges]]:
    """Every component with its edges, each edge looked at once."""
    groups = components(count, edges)
    group_of = {node: number for number, group in enumerate(groups) for node in group}
    edges_of: list[list[tuple[int, int]]] = [[] for _ in groups]
    for edge in edges:
        edges_of[group_of[edge[0]]].append(edge)
    yield from zip(groups, edges_of, strict=True)


def _front(path: str) -> int | None:
    """0 for a README, 1 for a build file, None for others."""
    name = path.rpartition("/")[2].lower()
    if name.partition(".")[0] == "readme":
        return 0
    return 1 if name in BUILD_FILES or name.endswith(".gemspec") else None


def _with_front(groups: list[list[int]], names: Sequence[str]) -> list[list[int]]:
    """The READMEs and build files that stand alone, moved before the files that they speak of."""
    alone = [group[0] for group in groups if len(group) == 1 and _front(names[group[0]]) is not None]
    loose = set(alone)
    bodies = [group for group in groups if group[0] not in loose]
    below: dict[str, Counter[int]] = defaultdict(Counter)
    wanted = {folder_of(names[node]) for node in alone}
    for number, group in enumerate(bodies):
        for node in group:
            below_here = wanted.intersection(ancestors(folder_of(names[node])))
            for place in below_here:
                below[place][number] += 1
    waiting: dict[tuple[int, str], list[int]] = defaultdict(list)
    left: list[list[int]] = []
    for node in sorted(alone, key=lambda n: (_front(names[n]), names[n], n)):
        sizes = below[folder_of(names[node])]
        best = min(sizes, key=lambda number: (-sizes[number], number), default=None)
        # A README over a hundred loose scripts is no more the first one's than the others'.
        if best is None or (len(bodies[best]) == 1 and len(sizes) > 1):
            left.append([node])
        else:
            waiting[best, folder_of(names[node])].append(node)
    for number in {number for number, _ in waiting}:
        body: list[int] = []
        for node in bodies[number]:
            for place in sorted(ancestors(folder_of(names[node])), key=len):
                body += waiting.pop((number, place), ())
            body.append(node)
        bodies[number] = body
    return bodies + left


def _draw(key: str, name: str) -> bytes:
    return hashlib.blake2b(f"shuffle\0{key}\0{name}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
