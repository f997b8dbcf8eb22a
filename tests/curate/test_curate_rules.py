import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from curated import SITE
from hypothesis import given
from hypothesis import strategies as st

from repoloom.curate import rules
from repoloom.recipe import Rules

RULES = rules.rules(Rules())


def dropped(language: str, text: str) -> str | None:
    found = rules.first_broken(RULES, language, text)
    return found.rule.name if found else None


@pytest.mark.parametrize(
    ("language", "text", "rule"),
    [
        ("python", "  \n\t\n", "empty"),
        ("python", ("a" * 100 + "\n") * 3, None),
        ("python", ("a" * 101 + "\n") * 3, "average-line"),
        ("python", "a" * 1000 + "\n" + "b\n" * 20, None),
        ("python", "a" * 1001 + "\n" + "b\n" * 20, "longest-line"),
        ("python", "ab" + "1" * 6, None),  # exactly 25%
        ("python", "ab" + "1" * 7, "alphabetic"),
        ("python", "имя = 1", None),  # letters of any script
        ("yaml", "key: value\n" * 4, "data-characters"),  # 44 characters
        ("yaml", "key: value\n" * 5, None),
        ("json", "[" + '"abc",\n' * 713 + '"abcd"]', None),  # 4,998
        ("json", "[" + '"abc",\n' * 715 + '"abcd"]', "data-characters"),  # 5,012
        ("markdown", "word\n" * 2000, None),  # only JSON and YAML have a size
        ("typescript", '<?xml version="1.0"?>\n<TS>text</TS>', "xml"),
        ("xslt", '<?xml version="1.0"?>\n<xsl:stylesheet>text</xsl:stylesheet>', None),
        ("typescript", "x" * 40 + "\n" + "y" * 60 + '<?xml version="1.0"?>', None),  # after the first 100
        ("html", "<p>" + "word\n" * 20 + "</p>", "html-visible"),  # 99 characters are seen
        ("html", "<p>" + "word\n" * 20 + "more</p>", None),
        ("html", "<p>" + "word\n" * 21 + "</p>\n" + '<br class="long">\n' * 80, "html-visible-share"),
        ("html", "<script>\n" + "var text;\n" * 60 + "</script>", "html-visible-share"),
    ],
)
def test_published_thresholds(language: str, text: str, rule: str | None) -> None:
    assert dropped(language, text) == rule


@given(st.text())
def test_measures_agree_with_their_definitions(text: str) -> None:
    lines = text.splitlines()
    assert rules.longest_line(text) == (max(len(line) for line in lines) if lines else 0)
    assert rules.average_line(text) == pytest.approx(sum(len(line) for line in lines) / len(lines) if lines else 0)
    if all(not "\ud800" <= letter <= "\udfff" for letter in text):
        letters = sum(letter.isalpha() for letter in text)
        assert rules.alphabetic(text) == pytest.approx(letters / len(text) if text else 0)


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text, self.hidden = "", 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.hidden += tag in ("script", "style")
        self.text += " "

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in ("script", "style")
        self.text += " "

    def handle_data(self, data: str) -> None:
        self.text += data if not self.hidden else ""


def test_visible_text_is_what_an_html_parser_sees() -> None:
    pages = [*sorted(SITE.rglob("*.html")), *sorted(Path("/usr/share/doc").rglob("*.html"))]
    pages = [page for page in pages if page.is_file()][:40]
    assert pages
    for page in pages:
        text = page.read_text("utf-8", "replace")
        parser = _Text()
        parser.feed(text)
        parser.close()
        expected = len(" ".join(parser.text.split()))
        assert rules.visible_length(text) == pytest.approx(expected, rel=0.02, abs=5), page


@pytest.mark.parametrize(
    "text", ["<!--" * 250_000, "<script>" * 125_000, "<" * 10**6, "</script" * 125_000, "&" * 10**6]
)
def test_hostile_html_takes_linear_time(text: str) -> None:
    started = time.monotonic()
    rules.visible_length(text)
    assert time.monotonic() - started < 2
