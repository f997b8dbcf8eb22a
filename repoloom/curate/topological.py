"""The default order: cycles condensed, dependencies first, and within a cycle as few edges against the order as can be.

A repository of some size is one tangle: of transformers' 2,860 files 2,437 use each other in circles. Tarjan's
algorithm (1972) finds the strongly connected components and gives them out with what they use before them; one that is
a cycle is ordered by the heuristic of Eades, Lin and Smyth (1993, "A fast and effective heuristic for the feedback arc
set problem"): what uses nothing more goes to the front, what nothing more uses goes to the back, and of the rest the
file goes to the front that is used much and uses little. Both are O(files + edges), without recursion; ties go to the
smaller path. docs/order.md compares the share of edges that this and the published order honour.
"""

from collections.abc import Iterable, Sequence


def topological(nodes: Iterable[int], edges: Iterable[tuple[int, int]], names: Sequence[str]) -> list[int]:
    """The files of `nodes` in dependency order; `edges` are (user, used), `names[n]` is the path of file n."""
    by_path = sorted(nodes, key=lambda node: (names[node], node))
    rank = {node: n for n, node in enumerate(by_path)}
    uses: list[list[int]] = [[] for _ in by_path]
    for user, used in sorted({(rank[user], rank[used]) for user, used in edges if user != used}):
        uses[user].append(used)
    return [by_path[n] for cycle in strong_components(uses) for n in untangled(cycle, uses)]


def strong_components(uses: Sequence[Sequence[int]]) -> list[list[int]]:
    """The strongly connected components of the graph `uses[user] = [used, ...]`, each after all that it uses."""
    found: list[list[int]] = []
    seen = [-1] * len(uses)
    low = [0] * len(uses)
    open_: list[int] = []
    is_open = [False] * len(uses)
    count = 0
    for root in range(len(uses)):
        walk = [(root, iter(uses[root]))] if seen[root] < 0 else []
        while walk:
            node, left = walk[-1]
            if seen[node] < 0:
                seen[node] = low[node] = count
                count += 1
                open_.append(node)
                is_open[node] = True
            for used in left:
                if seen[used] < 0:
                    walk.append((used, iter(uses[used])))
                    break
                if is_open[used]:
                    low[node] = min(low[node], seen[used])
            else:
                walk.pop()
                if walk:
                    user = walk[-1][0]
                    low[user] = min(low[user], low[node])
                if low[node] == seen[node]:
                    component = [open_.pop()]
                    while component[-1] != node:
                        component.append(open_.pop())
                    for member in component:
                        is_open[member] = False
                    found.append(component)
    return found


def untangled(cycle: Sequence[int], uses: Sequence[Sequence[int]]) -> list[int]:
    """The files of one cycle, most of what a file uses before it (Eades, Lin, Smyth). Smaller numbers win ties."""
    if len(cycle) < 2:
        return list(cycle)
    inside = set(cycle)
    used_by: dict[int, list[int]] = {node: [] for node in sorted(cycle)}
    for user in used_by:
        for used in uses[user]:
            if used in inside:
                used_by[used].append(user)
    waits = {node: sum(used in inside for used in uses[node]) for node in used_by}
    wanted = {node: len(users) for node, users in used_by.items()}
    front: list[int] = []
    back: list[int] = []
    queue = _Buckets()
    for last in reversed(used_by):
        queue.put(last, waits[last], wanted[last])
    while (node := queue.take(inside, waits, wanted)) is not None:
        (back if waits[node] and not wanted[node] else front).append(node)
        inside.remove(node)
        for user in used_by[node]:
            if user in inside:
                waits[user] -= 1
                queue.put(user, waits[user], wanted[user])
        for used in uses[node]:
            if used in inside:
                wanted[used] -= 1
                queue.put(used, waits[used], wanted[used])
    return front + back[::-1]


class _Buckets:
    """The files by uses less users, the least first; before them all those that use, or are used by, nothing more.

    A file is put again when its numbers change; what stands there with old numbers is passed over. Each put lowers the
    least bucket by at most one, so all takes together look at O(files + edges) buckets.
    """

    def __init__(self) -> None:
        self._free: list[int] = []
        self._buckets: dict[int, list[int]] = {}
        self._least = self._most = 0

    def put(self, node: int, waits: int, wanted: int) -> None:
        if not waits or not wanted:
            self._free.append(node)
            return
        key = waits - wanted
        self._buckets.setdefault(key, []).append(node)
        self._least, self._most = min(self._least, key), max(self._most, key)

    def take(self, left: set[int], waits: dict[int, int], wanted: dict[int, int]) -> int | None:
        while self._free:
            if (node := self._free.pop()) in left:
                return node
        while self._least <= self._most:
            bucket = self._buckets.get(self._least)
            if not bucket:
                self._least += 1
                continue
            node = bucket.pop()
            if node in left and waits[node] - wanted[node] == self._least:
                return node
        return None
