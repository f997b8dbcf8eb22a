"""`git+file:PATH`: a bare or working clone, read from its object store.

The tree of HEAD is walked and blobs are read as they are stored: no working tree is made, no hook or filter runs, no
link or submodule is followed. Sizes come from object headers, so that a huge blob is never inflated.
"""

from pathlib import Path

import pygit2
from pygit2.enums import FileMode, ObjectType, RepositoryOpenFlag

from repoloom.collect import licenses
from repoloom.collect.entry import DEPTH, Entry, Listing, printable, safe
from repoloom.errors import UserError

_TREE_BYTES = 64_000_000
_BROKEN = (KeyError, ValueError, OSError, pygit2.GitError)


class Clone:
    """A local git repository at its HEAD."""

    def __init__(self, source: str, path: Path) -> None:
        """`source` as the user wrote it, for messages."""
        self._source = source
        root = path.expanduser()
        if not root.exists():
            raise UserError(f"{source} does not exist")
        try:
            self.root = root.resolve(strict=True)
            self._git = pygit2.Repository(str(self.root), RepositoryOpenFlag.NO_SEARCH)
        except (*_BROKEN, RuntimeError) as error:
            raise UserError(f"{source} cannot be opened as a git repository: {_reason(error)}") from None
        try:
            self._commit = self._git.head.peel(pygit2.Commit)
            self._tree = self._commit.tree.id
        except _BROKEN as error:
            raise UserError(f"{source} has no commit that can be read at HEAD: {_reason(error)}") from None
        self.revision = str(self._commit.id)
        folder = self.root.parent if self.root.name == ".git" else self.root
        self.name = printable(folder.name.removesuffix(".git")) or "root"

    def fingerprint(self) -> object:
        """The commit names its whole content."""
        return self.revision

    def entries(self) -> list[Entry]:
        """All of HEAD's tree; a submodule, or a folder that was not entered, is one entry with its rule."""
        found = Listing(self._source)
        stack = [("", self._tree, 0)]
        while stack:
            prefix, id, depth = stack.pop()
            found.enter(prefix)
            try:
                children = self._children(id)
            except _BROKEN:
                if not prefix:
                    raise UserError(f"{self._source}: the tree of HEAD cannot be read") from None
                found.add(Entry(prefix.removesuffix("/"), 0, str(id), rule="unreadable"))
                continue
            for raw, child, mode in children:
                name = raw.decode("utf-8", "surrogateescape")
                path, place = prefix + name, str(child)
                if not safe(name):
                    found.add(Entry(prefix + printable(name).replace("/", "_"), 0, place, rule="name"))
                elif mode == FileMode.TREE:
                    if depth >= DEPTH:
                        found.add(Entry(path, 0, place, rule="depth", measure=depth + 1, threshold=DEPTH))
                    else:
                        stack.append((path + "/", child, depth + 1))
                elif mode == FileMode.LINK:
                    found.add(Entry(path, 0, place, rule="symlink"))
                elif mode == FileMode.COMMIT:
                    found.add(Entry(path, 0, place, rule="submodule"))
                else:
                    found.add(self._blob(path, child))
        return found.sorted()

    def read(self, entry: Entry, length: int) -> bytes:
        """Bytes of a blob. Raises OSError."""
        try:
            _, data = self._git.odb.read(pygit2.Oid(hex=entry.place))
        except _BROKEN as error:
            raise OSError(f"{entry.path}: {_reason(error)}") from None
        return data[:length]

    def license(self) -> str | None:
        """From the texts at the top of the tree, else from a manifest there."""
        texts: list[bytes] = []
        manifests: list[tuple[str, bytes]] = []
        for raw, id, _ in self._children(self._tree):
            name = raw.decode("utf-8", "replace")
            if not licenses.is_text(name) and name not in licenses.MANIFESTS:
                continue
            blob = self._blob(name, id)
            if blob.rule or blob.size > licenses.LENGTH:
                continue
            data = self.read(blob, licenses.LENGTH)
            if name in licenses.MANIFESTS:
                manifests.append((name, data))
            else:
                texts.append(data)
        return licenses.of_repository(texts, manifests)

    def _children(self, id: pygit2.Oid) -> list[tuple[bytes, pygit2.Oid, int]]:
        kind, size = self._git.odb.read_header(id)
        if kind != ObjectType.TREE or size > _TREE_BYTES:
            raise ValueError("no tree, or too large a one")
        tree = self._git[id]
        assert isinstance(tree, pygit2.Tree)
        return [(child.raw_name or b"", child.id, child.filemode) for child in tree]

    def _blob(self, path: str, id: pygit2.Oid) -> Entry:
        try:
            kind, size = self._git.odb.read_header(id)
        except _BROKEN:
            return Entry(path, 0, str(id), rule="unreadable")
        return Entry(path, size, str(id)) if kind == ObjectType.BLOB else Entry(path, 0, str(id), rule="unreadable")


def _reason(error: Exception) -> str:
    text = str(error.args[0]) if error.args else type(error).__name__
    if "not owned by" in text:
        return "it belongs to another user (git's safe.directory setting says whom to trust)"
    return text.splitlines()[0] if text else type(error).__name__
