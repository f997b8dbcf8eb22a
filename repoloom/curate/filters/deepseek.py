"""DeepSeek Coder's filter rules [arXiv 2401.14196, 2.1], after StarCoder's, with the published thresholds.

StarCoder asks for 25% letters in 16 data-prone extensions only and spares Markdown and a dozen more the rules for
lines; DeepSeek's paper names no exception but XSLT. JSON and YAML: BigCode's script has 100 as the default of the
least, the papers say 50.
"""

import numpy as np

from repoloom.curate.filters import html
from repoloom.curate.filters.batch import Batch
from repoloom.curate.filters.rule import Rule
from repoloom.curate.filters.utf8 import Floats

_PAPER = "DeepSeek-Coder 2.1"
_HTML = frozenset({"html"})
_DATA = frozenset({"json", "yaml"})


def full(batch: Batch) -> Floats:
    """Characters that are not white space."""
    return batch.characters - batch.spaces


def alphabetic(batch: Batch) -> Floats:
    """Share of letters (of any script) among all characters; 0 for an empty file."""
    share: Floats = batch.letters / np.maximum(batch.characters, 1)
    return share


def xml_declaration(batch: Batch) -> Floats:
    """1 if an XML declaration stands in the first 100 characters, else 0."""
    heads = batch.first(400)  # a character has four bytes at most
    return np.array(
        [b"<?xml version=" in head and "<?xml version=" in head.decode("utf-8", "ignore")[:100] for head in heads],
        float,
    )


EMPTY = Rule("empty", full, "ours: a blank file teaches nothing", at_least=1)
HTML = (
    Rule("html-visible-share", html.visible_share, _PAPER, at_least=0.2, languages=_HTML),
    Rule("html-visible", html.visible, _PAPER, at_least=100, languages=_HTML),
)
XML = Rule("xml", xml_declaration, f"{_PAPER}: but for XSLT", at_most=0, but=frozenset({"xslt"}))
ALPHABETIC = Rule("alphabetic", alphabetic, _PAPER, at_least=0.25)
RULES = (
    EMPTY,
    Rule("average-line", Batch.average_line, _PAPER, at_most=100),
    Rule("longest-line", Batch.longest_line, _PAPER, at_most=1000),
    ALPHABETIC,
    XML,
    *HTML,
    Rule("data-characters-least", Batch.characters, f"{_PAPER}: JSON and YAML", at_least=50, languages=_DATA),
    Rule("data-characters-most", Batch.characters, f"{_PAPER}: JSON and YAML", at_most=5000, languages=_DATA),
)
