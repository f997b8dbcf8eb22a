"""Decontamination [DeepSeek-Coder 2.4]: a file that shares a 10-gram with a benchmark's text is dropped.

The texts are the docstrings, questions and solutions that `tasks` names. A gram is ten consecutive words (as `grams`
has them; the paper leaves that open). Texts of three to nine words must stand in the file as they are: their words in a
row, and the text itself, white space and case aside.

Three things are ours. A 10-gram of numbers and single letters alone is no evidence: HumanEval counts from 0 to 9 in a
docstring and lists the hexadecimal digits in another, and so do numpy, torch and networkx; by such grams alone the rule
took 8% of the bytes of a Python environment. A file in which nothing is found is looked at once more without its
comments, because a remark on every line of a copied solution leaves no ten words of it in a row. And all benchmarks are
looked for in one pass: a table that says "perhaps" passes over nearly every gram, and only the others are searched for.
"""

import re
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from repoloom import stage, tasks
from repoloom.curate.grams import Hashes, Offsets, Rows, words_of
from repoloom.errors import UserError
from repoloom.languages import LANGUAGES

_SHORTEST = 3
_BLOCK = 1 << 15
"""Words looked at in one go: what is computed of them stays in the processor's cache."""
_SPARE = 32
"""Entries of the table for each gram: so seldom does it say "perhaps" in vain."""
_MOST = 27
"""Bits of a place in the table: 128 MB, whatever a user's file holds."""
_NEXT = 0xD6E8FEB86659FD93
_WORD = re.compile(rb"[A-Za-z0-9_\x80-\xff]+")

TRIVIAL = frozenset({b"returnx+y", b"returnlen(string)", b"returnn**2", b"return''.join(strings)"})
"""Solutions that say nothing of where they come from, white space removed: BigCode exempts four of HumanEval's."""

Bytes = NDArray[np.uint8]


class Found(NamedTuple):
    """What one file of a batch shares with one benchmark: so many distinct grams and short texts."""

    row: int
    benchmark: str
    shared: int


class Detector:
    """The grams of all the benchmarks named, ready to be looked for in many files at once."""

    def __init__(self, entries: Sequence[str], n: int) -> None:
        """`entries` as in a recipe's `curate.decontaminate`; `n` words a gram. Raises as `tasks.texts` does."""
        texts = {
            tasks.name(entry): _Texts.joined([form for text in tasks.texts(entry) for form in _forms(text, n)])
            for entry in entries
        }
        hashed = {name: words_of(members.data, members.offsets) for name, members in texts.items()}
        self.names = tuple(texts)
        self._short = _Short(texts, hashed, n)
        grams = [_evidence(texts[name], hashed[name], n) for name in texts]
        self._long = _Index(grams, n)
        self._owners = [np.isin(self._long.keys, own) for own in grams]

    def found_batch(self, data: Bytes, offsets: Offsets, languages: Sequence[str], words: Rows) -> list[Found]:
        """What each file shares with each benchmark, by row and then in the order of the entries.

        File r is the UTF-8 bytes `data[offsets[r]:offsets[r + 1]]`, and `words` is `words_of(data, offsets)`.
        """
        if not self.names:
            return []
        texts = _Texts(data, offsets)
        found = self._found(texts, words)
        taken = {one.row for one in found}
        changed: dict[int, bytes] = {}
        for row in (row for row in range(len(texts)) if row not in taken):
            text = texts[row]
            if len(form := bare(text, languages[row])) < len(text):
                changed[row] = form
        again = _Texts.joined(list(changed.values()))
        rows = list(changed)
        for one in self._found(again, words_of(again.data, again.offsets)):
            found.append(one._replace(row=rows[one.row]))
        return sorted(found, key=lambda one: (one.row, self.names.index(one.benchmark)))

    def found(self, text: str, language: str) -> list[Found]:
        """What one text shares with each benchmark; its row is 0."""
        texts = _Texts.joined([_encoded(text)])
        return self.found_batch(texts.data, texts.offsets, [language], words_of(texts.data, texts.offsets))

    def examples(self, text: str, language: str, benchmark: str, most: int = 3) -> list[str]:
        """Some of what `found` counts for one of `names`, as words, for `explain`."""
        whole = _encoded(text)
        for form in (whole, bare(whole, language)):
            texts = _Texts.joined([form])
            words = words_of(texts.data, texts.offsets)
            places, grams = self._long.find(words.hashes)
            places = places[self._owners[self.names.index(benchmark)][grams]]
            spelt = _WORD.findall(form.lower()) if len(places) else []
            shared = [b" ".join(spelt[place : place + self._long.n]) for place in places.tolist()]
            shared += [short for _, name, short in self._short.found(texts, words) if name == benchmark]
            if shared:
                return [example.decode("utf-8", "replace") for example in dict.fromkeys(shared)][:most]
        return []

    def _found(self, texts: "_Texts", words: Rows) -> list[Found]:
        counts: dict[tuple[int, str], int] = {}
        places, grams = self._long.find(words.hashes)
        rows, inside = _rows(words, places, self._long.n)
        rows, grams = np.divmod(np.unique(rows[inside] * self._long.size + grams[inside]), self._long.size)
        for owned, name in zip(self._owners, self.names, strict=True):
            for row, count in zip(*np.unique(rows[owned[grams]], return_counts=True), strict=True):
                counts[int(row), name] = int(count)
        for row, name, _ in self._short.found(texts, words):
            counts[row, name] = counts.get((row, name), 0) + 1
        return [Found(row, name, count) for (row, name), count in counts.items()]


