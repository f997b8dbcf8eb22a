"""Decontamination [DeepSeek-Coder 2.4]: a file that shares a 10-gram with a benchmark's text is dropped.

The texts are the docstrings, questions and solutions that `tasks` names. A gram is ten consecutive words, a word a
lower-cased run of [A-Za-z0-9_] (the paper leaves that open). Texts of three to nine words must stand in the file as
they are: their words in a row, and the text itself, white space and case aside.

One thing is ours: a 10-gram of numbers alone is no evidence. HumanEval counts from 0 to 9 in a docstring, and so do
numpy, torch and networkx: by that gram alone the rule took 8% of the bytes of a Python environment (40 of 44 files).
"""

from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np

from repoloom import tasks
from repoloom.curate.grams import Hashes, ngrams, words

_SHORTEST = 3
_TABLE = np.uint64((1 << 20) - 1)

TRIVIAL = frozenset({"returnx+y", "returnlen(string)", "returnn**2", "return''.join(strings)"})
"""Solutions that say nothing of where they come from, white space removed: BigCode exempts four of HumanEval's."""


class Benchmark:
    """The grams of one benchmark's texts, ready to be looked for."""

    def __init__(self, name: str, texts: Iterable[str], n: int) -> None:
        self.name = name
        self._n = n
        self._short: dict[int, dict[int, set[str]]] = {}
        long = [np.empty(0, np.uint64)]
        for text in texts:
            hashes = words(text, fold=True)
            if len(hashes) >= n:
                grams = ngrams(hashes, n)
                numeric = [word.isdigit() for word in _words_of(text)]
                long.append(grams[[not all(numeric[place : place + n]) for place in range(len(grams))]])
            elif len(hashes) >= _SHORTEST and (exact := _exact(text)) not in TRIVIAL:
                gram = int(ngrams(hashes, len(hashes))[0])
                self._short.setdefault(len(hashes), {}).setdefault(gram, set()).add(exact)
        self._grams = np.unique(np.concatenate(long))
        self._seen = np.zeros(int(_TABLE) + 1, bool)
        self._seen[self._grams & _TABLE] = True

    def found(self, text: str, hashes: Hashes) -> int:
        """How many distinct grams and short texts of the benchmark stand in `text`; `hashes` are its folded words."""
        return len(self._long(hashes)) + len(self._exact(text, hashes))

    def examples(self, text: str, most: int = 3) -> list[str]:
        """Some of what `found` counts, as words, for `explain`."""
        hashes = words(text, fold=True)
        plain = _words_of(text)
        places = np.flatnonzero(np.isin(ngrams(hashes, self._n), self._grams))[:most]
        shared = [" ".join(plain[place : place + self._n]) for place in places]
        return (shared + sorted(self._exact(text, hashes)))[:most]

    def _long(self, hashes: Hashes) -> Hashes:
        grams = ngrams(hashes, self._n)
        # A table of a million bits passes over nearly all grams before any is searched for.
        grams = grams[self._seen[grams & _TABLE]]
        return np.unique(grams[np.isin(grams, self._grams)])

    def _exact(self, text: str, hashes: Hashes) -> set[str]:
        found: set[str] = set()
        exact = ""
        for length, texts in self._short.items():
            grams = ngrams(hashes, length)
            wanted = np.fromiter(texts, np.uint64, len(texts))
            for gram in np.unique(grams[np.isin(grams, wanted)]):
                exact = exact or _exact(text)
                found.update(short for short in texts[int(gram)] if short in exact)
        return found


@cache
def benchmarks(names: Sequence[str], n: int) -> tuple[Benchmark, ...]:
    """The named benchmarks, read once a process."""
    return tuple(Benchmark(name, tasks.texts(name), n) for name in names)


def contamination(text: str, names: tuple[str, ...], n: int) -> tuple[str, int] | None:
    """The first of the named benchmarks that `text` shares something with, and how many grams; None if none."""
    if not names:
        return None
    hashes = words(text, fold=True)
    for benchmark in benchmarks(names, n):
        if count := benchmark.found(text, hashes):
            return benchmark.name, count
    return None


def _exact(text: str) -> str:
    return "".join(text.split()).lower()


def _words_of(text: str) -> list[str]:
    kept = "".join(letter if letter.isascii() and (letter.isalnum() or letter == "_") else " " for letter in text)
    return kept.lower().split()
