"""Mixing: how often each training document stands in the output, so that groups come to their shares of the bytes.

A share's key is a group (`code`, `text`), a language's id, or a pattern on the repository's name (`stackexchange/*`).
A document belongs to the first pattern that fits it, else to its language, else to its group, as far as the recipe
names these; all others are the rest, and take what the shares leave of 1. DeepSeek Coder mixed 87% code, 10% English
that is about code (Markdown, Stack Exchange) and 3% Chinese [2]; TeX it counted as code.

The total is the budget in tokens, or else as many bytes as these groups have. A group too small for its share is
repeated, so that a document stands at most `max_repeats` times (four epochs are worth nearly as much as new text:
Muennighoff et al. 2023, arXiv 2305.16264); what it still lacks goes to the other groups by their shares, rather than
that unique text is thrown away. A document is never cut. Which ones go or stand once more is decided by a hash of the
seed and the document's id.

Mixing comes last, over training documents alone: held-out repositories are whole, unmixed and were set aside before.
"""

import hashlib
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from repoloom import recipe
from repoloom.languages import LANGUAGES

TEXT = frozenset({"markdown", "restructuredtext"})
"""The languages of the group `text`: those of the list that are prose about code."""
REST = "rest"


class Item(NamedTuple):
    """A training document as the mix sees it."""

    document_id: str
    repo: str
    language: str
    bytes: int


def plan(documents: Sequence[Item], settings: recipe.Mix, seed: int) -> list[int]:
    """How often each document is to stand in the output: 0, 1, ... `max_repeats`. Depends on no order of documents."""
    if not settings.shares and settings.tokens is None:
        return [1] * len(documents)
    members: dict[str, list[int]] = {}
    for number, document in enumerate(documents):
        members.setdefault(_group(document, settings), []).append(number)
    sizes = {group: sum(documents[number].bytes for number in numbers) for group, numbers in members.items()}
    copies = [0] * len(documents)
    for group, target in _targets(sizes, settings).items():
        numbers = sorted(members[group], key=lambda number: _key(documents[number].document_id, seed))
        for number, count in zip(numbers, _copies([documents[n].bytes for n in numbers], target), strict=True):
            copies[number] = min(count, settings.max_repeats)
    return copies


def report(documents: Sequence[Item], copies: Sequence[int], settings: recipe.Mix) -> list[dict[str, Any]]:
    """A row a group, the recipe's order, the rest last: its shares of the bytes wanted and reached, and its repeats.

    `repeats` is the mean number of copies of a byte.
    """
    rows: dict[str, dict[str, Any]] = {
        group: {"group": group, "target": target, "documents_in": 0, "documents_out": 0, "bytes_in": 0, "bytes_out": 0}
        for group, target in _shares(settings).items()
    }
    for document, count in zip(documents, copies, strict=True):
        row = rows[_group(document, settings)]
        row["documents_in"] += 1
        row["documents_out"] += count
        row["bytes_in"] += document.bytes
        row["bytes_out"] += count * document.bytes
    total = sum(row["bytes_out"] for row in rows.values())
    for row in rows.values():
        row["share"] = row["bytes_out"] / total if total else 0.0
        row["repeats"] = row["bytes_out"] / row["bytes_in"] if row["bytes_in"] else 0.0
    return list(rows.values())


def _shares(settings: recipe.Mix) -> dict[str, float]:
    return {**settings.shares, REST: max(0.0, round(1 - sum(settings.shares.values()), 9))}


def _group(document: Item, settings: recipe.Mix) -> str:
    for key in settings.shares:
        if "/" in key and fnmatchcase(document.repo, key):
            return key
    kind = "text" if document.language in TEXT else "code" if document.language in LANGUAGES else REST
    return next((key for key in (document.language, kind) if key in settings.shares), REST)


def _targets(sizes: dict[str, int], settings: recipe.Mix) -> dict[str, float]:
    """The bytes that each group is to come to. What one cannot give, the others give in proportion to their shares."""
    left = {group: share for group, share in _shares(settings).items() if group in sizes and share}
    budget = settings.tokens * settings.bytes_per_token if settings.tokens else sum(sizes[group] for group in left)
    targets: dict[str, float] = {}
    while left:
        whole = sum(left.values())
        rest = budget - sum(targets.values())
        full = [group for group, share in left.items() if sizes[group] * settings.max_repeats < rest * share / whole]
        if not full:
            return targets | {group: rest * share / whole for group, share in left.items()}
        for group in full:
            targets[group] = sizes[group] * settings.max_repeats
            del left[group]
    return targets


def _copies(sizes: Sequence[int], target: float) -> list[int]:
    """Copies of documents of these sizes that come near to `target` bytes: all alike, the first that fit once more."""
    whole = sum(sizes)
    if not whole:
        return [1] * len(sizes)
    each = int(target // whole)
    left = target - each * whole
    copies = [each] * len(sizes)
    for place, size in enumerate(sizes):
        if size <= left:
            copies[place] += 1
            left -= size
    # One more where that is nearer: a group of one large document would vanish otherwise.
    spare = min(
        (place for place in range(len(sizes)) if copies[place] == each), key=lambda place: sizes[place], default=0
    )
    if copies[spare] == each and sizes[spare] < 2 * left:
        copies[spare] += 1
    return copies


def _key(document_id: str, seed: int) -> bytes:
    return hashlib.blake2b(f"mix\0{seed}\0{document_id}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
