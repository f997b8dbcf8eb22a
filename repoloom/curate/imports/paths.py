"""Paths of a repository: joining, ancestors, and which of several files of one name stands nearest.

Several families face the same question: a name matches the end of several paths (`utils.h`, `config.py`); which one is
meant? The answer here: the one that shares the longest path with the asker, then the lowest rank, then the shortest and
first path. `Endings` finds it in O(depth), whatever the number of files of that name.
"""

from collections.abc import Callable, Container, Iterable, Iterator

Rank = Callable[[str, str], int | None]
"""(root, ending) -> preference, lower is better; None: `root` is no place to look `ending` up from."""


def folder(path: str) -> str:
    """The folder of a path; "" for the repository's root."""
    return path.rpartition("/")[0]


def join(base: str, relative: str) -> str | None:
    """`relative` seen from the folder `base`, with "." and ".." taken out; None where it leaves the repository."""
    parts = base.split("/") if base else []
    for part in relative.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def ancestors(place: str) -> Iterator[str]:
    """The folder itself, then the folders above it up to the repository's root ""."""
    while place:
        yield place
        place = place.rpartition("/")[0]
    yield ""


def under(root: str, ending: str) -> str:
    """The path of `ending` below `root`; either may be ""."""
    return f"{root}/{ending}" if root and ending else root or ending


class Endings:
    """For each wanted ending of a path: the file it means, seen from a folder."""

    def __init__(self, paths: Iterable[tuple[str, int]], wanted: Container[str], rank: Rank) -> None:
        """`paths`: (path, file index) of what can be found; `wanted`: the endings that will be asked for."""
        self._best: dict[str, dict[str, tuple[int, int, str, int]]] = {}
        for path, index in paths:
            start = len(path)
            while start >= 0:
                start = path.rfind("/", 0, start)
                ending, root = path[start + 1 :], path[: max(start, 0)]
                if ending in wanted and (preference := rank(root, ending)) is not None:
                    candidate = (preference, len(path), path, index)
                    places = self._best.setdefault(ending, {})
                    for place in ancestors(root):
                        if place not in places or candidate < places[place]:
                            places[place] = candidate

    def find(self, ending: str, place: str) -> int | None:
        """The index of the file that `ending` means for an asker in the folder `place`."""
        places = self._best.get(ending)
        if places is None:
            return None
        for above in ancestors(place):
            if above in places:
                return places[above][3]
        return None
