"""The published filter rules [DeepSeek-Coder 2.1, after StarCoder's]: what is measured, which side of it is dropped.

A rule is data: a name, the languages it looks at, a measure of the text, the least and the most that passes. They are
tried in order and the first that fails names the drop; `explain` shows all of them. Every measure is linear in the
text, for hostile files too: HTML is scanned here because `html.parser` is quadratic on unclosed marks.
"""

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from repoloom import recipe


@dataclass(frozen=True, slots=True)
class Rule:
    """One filter rule: a text passes if `at_least` <= measure(text) <= `at_most`."""

    name: str
    measure: Callable[[str], float]
    at_least: float | None = None
    at_most: float | None = None
    languages: frozenset[str] | None = None
    """The languages it looks at; None for all."""
    but: frozenset[str] = frozenset()
    """Languages it leaves alone."""

    def looks_at(self, language: str) -> bool:
        """Whether the rule has anything to say about files in this language."""
        return language not in self.but and (self.languages is None or language in self.languages)

    def broken(self, value: float) -> float | None:
        """The bound that `value` breaks, or None if it passes."""
        if self.at_least is not None and value < self.at_least:
            return self.at_least
        if self.at_most is not None and value > self.at_most:
            return self.at_most
        return None


@dataclass(frozen=True, slots=True)
class Measured:
    """What one rule found in one text. `threshold` is the bound that was broken; None where it passed."""

    rule: Rule
    value: float
    threshold: float | None


def rules(settings: recipe.Rules) -> tuple[Rule, ...]:
    """The rules of [P 2.1] in the order in which they are tried, with the thresholds of `settings`."""
    low, high = settings.data_characters
    return (
        # Ours: nothing can be learnt from a blank file, and shares of nothing are not defined.
        Rule("empty", lambda text: float(len(text.strip())), at_least=1),
        # Average and longest line over 100 and 1,000 characters. StarCoder spares some languages; [P] spares none.
        Rule("average-line", average_line, at_most=settings.average_line),
        Rule("longest-line", longest_line, at_most=settings.longest_line),
        # Under 25% alphabetic. StarCoder asks 16 data-prone extensions only; [P] and The Stack v2 ask every file.
        Rule("alphabetic", alphabetic, at_least=settings.alphabetic),
        # An XML declaration in the first 100 characters, but for XSLT.
        Rule("xml", xml_declaration, at_most=0, but=frozenset({"xslt"})),
        # HTML is kept if the visible text is at least 20% of it and at least 100 characters.
        Rule("html-visible-share", visible_share, at_least=settings.html_visible_share, languages=_HTML),
        Rule("html-visible", visible_length, at_least=settings.html_visible, languages=_HTML),
        # JSON and YAML from 50 to 5,000 characters (StarCoder's script says 100 by default).
        Rule("data-characters", lambda text: float(len(text)), at_least=low, at_most=high, languages=_DATA),
    )


def measure(rules: tuple[Rule, ...], language: str, text: str) -> Iterator[Measured]:
    """What each rule that looks at `language` measures in `text`, in the rules' order."""
    for rule in rules:
        if rule.looks_at(language):
            value = rule.measure(text)
            yield Measured(rule, value, rule.broken(value))


def first_broken(rules: tuple[Rule, ...], language: str, text: str) -> Measured | None:
    """The first rule that `text` breaks, or None if it passes them all."""
    return next((found for found in measure(rules, language, text) if found.threshold is not None), None)


def average_line(text: str) -> float:
    """Mean characters a line, line breaks not counted."""
    lines = text.splitlines()
    return sum(map(len, lines)) / len(lines) if lines else 0.0


def longest_line(text: str) -> float:
    """Characters of the longest line."""
    return float(max(map(len, text.splitlines()), default=0))


def alphabetic(text: str) -> float:
    """Share of letters (of any script) among all characters."""
    data = text.encode("utf-8", "surrogatepass")
    beyond = data.translate(None, _ASCII).decode("utf-8", "surrogatepass")
    letters = len(data) - len(data.translate(None, _LETTERS)) + sum(map(str.isalpha, beyond))
    return letters / len(text) if text else 0.0


def xml_declaration(text: str) -> float:
    """1 if an XML declaration stands in the first 100 characters, else 0."""
    return float("<?xml version=" in text[:100])


def visible_length(text: str) -> float:
    """Characters of an HTML file's visible text, runs of white space counted as one."""
    return float(len(" ".join(html.unescape("".join(_visible(text))).split())))


def visible_share(text: str) -> float:
    """Visible characters over all characters of an HTML file."""
    return visible_length(text) / len(text) if text else 0.0


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


_HTML = frozenset({"html"})
_DATA = frozenset({"json", "yaml"})
_ASCII = bytes(range(128))
_LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_HIDDEN = re.compile(r"<(script|style)\b", re.IGNORECASE)
_CLOSING = {name: re.compile(rf"</{name}[^>]{{0,20}}>", re.IGNORECASE) for name in ("script", "style")}