@dataclass(frozen=True, slots=True)
class _Texts:
    """Several texts, end to end."""

    data: Bytes
    offsets: Offsets

    @classmethod
    def joined(cls, texts: Sequence[bytes]) -> Self:
        return cls(np.frombuffer(b"".join(texts), np.uint8), np.cumsum([0, *map(len, texts)], dtype=np.int64))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> bytes:
        return self.data[self.offsets[row] : self.offsets[row + 1]].tobytes()


class _Index:
    """Grams of n words, and where in a row of words one of them begins."""

    def __init__(self, grams: Sequence[Hashes], n: int) -> None:
        self.n = n
        self.keys = np.unique(np.concatenate([np.empty(0, np.uint64), *grams]))
        self.size = max(1, len(self.keys))
        bits = min(max(16, (self.size * _SPARE).bit_length()), _MOST)
        self._shift = np.uint64(64 - bits)
        self._table = np.zeros(1 << bits, bool)
        self._table[self.keys >> self._shift] = True

    def find(self, hashes: Hashes) -> tuple[Offsets, Offsets]:
        """The places, in order, and which of `keys` begins at each. Borders between files are not looked at."""
        places, kept = [np.empty(0, np.int64)], [self.keys[:0]]
        for start in range(0, len(hashes) - self.n + 1, _BLOCK):
            grams = _grams(hashes[start : start + _BLOCK + self.n - 1], self.n)
            perhaps = np.flatnonzero(self._table[(grams >> self._shift).view(np.int64)])
            places.append(perhaps + start)
            kept.append(grams[perhaps])
        return _search(self.keys, np.concatenate(kept), np.concatenate(places))


class _Short:
    """Texts of too few words for a gram. They are looked for by their first three words, then whole, then as text."""

    def __init__(self, texts: Mapping[str, _Texts], words: Mapping[str, Rows], n: int) -> None:
        self._plain: dict[tuple[int, int], set[tuple[str, bytes]]] = {}
        heads = []
        for name, members in texts.items():
            lengths = np.diff(words[name].offsets)
            for row in np.flatnonzero((lengths >= _SHORTEST) & (lengths < n)).tolist():
                hashes = words[name][row]
                if (plain := _plain(members[row])) not in TRIVIAL:
                    heads.append(_grams(hashes[:_SHORTEST], _SHORTEST))
                    key = len(hashes), int(_grams(hashes, len(hashes))[0])
                    self._plain.setdefault(key, set()).add((name, plain))
        self._heads = _Index(heads, _SHORTEST)
        self._keys = {
            length: np.unique(np.array([key for other, key in self._plain if other == length], np.uint64))
            for length in sorted({length for length, _ in self._plain})
        }

    def found(self, texts: _Texts, words: Rows) -> list[tuple[int, str, bytes]]:
        """(row, benchmark, text without white space) of each short text that stands in a file."""
        found: set[tuple[int, str, bytes]] = set()
        starts, _ = self._heads.find(words.hashes)
        plain: dict[int, bytes] = {}
        for length, keys in self._keys.items():
            places = starts[starts + length <= len(words.hashes)]
            places, which = _search(keys, _grams_at(words.hashes, places, length), places)
            rows, inside = _rows(words, places, length)
            for row, key in set(zip(rows[inside].tolist(), keys[which[inside]].tolist(), strict=True)):
                plain[row] = plain.get(row) or _plain(texts[row])
                found.update((row, name, text) for name, text in self._plain[length, key] if text in plain[row])
        return sorted(found)


