"""Visible text of HTML, scanned by hand: `html.parser` is quadratic on unclosed marks."""

import html
import re
from collections.abc import Iterator

import numpy as np

from repoloom.curate.filters.batch import Batch
from repoloom.curate.filters.utf8 import Floats


def visible(batch: Batch) -> Floats:
    """Characters of each HTML file's visible text, runs of white space counted as one."""
    return batch.scanned(_scan)


def visible_share(batch: Batch) -> Floats:
    """Visible characters over all characters of each HTML file."""
    return visible(batch) / np.maximum(batch.characters, 1)


def _scan(batch: Batch) -> Floats:
    return np.array([_length(text) for text in batch.texts()], np.float64)


def _length(text: str) -> int:
    return len(" ".join(html.unescape("".join(_visible(text))).split()))


def _visible(text: str) -> Iterator[str]:
    """The text of an HTML file outside tags, comments, scripts and styles. An unclosed one hides the rest."""
    place = 0
    while (tag := text.find("<", place)) >= 0:
        yield text[place:tag]
        if text.startswith("<!--", tag):
            end, length = text.find("-->", tag + 4), 3
        elif hidden := _HIDDEN.match(text, tag):
            closing = _CLOSING[hidden[1].lower()].search(text, hidden.end())
            end, length = (closing.start(), len(closing[0])) if closing else (-1, 0)
        else:
            end, length = text.find(">", tag), 1
        if end < 0:
            return
        place = end + length
        yield " "
    yield text[place:]


_HIDDEN = re.compile(r"<(script|style)\b", re.IGNORECASE)
_CLOSING = {name: re.compile(rf"</{name}[^>]{{0,20}}>", re.IGNORECASE) for name in ("script", "style")}
