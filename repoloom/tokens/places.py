"""Where a text is cut for the middle: between any two characters, lines, or around a syntax node.

Every kind of cut is drawn from the same random 64-bit numbers, two for each middle.
"""

import functools
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from tree_sitter import Language, Parser, TreeCursor
from tree_sitter_language_pack import get_language

from repoloom.languages import LANGUAGES

Places = npt.NDArray[np.int64]

_NO_SPACE = re.compile(rb"\S")

_PARSED = 16_384
"""Bytes that are parsed for one node, about 4,096 tokens. What is nothing but errors takes time with its square."""


def among(borders: Places, drawn: Sequence[int]) -> list[int]:
    """As many of the borders as numbers, in order, uniformly."""
    found: list[int] = borders[sorted(number * len(borders) >> 64 for number in drawn)].tolist()
    return found


def characters(text: str, drawn: Sequence[int]) -> list[int]:
    """Places between characters, as bytes of the text's UTF-8, in order; its ends are places, too [F: uniformly]."""
    found = sorted(number * (len(text) + 1) >> 64 for number in drawn)
    return found if text.isascii() else [len(text[:place].encode()) for place in found]


def lines(data: bytes) -> Places:
    """The starts of a text's lines, and its end, in bytes."""
    behind = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")) + 1
    return np.unique(np.concatenate([[0], behind, [len(data)]]))


def node(data: bytes, files: Sequence[tuple[int, str]], one: int, two: int) -> list[int]:
    """The bytes of a syntax node: the largest that holds a drawn character and is no longer than a drawn length.

    Both are uniform over the text: middles are a fifth of it on average, where two uniform cuts leave a third. `files`
    are the starts and languages of the text's files, the first at 0; where the character is in a language without a
    grammar, the text is cut between lines. A file is parsed from its start or the text's, as it stands, and at most
    `_PARSED` bytes around the character: the parser recovers from errors.
    """
    place = one * len(data) >> 64
    while data[place] & 0xC0 == 0x80:  # its character's first byte
        place -= 1
    number = max(0, sum(start <= place for start, _ in files) - 1)
    starts = [start for start, _ in files]
    grammar = _grammar(files[number][1]) if files else None
    if grammar is None:
        return among(lines(data), (one, two))
    first, end = starts[number], [*starts, len(data)][number + 1]
    first, end = _near(data, place, first, end)
    own = data[first:end]
    found = _NO_SPACE.search(own, place - first)
    place = found.start() if found else max(len(own.rstrip()) - 1, 0)
    most = two * len(data) >> 64
    walk = Parser(grammar).parse(own).walk()
    # Down from the root: from a leaf upwards each step would cost a walk of its own, and nesting has no limit.
    while _length(walk) > most and walk.goto_first_child_for_byte(place) is not None:
        pass
    assert walk.node is not None
    return [first + walk.node.start_byte, first + walk.node.end_byte]


def _near(data: bytes, place: int, first: int, end: int) -> tuple[int, int]:
    """The part of `data[first:end]` that is parsed: whole characters, from the start of a line if there is one near."""
    half = _PARSED // 2
    if place - first > half:
        first = data.find(b"\n", place - half, place) + 1 or place - half
    end = min(end, place + half)
    while first < place and data[first] & 0xC0 == 0x80:
        first += 1
    while end < len(data) and data[end] & 0xC0 == 0x80:
        end += 1
    return first, end


def _length(walk: TreeCursor) -> int:
    assert walk.node is not None
    return walk.node.end_byte - walk.node.start_byte


@functools.cache
def _grammar(language: str) -> Language | None:
    """The grammar of a language of ours, None where there is none."""
    known = LANGUAGES.get(language)
    return None if known is None or known.grammar is None else get_language(known.grammar)  # type: ignore[arg-type]
