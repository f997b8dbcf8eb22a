"""Near-duplicates among texts: from signatures to connected components of verified pairs, in memory that stays small.

Signatures and band keys lie on disk. Band by band, DuckDB joins equal keys into buckets, within a limit of memory and
spilling beyond it. A bucket of m texts is never paired m * m times. In a few rounds, the best-ranked text is compared
with each other one, and each of these with its next by rank (the second next in the second round, and so on: a small
bucket is compared wholly); what is not like the best goes on to the next round, with a best of its own. What is alike
by the signatures' estimate beyond doubt is united at once, so that later bands pass over it; what is too near the
threshold to tell is kept for the end and judged by its exact similarity, unless other pairs have united it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from numpy.typing import NDArray

from repoloom import recipe
from repoloom.curate.grams import Hashes
from repoloom.curate.minhash import Store, banding, distinct, keys

MISS = 0.99
"""How much worse a missed pair is than a false candidate: 39 bands of 6 rows, which find 99.2% of pairs at 0.7.

The usual choice (0.5: 25 bands of 10 rows) finds 51%. False candidates cost a comparison of signatures each."""

MEMORY = "1GB"
"""What DuckDB may hold; it spills beyond that."""

_SURE = 3.5
"""Standard errors of the estimate beyond which it needs no exact check (one pair in 4,000 is misjudged)."""
_ROUNDS = 8
_EXACT = 16_384
"""Pairs whose exact similarity is asked for at once."""
_BUCKETS = "SELECT BAND AS key, text FROM keys QUALIFY count(*) OVER (PARTITION BY BAND) > 1 ORDER BY key, text"

Numbers = NDArray[np.int64]
Floats = NDArray[np.float64]
Exact = Callable[[Numbers], Floats]
"""The exact Jaccard similarities of pairs of texts, given as int64[pairs, 2]."""


class Verifier:
    """Decides which candidate pairs are pairs."""

    def __init__(self, settings: recipe.Curate) -> None:
        self.threshold = settings.duplicate_similarity
        self._margin = _SURE * sqrt(self.threshold * (1 - self.threshold) / settings.duplicate_permutations)

    def unsure(self, estimates: Floats) -> NDArray[np.bool_]:
        """Which estimates are too near the threshold to tell."""
        return np.asarray(np.abs(estimates - self.threshold) <= self._margin)

    def similarities(self, pairs: Numbers, estimates: Floats, exact: Exact) -> Floats:
        """The estimates, but exact where they are too near the threshold to tell."""
        values, asked = estimates.copy(), self.unsure(estimates)
        if asked.any():
            values[asked] = exact(pairs[asked])
        return values


@dataclass(frozen=True, slots=True)
class Match:
    """A text that goes, the text that it is like, and how much. That one stays, or goes by a match of its own."""

    text: int
    like: int
    similarity: float


def matches(
    store: Store, rows: Numbers, owners: Numbers, settings: recipe.Curate, exact: Exact, scratch: Path
) -> list[Match]:
    """Which texts go as near-duplicates, sorted.

    Texts are numbered by rank, the best first: `rows` says where in `store` each one's signature stands, `owners` whose
    it is. Texts of one owner are no pair, and a text whose component keeps one of its own owner stays. Of a component
    the best-ranked text is kept. A match names it where the two are themselves alike, else the next text on the way to
    it. `scratch` is a folder for what does not belong in memory; it is left empty.
    """
    if len(rows) < 2:
        return []
    verifier = Verifier(settings)
    components = _Components(store, rows, owners)
    doubtful = np.empty((0, 2), np.int64)
    for keys_of_band, texts in buckets(store, rows, settings, scratch):
        unsure = list(components.unite(keys_of_band, texts, verifier))
        doubtful = distinct(np.concatenate([components.apart(doubtful), *unsure]))
    for first in range(0, len(doubtful), _EXACT):
        pairs = components.apart(doubtful[first : first + _EXACT])
        values = exact(pairs) if len(pairs) else np.empty(0)
        components.join(pairs, values, values >= verifier.threshold)
    return components.matches(verifier, exact)


def buckets(store: Store, rows: Numbers, settings: recipe.Curate, scratch: Path) -> Iterator[tuple[Hashes, Numbers]]:
    """For each band the texts whose key is another's too: the keys, ascending; the texts, ascending within a key."""
    shape = banding(settings.duplicate_similarity, settings.duplicate_permutations, MISS)
    place = scratch / "keys.parquet"
    _write_keys(store, rows, *shape, place)
    with duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": str(scratch / "spilled")}) as database:
        database.register("keys", ds.dataset(place))
        for band in range(shape[0]):
            found = database.sql(_BUCKETS.replace("BAND", f"k{band}")).fetchnumpy()
            yield np.asarray(found["key"]), np.asarray(found["text"], np.int64)
    place.unlink()


def _write_keys(store: Store, rows: Numbers, bands: int, height: int, place: Path) -> None:
    texts = np.full(len(store), -1, np.int64)
    texts[rows] = np.arange(len(rows))
    schema = pa.schema([("text", pa.int64()), *((f"k{band}", pa.uint64()) for band in range(bands))])
    # Keys are random bits: neither a dictionary nor compression would make them smaller.
    with pq.ParquetWriter(place, schema, compression="none", use_dictionary=False, write_statistics=False) as writer:
        for first, signatures in store.pieces():
            numbers = texts[first : first + len(signatures)]
            here = numbers >= 0
            columns = np.ascontiguousarray(keys(signatures[here], bands, height).T)
            writer.write_table(pa.table([numbers[here], *columns], schema))


