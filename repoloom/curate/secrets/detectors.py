"""The detectors in their order of rank: tokens known by their form, then values known by their name, then addresses."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Detector:
    """Finds one kind of secret in one line.

    `pattern` names the group `secret`, which is what is replaced; `hint` (RE2's syntax) matches in every line in which
    it does. `needs` are lower-case words, one of which stands in every such line.
    """

    kind: str
    hint: str
    pattern: re.Pattern[bytes]
    needs: tuple[bytes, ...]
    accepts: Callable[[re.Match[bytes]], bool]


def before(match: re.Match[bytes], length: int) -> bytes:
    """Up to `length` bytes of the same line before a match."""
    return bytes(match.string[max(match.start() - length, 0) : match.start()]).rpartition(b"\n")[2]


@cache
def detectors() -> tuple[Detector, ...]:
    """All of them. Built once, when first asked for: detect-secrets takes a while to import."""
    from repoloom.curate.secrets import addresses, assigned, tokens

    return (*tokens.detectors(), *assigned.DETECTORS, *addresses.DETECTORS)
