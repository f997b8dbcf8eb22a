"""Whether a file's brackets close: by its tree's tokens, and for the C family by a scanner that lives with macros.

A dropped brace or a file cut in two leaves brackets open, in every language that has them; what a grammar does not know
yet does not. So this tells a broken file from one that is only newer than its grammar, or full of macros.

A C file is what its preprocessor makes of it: branches of an `#if` may each open a block that is closed once, after
`#endif`. So the scanner reads a file twice, as two configurations that authors do compile, and both must close: with
the first branch of every `#if`, and with the last, which is nothing where there is but one (a header's guard apart).
Bodies of macros are left out: half a block is allowed there. `#if 0` is never the first branch: prose may stand in it.
"""

import re
from collections.abc import Iterable

import numpy as np
from tree_sitter import Node

_PAIRS = {ord("("): ord(")"), ord("["): ord("]"), ord("{"): ord("}")}
_BRACKETS = bytes([*_PAIRS, *_PAIRS.values()])
_OTHERS = bytes(byte for byte in range(256) if byte not in _BRACKETS)
_STEP = np.zeros(256, np.int8)
_STEP[list(_PAIRS)] = 1
_STEP[list(_PAIRS.values())] = -1

# Comments, strings, characters. Each alternative that does not find its end runs to the end of the text, or of the
# line, so that no beginning is tried twice. `1'000` is a number, `u8'a'` is not.
_LITERAL = re.compile(
    rb"//(?:[^\n\\]|\\(?:\r\n|.))*+"
    rb"|/\*[^*]*+(?:\*(?!/)[^*]*+)*+(?:\*/|(\Z))"
    rb'|"(?:[^"\\\n]|\\(?:\r\n|.))*+"?'
    rb"|'(?:(?<=[0-9A-F]')(?<!u8')|(?:[^'\\\n]|\\(?:\r\n|.))*+'?)"
    rb'|R"([^()\\\s"]{0,16})\((?:[^)]|\)(?!\2"))*+(?:\)\2"|\Z)',
    re.DOTALL,
)
_DIRECTIVE = re.compile(rb"^[ \t]*#[ \t]*(\w*)([^\n]*)", re.MULTILINE)
_CONTINUED = re.compile(rb"\\\r?\n")
_OPEN = frozenset({b"if", b"ifdef", b"ifndef"})
_NEXT = frozenset({b"elif", b"elifdef", b"elifndef", b"else"})
_NEVER = re.compile(rb"\s*\(?\s*(?:0[uUlL]*|false)\s*\)?\s*\Z")


def deeper(data: bytes, than: int) -> bool:
    """Whether more than `than` brackets are open at once, strings and comments not told apart (hundreds of MB/s)."""
    found = data.translate(None, _OTHERS)
    if len(found) <= than:
        return False
    return bool(np.cumsum(_STEP[np.frombuffer(found, np.uint8)], dtype=np.int64).max() > than)


def balanced(brackets: Iterable[int]) -> bool:
    """Whether the bytes `brackets`, which are brackets only, close in pairs."""
    opened: list[int] = []
    for bracket in brackets:
        if bracket in _PAIRS:
            opened.append(_PAIRS[bracket])
        elif not opened or opened.pop() != bracket:
            return False
    return not opened


def of_tree(root: Node) -> bool:
    """Whether the brackets among a tree's tokens close; a token that the parser made up does not count."""
    found = bytearray()
    walk = [root]
    while walk:
        node = walk.pop()
        if node.child_count:
            walk.extend(reversed(node.children))
        elif not (node.is_named or node.is_missing):
            found += node.type.encode().translate(None, _OTHERS)
    return balanced(found)


def c_family_error(data: bytes) -> str | None:
    """What is left open in C, C++ or CUDA source, or None. Macros are never expanded."""
    unclosed = False

    def blank(match: re.Match[bytes]) -> bytes:
        nonlocal unclosed
        unclosed = unclosed or match.start(1) >= 0
        return b" "

    code = _LITERAL.sub(blank, data)
    if unclosed:
        return "a comment does not end"
    readings = _readings(_CONTINUED.sub(b"", code))
    if readings is None:
        return "an #if does not end, or an #endif stands alone"
    if all(balanced(b"".join(reading).translate(None, _OTHERS)) for reading in readings):
        return None
    return "brackets do not close"


def _readings(code: bytes) -> tuple[list[bytes], list[bytes]] | None:
    """The code outside directives with the first branch of every #if, and with its last; None if one is not closed."""
    first: list[bytes] = []
    last: list[bytes] = []
    # Of each open #if: whether the first reading was on around it, whether it has had its branch of it, where the last
    # reading stood before it, and whether that keeps the present branch at #endif.
    groups: list[tuple[bool, bool, int, bool]] = []
    on = True
    place = 0
    for directive in _DIRECTIVE.finditer(code):
        piece = code[place : directive.start()]
        place = directive.end()
        last.append(piece)
        if on:
            first.append(piece)
        word = directive[1]
        if word in _OPEN:
            never = word == b"if" and _NEVER.match(directive[2]) is not None
            guard = word == b"ifndef" and len(last) == 1  # around the whole header
            groups.append((on, not never, len(last), guard))
            on = on and not never
        elif word in _NEXT or word == b"endif":
            if not groups:
                return None
            around, taken, mark, kept = groups.pop()
            if not (word == b"endif" and kept):
                del last[mark:]
            if word == b"endif":
                on = around
            else:
                groups.append((around, True, mark, True))
                on = around and not taken
    rest = code[place:]
    return None if groups else ([*first, rest], [*last, rest])
