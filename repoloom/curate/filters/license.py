"""Files that hold a licence and nothing else: LICENSE.md, and code files of which only the header is left."""

import re

import numpy as np

from repoloom.curate.filters.batch import Batch
from repoloom.curate.filters.utf8 import Floats
from repoloom.languages import LANGUAGES

_MOST = 4096
"""Bytes of a code file that may be a licence only; longer comments are documentation."""


def beyond(batch: Batch) -> Floats:
    """Bytes beyond a licence: 0 for prose by a licence's name; in code what follows the comments at its top.

    Only where the first 4,096 bytes speak of a licence or of copyright; no number elsewhere.
    """
    return batch.scanned(_beyond)


def _beyond(batch: Batch) -> Floats:
    found = np.full(len(batch), np.nan)
    named = np.array([bool(_NAME.search(path)) for path in batch.paths], bool)
    prose = batch.where(_PROSE.__contains__)
    found[named & prose] = 0
    for row, (head, language) in enumerate(zip(batch.first(_MOST), batch.languages, strict=True)):
        if not prose[row] and language in _COMMENTS and _speaks(head.lower()):
            comments = _COMMENTS[language].match(head)
            assert comments  # it may be empty
            found[row] = batch.size[row] - comments.end()
    return found


def _speaks(head: bytes) -> bool:
    return b"copyright" in head or b"license" in head or b"licence" in head


def _comments(line: str | None, block: tuple[str, str] | None) -> re.Pattern[bytes]:
    """White space and comments from the beginning on; each tried once, an unclosed one is none."""
    parts = [r"\s++"]
    if line:
        parts.append(re.escape(line) + r"(?!/ *<)[^\n]*+")  # not TypeScript's /// <reference ...>: that is code
    if block:
        parts.append(f"{re.escape(block[0])}(?s:.*?){re.escape(block[1])}")
    return re.compile(f"(?:{'|'.join(parts)})*+".encode())


_PROSE = frozenset({"markdown", "restructuredtext", "tex", "html"})
_NAME = re.compile(
    r"(?i)(?:^|/)(un)?(licen[cs]es?|copying|copyright|notice|eula)([._-][\w.-]*)?\.(md|markdown|rst|rest|tex|html?)$"
)
_COMMENTS = {
    language.id: _comments(language.line_comment, language.block_comment)
    for language in LANGUAGES.values()
    if language.id not in _PROSE and (language.line_comment or language.block_comment)
}
