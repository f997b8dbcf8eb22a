"""What the model must beat: a unigram and an interpolated bigram model over the same tokens, and xz.

Bigram: p(w | v) = a f(w | v) + b f(w) + c / V, the f being relative frequencies in the whole training set. The weights
a, b, c depend on how often v was seen (a bucket a power of two) and are estimated by deleted interpolation [Jelinek and
Mercer 1980]: every tenth block of the training tokens is taken out of the counts, and EM finds the weights under which
the rest explains it best. The unigram is the same with a = 0. One pass over the training set; of its pairs only those
are counted that are asked for, so memory stays bounded by the held-out sample, the vocabulary and one chunk.
"""

import lzma
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from repoloom.engine import cores
from repoloom.evaluate.heldout import NO_TOKEN, Ids, Ints
from repoloom.progress import Bar

Floats = NDArray[np.float64]

_CHUNK = 1 << 21
_BLOCK = 4096
_TUNING_TOKENS = 500_000
_BUCKETS = 40
_ROUNDS = 30
_SMALLEST_DICTIONARY, _LARGEST_DICTIONARY = 1 << 12, 64 << 20


@dataclass(frozen=True, slots=True)
class Counts:
    """Occurrences in the training set: of tokens, of tokens that have a successor, and of the pairs asked for."""

    tokens: Ints
    before: Ints
    keys: Ints
    pairs: Ints

    def pair(self, keys: Ints) -> Ints:
        """The counts of pairs (given as keys); 0 for one that was not asked for."""
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.asarray(np.where(self.keys[place] == keys, self.pairs[place], 0))


@dataclass(frozen=True, slots=True)
class Ngrams:
    """The fitted models: counts, and the weights of bigram, unigram and uniform."""

    counts: Counts
    bigram_weights: Floats
    """[buckets, 3]"""
    unigram_weights: Floats
    """[2]: unigram, uniform"""
    vocabulary: int

    def bits(self, previous: Ints, tokens: Ints) -> tuple[Floats, Floats]:
        """-log2 p of each token under the unigram, and under the bigram given the token before it (or `NO_TOKEN`)."""
        parts = _parts(self.counts, previous, tokens, self.vocabulary)
        bucket = _bucket(self.counts.before, previous)
        unigram = (parts[:, 1:] * self.unigram_weights).sum(1)
        return -np.log2(unigram), -np.log2((parts * self.bigram_weights[bucket]).sum(1))


