"""Spans of syntax nodes in texts of any kind, hostile ones among them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repoloom.tokens import places

DRAW = st.integers(0, 2**64 - 1)
TEXTS = st.text(st.sampled_from(" \n\té中🐍1a'\"()[]{}<>:;=#"), min_size=1, max_size=80)


@settings(max_examples=1000, deadline=None)
@given(
    TEXTS, DRAW, DRAW, st.sampled_from(["python", "javascript", "json", "maple"]), st.sampled_from([2, 8, 40, 16_384])
)
def test_a_span_is_whole_characters_of_the_text(text, one, two, language, parsed):
    data = text.encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(places, "_PARSED", parsed)
        first, second = places.node(data, [(0, language)], one, two)
    assert 0 <= first <= second <= len(data)
    assert data[:first].decode() + data[first:second].decode() + data[second:].decode() == text


@settings(max_examples=1000, deadline=None)
@given(DRAW, DRAW)
def test_a_span_holds_the_drawn_character_and_is_no_longer_than_the_drawn_length(one, two):
    text = b"def f(x):\n    if x:\n        return g(x, [1, 2])\n    return (x + 1) * 2\n\n\nclass A:\n    b = 'c d'\n"
    first, second = places.node(text, [(0, "python")], one, two)
    place, most = one * len(text) >> 64, two * len(text) >> 64
    # From a blank it goes on to the next character, from the last ones back.
    assert first <= place < second or text[place:first].isspace() or text[second:] == text[place:] == b"\n"
    assert second - first <= max(most, len(b"return")), "but for a leaf"


def test_a_node_lies_in_one_file_and_goes_by_its_language():
    python, json = b"a = {'k': [1]}\n", b'{"k": [1]}\n'
    files = [(0, "python"), (len(python), "json")]
    spans = set()
    for one in range(0, 2**64, 2**58):
        for two in range(0, 2**64, 2**60):
            first, second = places.node(python + json, files, one, two)
            assert second <= len(python) or first >= len(python)
            spans.add((python + json)[first:second])
    assert {b"{'k': [1]}", b'"k": [1]', b'"k"', b"'k': [1]"} <= spans


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("language", "unit"), [("python", "<a>"), ("c", "((a)"), ("json", "["), ("javascript", "a?é:")]
)
def test_a_megabyte_of_errors_takes_no_longer_than_what_is_parsed_of_it(language, unit):
    data = unit.encode() * (1_000_000 // len(unit.encode()))
    first, second = places.node(data, [(0, language)], 2**63, 0)
    data[:first].decode(), data[first:second].decode()