def digest(entries: Sequence[str]) -> dict[str, list[str]]:
    """What a stage's fingerprint must hold of the entries: the digests of the files they name. Raises UserError."""
    try:
        return {entry: [stage.digest_file(path) for path in tasks.files(entry)] for entry in entries}
    except OSError as error:
        raise UserError(f"curate.decontaminate: cannot read {error.filename}: {error.strerror}") from None


def bare(text: bytes, language: str) -> bytes:
    """The text with every comment of its language made a blank; JSON (a notebook too) without its \\n, \\r and \\t.

    Strings are not told from code: what follows a comment's mark in one is lost with it. That costs a match now and
    then where telling them apart would cost more than all else here.
    """
    for pattern in _ignored(language):
        text = pattern.sub(b" ", text)
    return text


@cache
def _ignored(language: str) -> tuple[re.Pattern[bytes], ...]:
    if language in ("json", "jupyter-notebook"):
        return (re.compile(rb"\\[nrt]"),)
    known = LANGUAGES.get(language)
    forms = []
    if known and known.block_comment:
        opening, closing = map(re.escape, known.block_comment)
        first, rest = re.escape(known.block_comment[1][0]), re.escape(known.block_comment[1][1:])
        outside = rf"(?<![^\s;,(){{}}]{opening})"  # not right behind a word or a quote: "src/*"
        forms.append(rf"{opening}{outside}[^{first}]*+(?:{first}(?!{rest})[^{first}]*+)*+(?:{closing}|\Z)")
    if known and known.line_comment:
        forms.append(rf"{re.escape(known.line_comment)}[^\n]*+")
    return tuple(re.compile(form.encode()) for form in forms)


def _forms(text: str, n: int) -> Iterator[bytes]:
    """A benchmark's text, and what a copy has whose comments were removed, where that is long enough to be evidence."""
    whole = _encoded(text)
    yield whole
    for language in ("python", "cpp"):
        form = bare(whole, language)
        if len(form) < len(whole) and len(_WORD.findall(form)) >= n:
            yield form


def _evidence(texts: _Texts, words: Rows, n: int) -> Hashes:
    """The distinct grams of texts that are not of numbers and single letters alone."""
    letters = [letter.encode() for letter in string.ascii_lowercase]
    found = b" ".join([*letters, *sorted(set(re.findall(rb"[0-9]+", texts.data.tobytes())))])
    nothing = words_of(np.frombuffer(found, np.uint8), np.array([0, len(found)], np.int64)).hashes
    empty = np.concatenate([[0], np.cumsum(np.isin(words.hashes, nothing))])
    places = np.flatnonzero(empty[n:] - empty[:-n] < n)
    _, inside = _rows(words, places, n)
    return np.unique(_grams(words.hashes, n)[places[inside]])


def _grams(hashes: Hashes, n: int) -> Hashes:
    """The hashes of all n-grams in order, made of those of half the length."""
    if n == 1:
        return hashes
    half = _grams(hashes, n // 2)
    grams: Hashes = half[: -(n // 2)] * np.uint64(pow(_NEXT, n // 2, 1 << 64))
    grams += half[n // 2 :]
    if n % 2:
        grams = grams[:-1] * np.uint64(_NEXT)
        grams += hashes[n - 1 :]
    return grams


def _grams_at(hashes: Hashes, places: Offsets, n: int) -> Hashes:
    """The same, at these places alone."""
    powers = np.array([pow(_NEXT, n - 1 - k, 1 << 64) for k in range(n)], np.uint64)
    return np.asarray(np.sum(hashes[places[:, None] + np.arange(n)] * powers, axis=1), np.uint64)


def _search(keys: Hashes, grams: Hashes, places: Offsets) -> tuple[Offsets, Offsets]:
    """The places whose gram is one of the sorted `keys`, and which."""
    which = np.searchsorted(keys, grams)
    known = which < len(keys)
    known[known] = keys[which[known]] == grams[known]
    return places[known], which[known]


def _rows(words: Rows, places: Offsets, n: int) -> tuple[Offsets, NDArray[np.bool_]]:
    """The text in which each place is, and whether n words from there on are still in it."""
    rows = np.searchsorted(words.offsets, places, "right") - 1
    return rows, places + n <= words.offsets[rows + 1]


def _plain(text: bytes) -> bytes:
    return b"".join(text.split()).lower()


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
