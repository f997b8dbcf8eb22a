"""Declarations in languages of braces: which stand at the top of their file or namespace, and which deeper."""

import re
from collections.abc import Iterator

# Each begins with one certain character: alternatives that all do are searched for many times faster.
LINE_COMMENT = r"//[^\n]*+"
BLOCK_COMMENT = r"/\*[^*]*+(?:\*(?!/)[^*]*+)*+(?:\*/|\Z)"
NESTED_COMMENT = rf"/\*[^*/]*+(?:(?:\*(?!/)|/(?!\*)|{BLOCK_COMMENT})[^*/]*+)*+(?:\*/|\Z)"
"""A comment that may hold comments, as Kotlin, Scala and Swift have them; deeper ones end early."""
STRING = r'"[^"\\\n]*+(?:\\.?+[^"\\\n]*+)*+"?+'
CHARACTER = r"'(?:[^'\\\n]|\\u\w{4}|\\.)'"

Level = tuple[re.Match[str], int]


def levels(code: str, declaration: re.Pattern[str], openers: str = "{") -> Iterator[Level]:
    """Each declaration in `code` (without comments and strings) and how many blocks stand open before it.

    `openers`: which brackets count as blocks. Where they do not balance (a branch of the preprocessor that opens a
    block twice), depth says nothing, and all is taken to stand at the top.
    """
    pairs = [(opener, {"{": "}", "(": ")"}[opener]) for opener in openers]
    if any(code.count(opener) != code.count(closer) for opener, closer in pairs):
        for match in declaration.finditer(code):
            yield match, 0
        return
    blocks = code
    for opener, closer in pairs:
        blocks = blocks.replace(opener, "{").replace(closer, "}")
    depth = position = 0
    for match in declaration.finditer(code):
        start = match.start()
        depth += blocks.count("{", position, start) - blocks.count("}", position, start)
        position = start
        yield match, depth if depth > 0 else 0
