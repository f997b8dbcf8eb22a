"""What the tests of copies share: near-copies of real packages, and their similarity by plain sets of word 5-grams."""

import importlib.metadata
import re
from collections.abc import Mapping
from typing import Any

from repoloom.collect import licenses

Grams = set[tuple[bytes, ...]]

WORD = re.compile(rb"[A-Za-z0-9_\x80-\xff]+")


def grams(*texts: str) -> Grams:
    found: Grams = set()
    for text in texts:
        words = WORD.findall(text.encode().lower())  # bytes: upper and lower case of ASCII alone are one
        found |= {tuple(words[place : place + 5]) for place in range(len(words) - 4)}
    return found


def jaccard(first: set[Any], second: set[Any]) -> float:
    return len(first & second) / len(first | second) if first | second else 0.0


def renamed(files: Mapping[str, str], old: str, new: str) -> dict[str, str]:
    return {path.replace(old, new): text.replace(old, new) for path, text in files.items()}


def edited(files: Mapping[str, str]) -> dict[str, str]:
    """A fork that says something of its own above what stands at the top level."""
    return {path: re.sub(r"\n\n\n(?=\w)", "\n\n\n# This is our own version.\n", text) for path, text in files.items()}


def license_of(name: str) -> dict[str, str]:
    """The licence texts that an installed distribution carries."""
    files = importlib.metadata.distribution(name).files or []
    found = [file for file in files if ".dist-info" in str(file) and licenses.is_text(file.name)]
    assert found, f"{name} carries no licence text"
    return {file.name: file.read_text("utf-8") for file in found}
