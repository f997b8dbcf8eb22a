"""What tells a random string from words, numbers and stopgaps."""

import re
from math import log2

_STOPGAP = re.compile(
    rb"example|sample|placeholder|changeme|change[_-]me|replace|redacted|dummy|your|insert|xxxx|\*\*\*|\.\.\.|0000"
    rb"|abcdef|12345678|fixme|todo|<|\$\{|\{\{|\$\(|%\(|%s|\{[a-z_]+\}",
    re.IGNORECASE,
)
_HEX = re.compile(rb"[0-9a-fA-F\-]+")
_LETTERS = re.compile(rb"[A-Z]?[a-z]+|[A-Z]+")
_VOWELS = frozenset(b"aeiouyAEIOUY")
_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


def entropy(value: bytes) -> float:
    """Shannon entropy, bits a byte."""
    total = len(value)
    return -sum(n / total * log2(n / total) for n in map(value.count, set(value))) if value else 0.0


def is_stopgap(value: bytes) -> bool:
    """Whether it says itself that it is none (EXAMPLE, xxxx, ${NAME}), or is counted through (12345678)."""
    return _STOPGAP.search(value) is not None or len(set(value)) < 5


def is_hex(value: bytes) -> bool:
    """Whether it is a hexadecimal number, with or without dashes."""
    return _HEX.fullmatch(value) is not None


def is_uuid(value: bytes) -> bool:
    """Whether it has the form of a UUID, which names things and opens none."""
    return _UUID.fullmatch(value) is not None


def is_words(value: bytes) -> bool:
    """Whether most of it are words: runs of four letters or more, as in `camelCase`, that could be spoken."""
    return 2 * sum(len(run) for run in _LETTERS.findall(value) if len(run) > 3 and _spoken(run)) >= len(value)


def _spoken(run: bytes) -> bool:
    consonants = longest = 0
    for letter in run:
        consonants = 0 if letter in _VOWELS else consonants + 1
        longest = max(longest, consonants)
    return longest < 5 and 0.2 <= sum(letter in _VOWELS for letter in run) / len(run) <= 0.8
