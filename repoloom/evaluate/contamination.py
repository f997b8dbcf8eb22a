"""What of a benchmark stands in the training corpus: for each task the longest run of words that a file of it shares.

Curation drops files that share ten words in a row with the benchmarks it knows [DeepSeek-Coder 2.4]. This measures what
is left, for any benchmark and any corpus, also one that was curated without them. A word is what `curate.grams` takes
for one; a run of numbers and single letters alone is no evidence (`curate.decontaminate` says why).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from repoloom.curate.grams import Offsets, Rows, ngrams_of, words_of
from repoloom.formats import parts, rows
from repoloom.progress import bar

TOUCHED = 10
"""Words in a row from which on a task counts as touched: the paper's 10-gram."""

_SHORTEST = 5
"""Runs of fewer words are in any corpus."""
_WORD = re.compile(rb"[A-Za-z0-9_\x80-\xff]+")
_NOTHING = re.compile(rb"[0-9]+|[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Shared:
    """The longest run of words that a task shares with a training file, and the file."""

    words: int
    text: str
    """The words, in lower case."""
    repo: str
    path: str


def longest(tasks: Mapping[str, Sequence[str]], curated: Path) -> dict[str, Shared]:
    """The longest run that each task's texts share with the training files of a curated corpus.

    Tasks that share fewer than five words in a row are left out; of equally long runs the first in the corpus counts.
    Raises UserError for a folder that is no curated corpus.
    """
    asked = _Asked(tasks)
    found: dict[str, Shared] = {}
    corpus = parts(curated, "documents")
    with bar("contamination", sum(pq.read_metadata(part).num_rows for part in corpus)) as progress:
        for row in (row for part in corpus for row in rows(part, ["repo", "files", "text"])):
            texts = [row["text"][file["start"] : file["end"]] for file in row["files"]]
            for name, words, start, file in asked.runs(texts):
                if name not in found or words > found[name].words:
                    found[name] = Shared(words, asked.spelt(start, words), row["repo"], row["files"][file]["path"])
            progress.advance()
    return {name: found[name] for name in tasks if name in found}


class _Asked:
    """The words of all tasks' texts, end to end, and where each of their grams begins."""

    def __init__(self, tasks: Mapping[str, Sequence[str]]) -> None:
        texts = [(name, text.encode("utf-8", "surrogatepass")) for name, of in tasks.items() for text in of]
        self._names = [name for name, _ in texts]
        self._words = _hashed([text for _, text in texts])
        self._spelt = [word for _, text in texts for word in _WORD.findall(text.lower())]
        says = [not _NOTHING.fullmatch(word) for word in self._spelt]
        self._says = np.concatenate([[0], np.cumsum(np.array(says, np.int64))])
        self._ends = np.repeat(self._words.offsets[1:], np.diff(self._words.offsets))
        self._places = _gram_places(self._words)
        grams = ngrams_of(self._words, _SHORTEST).hashes
        order = np.argsort(grams, kind="stable")
        self._grams, self._places = grams[order], self._places[order]

    def spelt(self, start: int, words: int) -> str:
        """Some of the words, from a place on."""
        return b" ".join(self._spelt[start : start + words]).decode("utf-8", "replace")

    def runs(self, texts: Sequence[str]) -> list[tuple[str, int, int, int]]:
        """(task, words, where in the tasks' words it starts, number of the text) of the longest run of each task."""
        theirs = _hashed([text.encode("utf-8", "surrogatepass") for text in texts])
        place, start = self._pairs(theirs)
        ends = np.repeat(theirs.offsets[1:], np.diff(theirs.offsets))
        room = np.minimum(ends[place] - place, self._ends[start] - start)
        length = np.full(len(place), _SHORTEST, np.int64)
        growing = np.flatnonzero(room > _SHORTEST)
        while len(growing):
            at = length[growing]
            same = theirs.hashes[place[growing] + at] == self._words.hashes[start[growing] + at]
            growing = growing[same]
            length[growing] += 1
            growing = growing[length[growing] < room[growing]]
        telling = self._says[start + length] > self._says[start]
        place, start, length = place[telling], start[telling], length[telling]
        best: dict[str, tuple[str, int, int, int]] = {}
        task = np.searchsorted(self._words.offsets, start, "right") - 1
        file = np.searchsorted(theirs.offsets, place, "right") - 1
        for number in np.lexsort((place, -length)).tolist():
            name = self._names[task[number]]
            best.setdefault(name, (name, int(length[number]), int(start[number]), int(file[number])))
        return list(best.values())

    def _pairs(self, theirs: Rows) -> tuple[Offsets, Offsets]:
        """Places of the texts and of the tasks at which the same gram begins, without those inside a longer run."""
        grams = ngrams_of(theirs, _SHORTEST).hashes
        first, last = (np.searchsorted(self._grams, grams, side) for side in ("left", "right"))
        counts = last - first
        hits = np.flatnonzero(counts)
        counts, first = counts[hits], first[hits]
        place = np.repeat(_gram_places(theirs)[hits], counts)
        inside = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        start = self._places[np.repeat(first, counts) + inside]
        opens = np.isin(place, theirs.offsets) | np.isin(start, self._words.offsets)
        opens |= theirs.hashes[place - 1] != self._words.hashes[start - 1]
        return place[opens], start[opens]


def _hashed(texts: Sequence[bytes]) -> Rows:
    offsets = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    return words_of(np.frombuffer(b"".join(texts), np.uint8), offsets)


def _gram_places(words: Rows) -> NDArray[np.int64]:
    """Where each gram begins: at every word but a text's last few."""
    places = np.arange(len(words.hashes), dtype=np.int64)
    ends = np.repeat(words.offsets[1:], np.diff(words.offsets))
    return places[places + _SHORTEST <= ends]
