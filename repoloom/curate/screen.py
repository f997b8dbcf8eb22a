"""The syntax screen [DeepSeek-Coder 2.4: "a compiler"]: CPython's own for Python, tree-sitter for most languages.

Python is taken through CPython's own compiler up to its table of symbols: parsed, and names resolved. The last step,
code for the machine, costs a third of the time and refused 4 of 21,000 real files besides: CPython's own broken inputs
for that step, with a late `from __future__`. It is the Python that runs Repoloom which judges; the stage's
fingerprint names its version. Shell has a scanner of its own (shell.py): tree-sitter misreads valid scripts too often.

For the others what is cheap and certain comes first: a NUL, a merge conflict left in, brackets nested deeper than any
program's, and for the C family brackets and `#if`s that do not close (brackets.py: no grammar can tell these from
macros). Only what passes is parsed, once. tree-sitter never refuses, it marks what it could not place; a grammar that
is older than the file, or a macro, leaves a few such tokens in valid files. So a file fails if its brackets do not
close, or if the tokens that hang on error nodes are more than a share of its bytes. That share is measured for each
language on code that is known to compile (screen.toml, docs/screens.md); where every valid file parses it is 0.

Left out for cause: SQL and Tcl (valid files fail), HTML and Perl (minutes on a few hundred KB of hostile input), Make,
CMake and markup (bad files pass).
"""

import re
import symtable
import tomllib
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from tree_sitter import Node, Parser
from tree_sitter_language_pack import get_parser

from repoloom.curate import brackets, shell
from repoloom.languages import LANGUAGES


def _read() -> dict[str, float]:
    tables = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
    return {id: table["misplaced"] for id, table in tables.items() if id in LANGUAGES}


SCREENS: Mapping[str, float] = MappingProxyType(_read())
"""The languages that tree-sitter judges -> the share of a file's bytes in misplaced tokens over which it is dropped."""

READ_WHOLE = frozenset({"python", "shell"})
"""The languages that are judged without a tree; those neither here nor in SCREENS pass."""

LARGEST = 1_000_000
"""Characters; larger files pass unread: compiling ten times that took 2 GB."""

DEEPEST = 500
"""Brackets open at once, over which a file is dropped unparsed. C++ headers were seen with 149; clang stops at 256."""

SECONDS, SECONDS_A_MEGABYTE = 2.0, 10.0
"""What a parser may take, some 50 times its usual; the clock decides, so for a hostile file's end only."""

_C_FAMILY = frozenset({"c", "cpp", "cuda"})
_EXACT = (1.0, 0.0)
"""The measure and threshold of what is certain: one error, none allowed."""
_PARTED = re.compile(r"^={7}\r?$", re.MULTILINE)


def syntax(language: str, path: str, text: str) -> tuple[float, float] | None:
    """The measure and the threshold by which `text` fails the screen; None if it passes.

    The measure is 1 over 0 for an error that is certain, else the share of bytes in misplaced tokens.
    """
    if len(text) > LARGEST or not (language in SCREENS or language in READ_WHOLE):
        return None
    if _certain(language, path, text) is not None:
        return _EXACT
    if language in READ_WHOLE:
        return None
    root = _parse(language, path, text)
    if root is None:
        return _EXACT
    if not root.has_error:
        return None
    share = _misplaced(root)
    if share > SCREENS[language]:
        return share, SCREENS[language]
    return None if language in _C_FAMILY or brackets.of_tree(root) else _EXACT


def reason(language: str, path: str, text: str) -> str:
    """In words, why `text` fails the screen; "" if it passes."""
    failed = syntax(language, path, text)
    if failed is None:
        return ""
    if certain := _certain(language, path, text):
        return certain
    root = _parse(language, path, text)
    if root is None:
        return "the parser did not come to an end"
    if failed == _EXACT:
        return "brackets do not close"
    return f"line {_first_error(root)}: a token that the grammar cannot place"


def python_error(text: str) -> str | None:
    """What CPython's parser and symbol table say against `text`, or None if they take it. Nothing of it is run."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            symtable.symtable(text.removeprefix("\ufeff"), "<file>", "exec")
    except SyntaxError as error:
        return f"line {error.lineno or 1}: {error.msg}"
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        return str(error) or "nested too deeply to be parsed"
    return None


def misplaced(language: str, path: str, text: str) -> float:
    """The share of the bytes of `text` in tokens that the language's grammar could not place; 1 if it did not end."""
    root = _parse(language, path, text)
    return 1.0 if root is None else _misplaced(root)


def _certain(language: str, path: str, text: str) -> str | None:
    """An error that can be told without a tree."""
    if "\0" in text:
        return "a NUL byte"
    if (place := _conflict(text)) is not None:
        return f"line {text.count(chr(10), 0, place + 1) + 1}: a merge conflict"
    if language == "python":
        return python_error(text)
    data = text.encode("utf-8", "surrogatepass")
    if brackets.deeper(data, DEEPEST):
        return "nested too deeply"
    if language == "shell":
        return shell.error(path, text)
    return brackets.c_family_error(data) if language in _C_FAMILY else None


def _conflict(text: str) -> int | None:
    """Where a merge conflict begins: the three markers at the beginnings of lines, in order."""
    begin = 0 if text.startswith("<<<<<<< ") else text.find("\n<<<<<<< ")
    if begin < 0:
        return None
    parted = _PARTED.search(text, begin)
    return begin if parted and text.find("\n>>>>>>> ", parted.end()) >= 0 else None


def _parse(language: str, path: str, text: str) -> Node | None:
    """The root of the tree, or None if the parser runs out of time."""
    data = text.encode("utf-8", "surrogatepass")
    parser = _parser(language, path.endswith((".tsx", ".jsx")))
    with warnings.catch_warnings():
        # py-tree-sitter 0.25 would have a progress callback instead, which it ignores for bytes and dies of otherwise.
        warnings.simplefilter("ignore", DeprecationWarning)
        parser.timeout_micros = int(SECONDS * 1e6 + SECONDS_A_MEGABYTE * len(data))  # type: ignore[misc]  # no setter in its stub
    try:
        return parser.parse(data).root_node
    except ValueError:
        parser.reset()  # else the next text would be read as the rest of this one
        return None


def _misplaced(root: Node) -> float:
    """Bytes of the tokens that hang on an error node themselves, and of those that were made up, over all bytes.

    Not all that stands below an error node: one macro at the top of a valid C++ file may turn the root into one.
    """
    bad = 0
    # Only what holds an error is walked into, so a valid file costs one look.
    walk = [root] if root.has_error else []
    while walk:
        node = walk.pop()
        for child in node.children:
            if child.is_missing:
                bad += 1
            elif child.child_count == 0 and (node.is_error or child.is_error) and not child.is_extra:
                bad += child.end_byte - child.start_byte
            elif child.has_error or child.is_error:
                walk.append(child)
    return bad / root.end_byte if root.end_byte else 0.0


def _first_error(root: Node) -> int:
    """The line, from 1, of the first error node or made-up token."""
    node = root
    while not (node.is_error or node.is_missing):
        node = next(child for child in node.children if child.has_error or child.is_error or child.is_missing)
    return node.start_point.row + 1


@cache
def _parser(language: str, jsx: bool) -> Parser:
    name = "tsx" if jsx and language == "typescript" else LANGUAGES[language].grammar
    assert name is not None
    return get_parser(name)  # type: ignore[arg-type]  # its names are a Literal; ours come from languages.toml