class _Components:
    """Connected components; each one's root is its best-ranked text, and a tree of verified pairs spans it."""

    def __init__(self, store: Store, rows: Numbers, owners: Numbers) -> None:
        self._store, self._rows, self._owners = store, rows, owners
        self._parent = np.arange(len(rows))
        self._edges: list[tuple[Numbers, Floats]] = []

    def unite(self, keys: Hashes, texts: Numbers, verifier: Verifier) -> Iterator[Numbers]:
        """Unite what is surely alike in the buckets of one band; yields the pairs that are too near to tell."""
        best, size = _best(keys, texts)
        parted = np.ones(len(keys), bool)
        for step in range(1, _ROUNDS + 1):
            leaders, _ = _best(keys[parted], texts[parted])
            yield self._compare(leaders, texts[parted], verifier)
            near = (keys[step:] == keys[:-step]) & (texts[:-step] != best[:-step])
            yield self._compare(texts[:-step][near], texts[step:][near], verifier)
            parted[parted] = self._roots(leaders) != self._roots(texts[parted])
            parted &= size > _ROUNDS + 2  # in smaller buckets, the steps reach every pair
            left = np.isin(keys, keys[self._roots(best) != self._roots(texts)]) & (size > step + 2)
            keys, texts, best, size, parted = keys[left], texts[left], best[left], size[left], parted[left]
            if not len(keys):
                break

    def _compare(self, first: Numbers, second: Numbers, verifier: Verifier) -> Numbers:
        """Unite what is surely alike; returns the pairs that are too near to tell."""
        pairs = self.apart(np.stack([first, second], axis=1))
        pairs = pairs[self._owners[pairs[:, 0]] != self._owners[pairs[:, 1]]]
        values = self._store.estimates(self._rows[pairs], verifier.threshold)
        unsure = verifier.unsure(values)
        self.join(pairs, values, ~unsure & (values >= verifier.threshold))
        return np.asarray(pairs[unsure])

    def apart(self, pairs: Numbers) -> Numbers:
        """The pairs that are not united yet."""
        parted: NDArray[np.bool_] = self._roots(pairs[:, 0]) != self._roots(pairs[:, 1])
        return np.asarray(pairs[parted])

    def join(self, pairs: Numbers, values: Floats, chosen: NDArray[np.bool_]) -> None:
        """Unite the chosen pairs."""
        joined = np.zeros(len(pairs), bool)
        for number in np.flatnonzero(chosen).tolist():
            first, second = self._root(pairs[number, 0]), self._root(pairs[number, 1])
            if first != second:
                self._parent[max(first, second)] = min(first, second)
                joined[number] = True
        self._edges.append((pairs[joined], values[joined]))

    def matches(self, verifier: Verifier, exact: Exact) -> list[Match]:
        """What goes, and as what. A text is a match of its root if they are alike, else of the next one towards it."""
        texts = np.arange(len(self._rows))
        roots = self._roots(texts)
        gone = texts[(roots != texts) & (self._owners[roots] != self._owners[texts])]
        towards, similarity = self._towards_root()
        far = gone[towards[gone] != roots[gone]]
        pairs = np.stack([roots[far], far], axis=1)
        values = verifier.similarities(pairs, self._store.estimates(self._rows[pairs], verifier.threshold), exact)
        direct = values >= verifier.threshold
        towards[far[direct]], similarity[far[direct]] = roots[far[direct]], values[direct]
        return [Match(text, int(towards[text]), float(similarity[text])) for text in gone.tolist()]

    def _towards_root(self) -> tuple[Numbers, Floats]:
        """For each text the next one on the way to its root, and their similarity."""
        pairs = np.concatenate([np.empty((0, 2), np.int64), *(pairs for pairs, _ in self._edges)])
        values = np.concatenate([np.empty(0), *(values for _, values in self._edges)])
        ends = np.concatenate([pairs, pairs[:, ::-1]])
        order = np.argsort(ends[:, 0], kind="stable")
        ends, values = ends[order], np.tile(values, 2)[order]
        first = np.searchsorted(ends[:, 0], np.arange(len(self._rows) + 1))
        towards, similarity = np.arange(len(self._rows)), np.ones(len(self._rows))
        reached = np.flatnonzero(self._parent == towards)
        while len(reached):
            counts = first[reached + 1] - first[reached]
            # The edges of all that was reached last, one after the other; all but the one that leads back go on.
            edges = np.repeat(first[reached] - np.r_[0, np.cumsum(counts)[:-1]], counts) + np.arange(counts.sum())
            here = np.repeat(reached, counts)
            edges, here = edges[onward := ends[edges, 1] != towards[here]], here[onward]
            reached = ends[edges, 1]
            towards[reached], similarity[reached] = here, values[edges]
        return towards, similarity

    def _roots(self, texts: Numbers) -> Numbers:
        found = self._parent[texts]
        while not (found == (above := self._parent[found])).all():
            found = above
        self._parent[texts] = found
        return found

    def _root(self, text: int) -> int:
        while (above := int(self._parent[text])) != text:
            self._parent[text] = self._parent[above]
            text = above
        return text


def _best(keys: Hashes, texts: Numbers) -> tuple[Numbers, Numbers]:
    """For each text of sorted buckets: the best-ranked of its bucket, and the bucket's size."""
    _, first, sizes = np.unique(keys, return_index=True, return_counts=True)
    return np.repeat(texts[first], sizes), np.repeat(sizes, sizes)
