"""Which part is taken where a recipe caps the amount: chosen by keyed hashes, never by order or chance.

A repository over its cap is cut at folder borders, because the files of one folder import each other: a folder that
fits is taken whole; one that could never fit is opened, its own files first (what a package's `__init__` or a header
at the top ties together), then its folders in an order keyed by (seed, repository, folder).
"""

import hashlib
from collections.abc import Mapping, Sequence

from repoloom.collect.entry import Entry


def key(seed: int, *names: str) -> bytes:
    """A uniform key of (seed, names): sorting by it shuffles, the same way in every run."""
    text = "\0".join([str(seed), *names])
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def choose_repositories(sizes: Mapping[str, int], limit: int, seed: int) -> set[str]:
    """Names of the repositories taken whole, at most `limit` bytes in all. In keyed order each is taken that still
    fits, so that one large repository does not end the choice."""
    chosen = set()
    for name in sorted(sizes, key=lambda name: key(seed, name)):
        if 0 < sizes[name] <= limit:
            chosen.add(name)
            limit -= sizes[name]
    return chosen


def cut(entries: Sequence[Entry], limit: int, seed: int, repo: str) -> set[str]:
    """Paths of the entries kept of one repository, at most `limit` bytes in all."""
    tree = _Folder("")
    for entry in entries:
        tree.add(entry)
    kept: set[str] = set()
    _take(tree, limit, limit, kept, seed, repo)
    return kept


class _Folder:
    """A folder's own files, its folders and the bytes of all below it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.files: list[Entry] = []
        self.folders: dict[str, _Folder] = {}
        self.bytes = 0

    def add(self, entry: Entry) -> None:
        folder = self
        folder.bytes += entry.size
        for part in entry.path.split("/")[:-1]:
            folder = folder.folders.setdefault(part, _Folder(f"{folder.path}{part}/"))
            folder.bytes += entry.size
        folder.files.append(entry)


def _take(folder: _Folder, left: int, limit: int, kept: set[str], seed: int, repo: str) -> int:
    """Take what fits of `folder` into `left` bytes; what is left after it. Depth is bounded by `entry.DEPTH`."""
    own = sum(entry.size for entry in folder.files)
    files = folder.files if own <= left else sorted(folder.files, key=lambda entry: key(seed, repo, entry.path))
    for entry in files:
        if entry.size <= left:
            kept.add(entry.path)
            left -= entry.size
    for child in sorted(folder.folders.values(), key=lambda child: key(seed, repo, child.path)):
        # A folder over what is left is opened only where nothing smaller could have made room for it,
        # or where leaving it out would waste most of the cap.
        if child.bytes <= left or child.bytes > limit or left > limit // 2:
            left = _take(child, left, limit, kept, seed, repo)
    return left
