"""Exact Jaccard similarities, from the texts in the shards: asked for where signatures cannot tell."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np

from repoloom.curate.dedup import Repository
from repoloom.curate.grams import Hashes
from repoloom.curate.measure import gram_set
from repoloom.curate.minhash import jaccard
from repoloom.curate.source import Entry, Place, Source

_BATCH = 100_000_000
"""Bytes of text whose grams are held at once; each batch walks the shards once."""
_GRAMS = 4_000_000
"""Of repositories with k times as many words, one in k grams counts, by its hash: a standard error of 0.0003."""


class Exact:
    """Reads texts again and compares their sets of n-grams. `files` holds every file of every repository."""

    def __init__(self, source: Source, files: Mapping[str, Sequence[Entry]], n: int) -> None:
        self._source, self._files, self._n = source, files, n
        self._grams = lru_cache(4)(self._repository)

    def repositories(self, pairs: Sequence[tuple[Repository, Repository]]) -> list[float]:
        """The similarity of each pair, each repository as one text."""
        values = []
        for first, second in pairs:
            one_in = 1 + sum(entry.words for r in (first, second) for entry in self._passed(r.name)) // _GRAMS
            values.append(jaccard(self._grams(first.name, one_in), self._grams(second.name, one_in)))
        return values

    def files(self, pairs: Sequence[tuple[Entry, Entry]]) -> list[float]:
        """The similarity of each pair of files."""
        values = []
        for batch in _batches(pairs):
            wanted = {entry.place: entry for pair in batch for entry in pair}
            grams = {entry.place: gram_set(text, self._n) for entry, text in self._source.texts(wanted.values())}
            values += [jaccard(grams[first.place], grams[second.place]) for first, second in batch]
        return values

    def _repository(self, name: str, one_in: int) -> Hashes:
        found = [np.empty(0, np.uint64)]
        for _, text in self._source.texts(self._passed(name)):
            grams = gram_set(text, self._n)
            found.append(grams[grams % np.uint64(one_in) == 0])
        return np.unique(np.concatenate(found))

    def _passed(self, name: str) -> list[Entry]:
        return [entry for entry in self._files[name] if entry.words]


def _batches(pairs: Sequence[tuple[Entry, Entry]]) -> Iterator[list[tuple[Entry, Entry]]]:
    batch: list[tuple[Entry, Entry]] = []
    places: set[Place] = set()
    size = 0
    for pair in pairs:
        new = {entry.place: entry.bytes for entry in pair if entry.place not in places}
        if batch and size + sum(new.values()) > _BATCH:
            yield batch
            batch, places, size = [], set(), 0
            new = {entry.place: entry.bytes for entry in pair}
        batch.append(pair)
        places |= new.keys()
        size += sum(new.values())
    if batch:
        yield batch
