"""What tree-sitter sees of a text in any language with a grammar: its names, and what it defines."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from repoloom.languages import LANGUAGES

if TYPE_CHECKING:  # a recipe is checked without it
    from tree_sitter import Node, Parser

_LONGEST = 1 << 20
"""Bytes that are parsed. What is nothing but errors takes time with its square; files are shorter, answers far."""
_NAMES = ("identifier", "constant", "variable_name", "name", "word")
"""What leaves that are names are called, or end with: `type_identifier`."""
_OPENING = {"php": "<?php "}
_SPACES = ("namespace_definition", "namespace_declaration", "internal_module", "mod_item", "module", "namespace")
"""What has a name and only holds definitions."""
_BODIES = ("body", "block", "list", "statement", "definition", "declaration", *_SPACES)
"""What may hold definitions of a file's outermost levels: a namespace's body, an `export` before a class."""
_DEFINES = ("definition", "declaration", "item", "specifier", "spec", "declarator", "class", "method")


def names(text: str, language: str) -> list[tuple[str, int]] | None:
    """Every identifier in order, and its line: no keyword, nothing in strings or comments.

    None for a language without a grammar.
    """
    parser = _parser(language)
    if parser is None:
        return None
    data = _bytes(_OPENING.get(language, "") + text)
    leaves = (node for node in _leaves(parser.parse(data).root_node) if node.type.endswith(_NAMES))
    return [(data[leaf.start_byte : leaf.end_byte].decode("utf-8", "replace"), leaf.start_point[0]) for leaf in leaves]


def definitions(text: str, language: str) -> dict[str, tuple[int, int]]:
    """The names a file defines outside of functions, and the bytes of each first definition."""
    parser = _parser(language)
    if parser is None:
        return {}
    data = _bytes(text)
    found: dict[str, tuple[int, int]] = {}
    left = [(node, 0) for node in reversed(parser.parse(data).root_node.named_children)]
    while left:
        node, depth = left.pop()
        name = _name(node) if node.type.endswith(_DEFINES) and node.type not in _SPACES else None
        if name is not None:
            found.setdefault(
                data[name.start_byte : name.end_byte].decode("utf-8", "replace"), (node.start_byte, node.end_byte)
            )
        elif depth < 4 and node.type.endswith(_BODIES):
            left += [(child, depth + 1) for child in reversed(node.named_children)]
    return found


def parses(text: str, language: str) -> bool:
    """Whether the grammar accepts the text, what is only missing at its end left aside (as CrossCodeEval counts)."""
    parser = _parser(language)
    if parser is None:
        return True
    left = [parser.parse(text.encode("utf-8", "surrogatepass")[-_LONGEST:]).root_node]
    while left:
        node = left.pop()
        if node.type == "ERROR":
            return False
        if node.has_error:
            left += node.children
    return True


def _bytes(text: str) -> bytes:
    """What is parsed of a text; an answer of an endpoint may hold half a surrogate pair."""
    return text.encode("utf-8", "surrogatepass")[:_LONGEST]


def _name(node: Node) -> Node | None:
    """The name that a definition gives; in C the innermost of its declarators."""
    name = node.child_by_field_name("name")
    declarator = node.child_by_field_name("declarator")
    while name is None and declarator is not None:
        if declarator.type.endswith("identifier"):
            name = declarator
        declarator = declarator.child_by_field_name("declarator")
    return name


def _leaves(root: Node) -> Iterator[Node]:
    """By a cursor, not by recursion: nothing says how deep a text is nested."""
    walk = root.walk()
    while True:
        if not walk.goto_first_child():
            if walk.node is not None:
                yield walk.node
            while not walk.goto_next_sibling():
                if not walk.goto_parent():
                    return


@functools.cache
def _parser(language: str) -> Parser | None:
    from tree_sitter_language_pack import get_parser

    known = LANGUAGES.get(language)
    return None if known is None or known.grammar is None else get_parser(known.grammar)  # type: ignore[arg-type]
