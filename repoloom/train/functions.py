"""Documented Python functions of a source file, found with `ast`: nothing of the file is run.

A pair's instruction is what the author wrote about the function, its docstring's first paragraph or the comment block
above it, with the signature; its response is the function without that docstring, which has been said already: a model
that has to write it down again learns to copy.
"""

import ast
import copy
import inspect
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

DESCRIPTION = (20, 400)
"""Characters of a description that says something and is no manual."""

DESCRIPTION_WORDS = 4

LINES = (3, 40)
"""Lines of a response: a one-line getter teaches nothing, a page does not fit."""

CHARACTERS = (60, 1500)

FILE_CHARACTERS = 200_000
"""Larger files are generated as a rule, and take long to parse."""

_FIELDS = re.compile(
    r"^(:|@|>>>|\.\. |(args|arguments|parameters|params|returns?|raises|yields|examples?|notes?)\b)", re.I
)
_SENTENCE = re.compile(r"(?<=[.!?])\s")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Documented:
    """A function and what its author says of it."""

    name: str
    """With its class: `Matrix.transpose`."""
    description: str
    signature: str
    """`def transpose(self, copy: bool=False) -> Matrix:`, on one line."""
    code: str
    """The function without docstring, from its first decorator on, not indented."""


def documented(source: str) -> list[Documented]:
    """The documented top-level functions and methods of `source`, in order. A file that does not parse has none."""
    if len(source) > FILE_CHARACTERS:
        return []
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    lines = source.split("\n")
    found = (_documented(name, function, lines) for name, function in _functions(tree))
    return [function for function in found if function is not None]


def _functions(tree: ast.Module) -> Iterator[tuple[str, Function]]:
    for node in tree.body:
        if isinstance(node, Function):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}.{child.name}", child) for child in node.body if isinstance(child, Function))


def _documented(name: str, function: Function, lines: list[str]) -> Documented | None:
    if function.name.startswith(("test", "__")):
        return None
    first = min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])
    docstring, body = ast.get_docstring(function), function.body
    if docstring is not None:
        description, gone, body = _describe(docstring), _lines_alone(function, lines), body[1:]
    else:
        description, gone = _comment_above(first, lines), range(0)
    if description is None or gone is None or _trivial(body):
        return None
    code = _unindented([lines[row - 1] for row in range(first, (function.end_lineno or 0) + 1) if row not in gone])
    if code is None or not (LINES[0] <= code.count("\n") + 1 <= LINES[1]):
        return None
    if not CHARACTERS[0] <= len(code) <= CHARACTERS[1]:
        return None
    return Documented(name, description, _signature(function), code)


def _describe(text: str) -> str | None:
    """The first paragraph as one line, up to its field list; its first sentence where it is long. None if poor."""
    paragraph: list[str] = []
    for line in inspect.cleandoc(text).split("\n"):
        if not line.strip() or _FIELDS.match(line.strip()):
            break
        paragraph.append(line.strip())
    said = " ".join(" ".join(paragraph).split())
    if len(said) > DESCRIPTION[1]:
        said = _SENTENCE.split(said, maxsplit=1)[0]
    fits = DESCRIPTION[0] <= len(said) <= DESCRIPTION[1] and len(said.split()) >= DESCRIPTION_WORDS
    return said if fits and said[0].isupper() else None  # else it is code or a field more often than a sentence


def _comment_above(first: int, lines: list[str]) -> str | None:
    """The comment block that ends on the line above line `first`, as indented as that line."""
    here = lines[first - 1]
    mark = here[: len(here) - len(here.lstrip())] + "#"
    top = first - 1
    while top > 0 and lines[top - 1].startswith(mark):
        top -= 1
    block = [line[len(mark) :].lstrip("#!: ").rstrip() for line in lines[top : first - 1]]
    return _describe("\n".join(block)) if top > 1 else None  # line 1 is the path, or a file's own head


def _lines_alone(function: Function, lines: list[str]) -> range | None:
    """The lines of the docstring; None where other code stands on them."""
    node = function.body[0]
    end = node.end_lineno or node.lineno
    before = lines[node.lineno - 1].encode()[: node.col_offset]
    after = lines[end - 1].encode()[node.end_col_offset or 0 :]
    return None if before.strip() or after.strip() else range(node.lineno, end + 1)


def _trivial(body: list[ast.stmt]) -> bool:
    """Whether a body does nothing: no statement, `pass`, `...`, or an exception raised at once."""
    return all(isinstance(node, ast.Pass | ast.Raise) or _is_constant(node) for node in body)


def _is_constant(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _unindented(lines: list[str]) -> str | None:
    """The lines without the first one's indentation; None where one has less (a string over several lines)."""
    indent = lines[0][: len(lines[0]) - len(lines[0].lstrip())]
    if any(line.strip() and not line.startswith(indent) for line in lines):
        return None
    return "\n".join(line[len(indent) :].rstrip() for line in lines).rstrip()


def _signature(function: Function) -> str:
    head = copy.copy(function)
    head.body, head.decorator_list = [ast.Pass()], []
    return ast.unparse(head).removesuffix("pass").rstrip()
