"""Documents: one connected component of a repository's dependency graph, its files in order, as one text.

Each file is opened by a comment line with its path and ended by a line break [DeepSeek-Coder 2.2]. A text that would
pass the limit is cut between files; a single file is never cut. Files that a filter rule dropped for what they are (an
empty `__init__.py`, a long `package.json`) stay nodes of the graph, so that what they join stays together and in order,
but no document holds them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from repoloom import languages
from repoloom.curate import imports
from repoloom.curate.order import Order, arrange
from repoloom.curate.source import Entry

Document = dict[str, Any]
"""A row of formats.DOCUMENT."""


@dataclass(frozen=True, slots=True)
class Woven:
    """A repository's kept files in dependency order (component after component) and the edges between them."""

    components: list[list[int]]
    edges: list[tuple[int, int]]
    """(user, used), as indices into the entries given."""

    @property
    def forward(self) -> int:
        """How many edges the order honours: what is used stands before what uses it."""
        position = {node: n for n, node in enumerate(node for group in self.components for node in group)}
        return sum(position[used] < position[user] for user, used in self.edges)


def weave(entries: Sequence[Entry], texts: Sequence[str], by: Order, seed: int) -> Woven:
    """Order one repository's files. Entries with a rule are nodes only and are left out of the answer."""
    names = [entry.path for entry in entries]
    files = [imports.File(e.path, e.language, text) for e, text in zip(entries, texts, strict=True)]
    edges = imports.edges(files)
    key = f"{seed}\0{entries[0].repo}" if entries else ""
    groups = ([node for node in group if entries[node].rule is None] for group in arrange(names, edges, by, key))
    kept = [(user, used) for user, used in edges if entries[user].rule is None and entries[used].rule is None]
    return Woven([group for group in groups if group], kept)


def documents(
    entries: Sequence[Entry], texts: Sequence[str], woven: Woven, limit: int, part: int = 0
) -> Iterator[Document]:
    """The documents of one repository, in order, each of at most `limit` bytes unless one file alone is larger.

    `part` is above 0 for the later parts of a repository that is too large to be ordered at once.
    """
    number = 0
    name = f"{part}." if part else ""
    for group in woven.components:
        members: list[tuple[Entry, str]] = []
        size = 0
        for node in group:
            text = _opened(entries[node], texts[node])
            more = len(text.encode())
            if members and size + more > limit:
                yield _document(members, f"{name}{number}")
                number, members, size = number + 1, [], 0
            members.append((entries[node], text))
            size += more
        yield _document(members, f"{name}{number}")
        number += 1


def _opened(entry: Entry, text: str) -> str:
    language = languages.LANGUAGES.get(entry.language)
    header = languages.header(entry.path, language) if language else f"# {entry.path}\n"
    return header + text + ("" if text.endswith("\n") else "\n")


def _document(members: Sequence[tuple[Entry, str]], number: str) -> Document:
    files = []
    place = 0
    weight: dict[str, int] = {}
    for entry, text in members:
        files.append({"path": entry.path, "language": entry.language, "start": place, "end": place + len(text)})
        place += len(text)
        weight[entry.language] = weight.get(entry.language, 0) + entry.bytes
    first = members[0][0]
    return {
        "document_id": f"{first.repo}#{number}",
        "repo": first.repo,
        "revision": first.revision,
        # Of most bytes; the smaller name on a tie.
        "language": min(weight, key=lambda name: (-weight[name], name)),
        "license": _license(entry.license for entry, _ in members),
        "files": files,
        "text": "".join(text for _, text in members),
    }


def _license(found: Iterable[str | None]) -> str | None:
    """What holds for a document: its files' licences, all together; None where none is known."""
    ids = sorted({license for license in found if license})
    return " AND ".join(f"({id})" if len(ids) > 1 and " OR " in id else id for id in ids) or None
