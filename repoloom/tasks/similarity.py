"""How near a text is to the one expected: edit similarity, and the names both use."""

import re

from repoloom.tasks import syntax

_STRING = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'")
_NAME = re.compile(r"\b[^\W\d]\w*")


def edit_similarity(a: str, b: str) -> float:
    """1 - (insertions + deletions) / (both lengths): what rapidfuzz calls `ratio`. Two empty texts are equal.

    The longest common subsequence is found with one integer as a bit vector (Hyyrö 2004).
    """
    if not a and not b:
        return 1.0
    places: dict[str, int] = {}
    for place, character in enumerate(a):
        places[character] = places.get(character, 0) | 1 << place
    whole = (1 << len(a)) - 1
    unmatched = whole
    for character in b:
        matches = unmatched & places.get(character, 0)
        unmatched = (unmatched + matches | unmatched - matches) & whole
    common = len(a) - unmatched.bit_count()
    return 2 * common / (len(a) + len(b))


def identifier_match(a: str, b: str, language: str) -> dict[str, float]:
    """Whether both use the same names in the same order, and F1 of the names, a set each (arXiv 2310.11248, 3.3)."""
    found, expected = identifiers(a, language), identifiers(b, language)
    names, others = set(found), set(expected)
    both = len(names & others)
    f1 = 2 * both / (len(names) + len(others)) if names or others else 1.0
    return {"identifier_match": float(found == expected), "identifier_f1": f1}


def identifiers(text: str, language: str) -> list[str]:
    """The names in a piece of code, as its grammar sees them; every word outside of strings where there is none."""
    found = syntax.names(text, language)
    return _NAME.findall(_STRING.sub("", text)) if found is None else [name for name, _ in found]
