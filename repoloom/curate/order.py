"""Dependency order: connected components, and within one the published order [DeepSeek-Coder, 2.2, Algorithm 1].

An edge is (user, used). In the paper's graph an edge runs from the dependency to the file that needs it, so a file's
in-degree counts what it still waits for. The algorithm takes the file of smallest in-degree that is not yet taken,
appends it, and lowers the in-degree of its dependents: smallest, not zero, so that cycles pass. The paper leaves ties
open; here the smaller path goes first, so that the order is a function of the repository alone. A heap with outdated
entries left in it makes that O((files + edges) log edges), without recursion.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from pathlib import Path

from repoloom.curate import folder as folders
from repoloom.curate import imports

Edges = Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Ordering:
    """A repository's files in dependency order, component after component, and its edges (user, used) by path."""

    files: list[str]
    edges: list[tuple[str, str]]


def order_folder(folder: Path) -> Ordering:
    """The order and the edges of the source files in a folder that holds one repository.

    Raises UserError where it cannot be listed. Files that are no text in a known language are left out.
    """
    files = folders.read(folder)
    edges = imports.edges(files)
    names = [file.path for file in files]
    ordered = [n for group in ordered_components(len(files), edges, names) for n in group if files[n].language]
    return Ordering([names[n] for n in ordered], sorted((names[user], names[used]) for user, used in edges))


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


def order(component: Sequence[int], edges: Iterable[tuple[int, int]], names: Sequence[str]) -> list[int]:
    """The files of `component` in dependency order: what is used stands before what uses it, cycles aside.

    `edges` may hold edges of other components, which are passed over; `names[n]` is the path of file n, the tie-break.
    For a whole repository use `ordered_components`, which looks at each edge once.
    """
    if len(component) < 2:
        return list(component)
    inside = set(component)
    return _published(component, [edge for edge in edges if edge[0] in inside and edge[1] in inside], names)


def ordered_components(count: int, edges: Iterable[tuple[int, int]], names: Sequence[str]) -> list[list[int]]:
    """All components of a repository, each in dependency order; the components in order of their smallest path."""
    distinct = list(edges)
    groups = components(count, distinct)
    group_of = [0] * count
    for number, group in enumerate(groups):
        for node in group:
            group_of[node] = number
    edges_of: list[list[tuple[int, int]]] = [[] for _ in groups]
    for edge in distinct:
        edges_of[group_of[edge[0]]].append(edge)
    groups_in_order = sorted(range(len(groups)), key=lambda number: min((names[n], n) for n in groups[number]))
    return [_published(groups[number], edges_of[number], names) for number in groups_in_order]


def _published(component: Sequence[int], edges: Edges, names: Sequence[str]) -> list[int]:
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
