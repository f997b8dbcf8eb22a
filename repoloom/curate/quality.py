"""Readability and modularity of a file as two scores from 0 to 1, out of features that one look at its lines gives.

[DeepSeek-Coder 2.4] screens for "poor readability and low modularity" and does not say how. Here a score is the plain
mean of its features' grades. A grade is 1 up to a good value, 0 from a bad one, a straight line between: so each score
falls or stays when one feature gets worse, and `explain` can show which did. Good and bad values were chosen from the
distributions over real code in docs/screens.md: a good one is about the median or milder, a bad one in the last percent
or beyond. What is graded:

| score | feature | measured as |
|---|---|---|
| readability | long_lines | share of the lines that are not blank with more than 120 bytes |
| | nesting | 90th percentile of the lines' indentation, in steps of the file's own |
| | short_names | share of one-letter words among words that begin with a letter |
| | uncommented | 1 - comment lines / lines that are not blank |
| | dead_text | share of lines that begin with the line comment's mark and end like a statement (`;`, `{`, `}`) |
| modularity | definition_lines | lines that are neither blank nor comment, over definitions (functions, types) |
| | longest_definition | most such lines from one definition to the next |
| | definitions | definitions in the file: a file of hundreds is not one module |

Everything is counted in bytes and lines with numpy, comments by how a line begins, definitions by how a line reads: no
second parse. Strings are not told from code; a block comment whose lines begin with nothing counts as code.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.uint8]
Lines = npt.NDArray[np.bool_]

_READABILITY = {
    "long_lines": (0.02, 0.35),
    "nesting": (3.0, 8.0),
    "short_names": (0.05, 0.40),
    "uncommented": (0.80, 1.0),
    "dead_text": (0.01, 0.15),
}
_MODULARITY = {
    "definition_lines": (15.0, 200.0),
    "longest_definition": (60.0, 800.0),
    "definitions": (40.0, 400.0),
}
"""Feature -> the value that is still graded 1, and the one from which the grade is 0."""

READABILITY = 0.5
MODULARITY = 0.34
"""The scores under which a file is dropped: 0.2 and 0.5 percent of real code (docs/screens.md)."""

_LONG = 120
_HASH = frozenset({"python", "ruby", "shell"})
_INDENTED = frozenset({"python", "ruby", "lua", "kotlin", "scala", "swift", "go", "rust", "php"})
_BRACED = frozenset({"c", "cpp", "cuda", "java", "c-sharp", "javascript", "typescript", "shell"})
_ARROWS = frozenset({"javascript", "typescript"})
SCORED = _INDENTED | _BRACED
"""Languages whose definitions are known by how a line reads; others have no scores."""

_WORDS = (
    rb"\n[ \t]*+(?:(?:public|private|protected|internal|static|final|abstract|sealed|open|override|virtual|async|export"
    rb"|default|unsafe|extern|inline|suspend|partial|data|case|local|const|template[^\n]{0,80}>|pub(?:\(\w++\))?+)[ \t]"
    rb"++)*+"
    rb"(?:def|class|module|func|fn|fun|function|interface|trait|struct|enum|impl|object|record|protocol|extension|union)\b"
)
_HEADER = (
    rb"\n[ \t]*+(?!(?:if|for|while|switch|catch|else|do|return|try|using|lock|foreach|synchronized|with)\b)"
    rb"[A-Za-z_~][^\n;{}()=#]*+\((?:[^;{}()]|\([^;{}()]*\))*+\)"
    rb"(?:[^\n;{}()]|\([^\n;{}()]*\))*+(?:\n[ \t]*+)?\{"
)
_ARROW = (
    rb"\n[ \t]*+(?:(?:export|default|const|let|var|static|public|private|protected|readonly)[ \t]++)*+"
    rb"[A-Za-z_$#][\w$.]*+(?:[ \t]*+:|[^\n=()]*+=)[ \t]*+(?:async[ \t]*+)?+"
    rb"(?:function\b|\([ \t\r]*+\n|\([^\n]*=>|\w++[ \t]*+=>)"
)
_DEFINITION = {language: re.compile(_WORDS) for language in _INDENTED} | {
    language: re.compile(b"|".join((_WORDS, _HEADER, *([_ARROW] if language in _ARROWS else []))))
    for language in _BRACED
}

_INK, _WORD, _LETTER, _STATEMENT = np.uint8(1), np.uint8(2), np.uint8(4), np.uint8(8)
"""What a byte is: no white space; of a word; what a word may begin with; what a statement ends with."""


def _kinds() -> bytes:
    kinds = np.full(256, _INK, np.uint8)
    kinds[[*b" \t\r\n\f\v"]] = 0
    kinds[[*b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_", *range(128, 256)]] |= _WORD | _LETTER
    kinds[[*b"0123456789"]] |= _WORD
    kinds[[*b";{}"]] |= _STATEMENT
    return kinds.tobytes()


_KINDS = _kinds()


@dataclass(frozen=True, slots=True)
class Scores:
    """Two scores from 0 (worst) to 1, and the features they are made of, by name."""

    readability: float
    modularity: float
    features: Mapping[str, float]


def scores(language: str, text: str) -> Scores | None:
    """The scores of a file; None for a language that is not SCORED, and for a file without a line of code."""
    if language not in SCORED:
        return None
    features = _features(language, b"\n" + text.encode("utf-8", "surrogatepass") + b"\n")
    if features is None:
        return None
    return Scores(_score(_READABILITY, features), _score(_MODULARITY, features), features)


def _score(grades: Mapping[str, tuple[float, float]], features: Mapping[str, float]) -> float:
    return sum(min(1.0, max(0.0, (bad - features[name]) / (bad - good))) for name, (good, bad) in grades.items()) / len(
        grades
    )


def _features(language: str, data: bytes) -> dict[str, float] | None:
    """`data` begins and ends with a line break."""
    codes = np.frombuffer(data, np.uint8)
    kinds = np.frombuffer(data.translate(_KINDS), np.uint8)
    breaks = np.flatnonzero(codes == 10)
    begins, ends = _runs(kinds & _INK)
    if not begins.size:
        return None
    # Of each line: its first and last byte that is not white space; lines without any are left out.
    borders = np.searchsorted(begins, breaks)
    filled = np.flatnonzero(borders[1:] > borders[:-1])
    first, last = begins[borders[:-1][filled]], ends[borders[1:][filled] - 1] - 1
    starts = breaks[:-1][filled] + 1
    marked, comment = _comments(language, codes, kinds, first)
    code = ~comment
    lines, code_lines = len(filled), int(code.sum())
    if not code_lines:
        return None
    defined = [match.end() - 1 for match in _DEFINITION[language].finditer(data)]
    # Code lines before each definition, and before the end: their steps are the definitions' lengths.
    before = np.concatenate([[0], np.cumsum(code)])[np.searchsorted(starts, [*defined, len(data)])]
    return {
        "long_lines": float(np.count_nonzero(last - starts >= _LONG)) / lines,
        "nesting": _nesting((first - starts)[code], codes[starts[code]] == ord("\t")),
        "short_names": _short(kinds),
        "uncommented": code_lines / lines,
        "dead_text": float(np.count_nonzero(marked & (kinds[last] & _STATEMENT > 0))) / lines,
        "definition_lines": code_lines / max(1, len(defined)),
        "longest_definition": float(np.max(np.diff(before), initial=0 if defined else code_lines)),
        "definitions": float(len(defined)),
    }


def _comments(language: str, codes: Codes, kinds: Codes, first: npt.NDArray[np.int64]) -> tuple[Lines, Lines]:
    """Which lines are comments by their first bytes: by the line's own mark, or by this or `/*` and `*` of a block.

    `///` and `//!` are documentation, where code is an example: comments, but not by the line's own mark.
    """
    one, two, three = codes[first], codes[first + 1], codes[np.minimum(first + 2, len(codes) - 1)]
    if language in _HASH:
        mark = (one == ord("#")) & ((two != ord("!")) | (first > 1))
        return mark, mark
    if language == "lua":
        mark = (one == ord("-")) & (two == ord("-"))
        return mark & (three != ord("-")), mark
    slashes = (one == ord("/")) & (two == ord("/"))
    block = ((one == ord("/")) & (two == ord("*"))) | (
        (one == ord("*")) & ((kinds[first + 1] & _INK == 0) | (two == ord("/")))
    )
    if language == "php":
        slashes |= one == ord("#")
    return slashes & (three != ord("/")) & (three != ord("!")), slashes | block


def _nesting(indents: npt.NDArray[np.int64], tabbed: npt.NDArray[np.bool_]) -> float:
    """The 90th percentile of `indents` (bytes) in steps: a step is the most frequent increase, of a tab or 2 to 8."""
    rises = np.diff(indents)
    rises = rises[((rises > 1) | tabbed[1:]) & (rises > 0) & (rises <= 8)]
    step = int(np.bincount(rises).argmax()) if rises.size else 4
    return float(np.quantile(indents, 0.9, method="lower")) / step


def _short(kinds: Codes) -> float:
    begins, ends = _runs(kinds & _WORD)
    named = kinds[begins] & _LETTER > 0
    return float(np.count_nonzero((ends - begins == 1) & named)) / max(1, int(named.sum()))


def _runs(inside: Codes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Where runs of what is not 0 begin and end. The text begins and ends with a line break, so each does both."""
    borders = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    return borders[::2], borders[1::2]