def fit(documents: Sequence[Ids], vocabulary: int, previous: Ints, tokens: Ints, progress: Bar | None = None) -> Ngrams:
    """Fit on `documents` (token arrays, read one at a time) what is needed to score the pairs (previous, tokens)."""
    total = sum(len(document) for document in documents)
    block = max(1, min(_BLOCK, total // 20))
    stride = max(10, -(-total // _TUNING_TOKENS))
    taken_previous, taken = _taken(documents, block, stride)
    keys = np.unique(np.concatenate((_keys(previous, tokens, vocabulary), _keys(taken_previous, taken, vocabulary))))
    whole = _count(_chunks(documents), vocabulary, keys, progress)
    removed = _count([(taken_previous, taken)], vocabulary, keys, None)
    rest = Counts(whole.tokens - removed.tokens, whole.before - removed.before, whole.keys, whole.pairs - removed.pairs)
    parts = _parts(rest, taken_previous, taken, vocabulary)
    bucket = _bucket(rest.before, taken_previous)
    return Ngrams(whole, _weights(parts, bucket), _em(parts[:, 1:]), vocabulary)


def xz(files: Sequence[bytes]) -> int:
    """The bytes to which `xz -9` brings the files, each on its own."""
    with ThreadPoolExecutor(cores()) as pool:  # liblzma works outside the interpreter's lock
        return sum(pool.map(_xz, files))


def _xz(data: bytes) -> int:
    # A dictionary larger than the file changes nothing but the time it takes to clear it (64 MiB at preset 9).
    dictionary = min(max(_SMALLEST_DICTIONARY, 1 << len(data).bit_length()), _LARGEST_DICTIONARY)
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": dictionary}]
    return len(lzma.compress(data, format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC64, filters=filters))


def _keys(previous: Ints, tokens: Ints, vocabulary: int) -> Ints:
    return previous * vocabulary + tokens  # with NO_TOKEN before it, a key below 0 that no pair of the training set has


def _parts(counts: Counts, previous: Ints, tokens: Ints, vocabulary: int) -> Floats:
    """Relative frequency as a pair, as a token, and the uniform share, of each token [tokens, 3]."""
    seen = np.where(previous == NO_TOKEN, 0, counts.before[previous])
    pair = counts.pair(_keys(previous, tokens, vocabulary)) / np.maximum(seen, 1)
    single = counts.tokens[tokens] / max(1, int(counts.tokens.sum()))
    return np.stack((pair, single, np.full(len(tokens), 1 / vocabulary)), axis=1)


def _bucket(before: Ints, previous: Ints) -> Ints:
    seen = np.where(previous == NO_TOKEN, 0, before[previous])
    return np.asarray(np.ceil(np.log2(seen + 1)), np.int64)


def _weights(parts: Floats, bucket: Ints) -> Floats:
    """The mixture weights of each bucket; a bucket without data takes those of all data together."""
    found = np.tile(_em(parts), (_BUCKETS, 1))
    for number in np.unique(bucket):
        found[number] = _em(parts[bucket == number])
    found[0, 0] = 0.0  # nothing is known to follow a token that was never seen
    return np.asarray(found / found.sum(1, keepdims=True))


def _em(parts: Floats) -> Floats:
    weights = np.full(parts.shape[1], 1 / parts.shape[1])
    for _ in range(_ROUNDS):
        shares = parts * weights
        # One imagined token of each part keeps every weight above 0: what was not seen stays possible.
        totals = (shares / shares.sum(1, keepdims=True)).sum(0) + 1
        weights = totals / totals.sum()
    return weights


def _count(chunks: Iterable[tuple[Ints, Ints]], vocabulary: int, keys: Ints, progress: Bar | None) -> Counts:
    tokens, before = np.zeros(vocabulary, np.int64), np.zeros(vocabulary, np.int64)
    pairs = np.zeros(len(keys), np.int64)
    for previous, current in chunks:
        tokens += np.bincount(current, minlength=vocabulary)
        follows = previous != NO_TOKEN
        before += np.bincount(previous[follows], minlength=vocabulary)
        asked = _keys(previous[follows], current[follows], vocabulary)
        place = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
        pairs += np.bincount(place[keys[place] == asked], minlength=len(keys))
        if progress is not None:
            progress.advance(len(current))
    return Counts(tokens, before, keys, pairs)


def _chunks(documents: Iterable[Ids]) -> Iterator[tuple[Ints, Ints]]:
    """(previous, tokens) of every document, a bounded number of tokens at a time."""
    for document in documents:
        for start in range(0, len(document), _CHUNK):
            yield _with_previous(document, start, min(start + _CHUNK, len(document)))


def _taken(documents: Iterable[Ids], block: int, stride: int) -> tuple[Ints, Ints]:
    """(previous, tokens) of every `stride`-th block of the training tokens, counted through all documents."""
    found = [(np.empty(0, np.int64), np.empty(0, np.int64))]
    passed = 0
    for document in documents:
        first = -(passed // block) % stride * block - passed % block  # the next taken block, perhaps begun already
        for start in range(first, len(document), block * stride):
            low, high = max(start, 0), min(start + block, len(document))
            if low < high:
                found.append(_with_previous(document, low, high))
        passed += len(document)
    return np.concatenate([pair[0] for pair in found]), np.concatenate([pair[1] for pair in found])


def _with_previous(document: Ids, start: int, stop: int) -> tuple[Ints, Ints]:
    tokens = np.asarray(document[start:stop], np.int64)
    first = NO_TOKEN if start == 0 else int(document[start - 1])
    return np.concatenate((np.array([first]), tokens[:-1])), tokens
