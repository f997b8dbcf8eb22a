"""The n-gram models against a slow, plain implementation of the same definition; xz against the command."""

import itertools
import math
import shutil
import subprocess
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repoloom.evaluate import baselines
from repoloom.evaluate.heldout import NO_TOKEN

VOCABULARY = 40
TEXT = "the cat sat on the mat and the dog sat on the log while the cat and the dog looked at the moon. " * 30


def corpus(seed: int = 0, documents: int = 7) -> list[np.ndarray]:
    """Documents of a first-order process, so that a bigram model has something to learn."""
    generator = np.random.default_rng(seed)
    table = generator.dirichlet(np.full(VOCABULARY, 0.1), VOCABULARY)
    found = []
    for length in generator.integers(50, 3000, documents):
        tokens = [0]
        for _ in range(length - 1):
            tokens.append(int(generator.choice(VOCABULARY, p=table[tokens[-1]])))
        found.append(np.array(tokens, np.uint16))
    return found


def every_pair() -> tuple[np.ndarray, np.ndarray]:
    previous = np.repeat(np.arange(NO_TOKEN, VOCABULARY), VOCABULARY)
    return previous, np.tile(np.arange(VOCABULARY), VOCABULARY + 1)


def test_counts_and_probabilities_equal_a_plain_implementation() -> None:
    documents = corpus()
    previous, tokens = every_pair()
    model = baselines.fit(documents, VOCABULARY, previous, tokens)
    unigram_bits, bigram_bits = model.bits(previous, tokens)

    single = Counter(int(token) for document in documents for token in document)
    pairs = Counter((int(a), int(b)) for d in documents for a, b in itertools.pairwise(d))
    before = Counter(int(token) for document in documents for token in document[:-1])
    total = sum(single.values())
    u_single, u_uniform = model.unigram_weights
    for place in range(0, len(tokens), 7):
        v, w = int(previous[place]), int(tokens[place])
        unigram = u_single * single[w] / total + u_uniform / VOCABULARY
        a, b, c = model.bigram_weights[math.ceil(math.log2(before[v] + 1))]
        bigram = a * (pairs[v, w] / before[v] if before[v] else 0) + b * single[w] / total + c / VOCABULARY
        assert unigram_bits[place] == pytest.approx(-math.log2(unigram), rel=1e-12)
        assert bigram_bits[place] == pytest.approx(-math.log2(bigram), rel=1e-12)


def test_probabilities_sum_to_one_after_every_token() -> None:
    previous, tokens = every_pair()
    for bits in baselines.fit(corpus(), VOCABULARY, previous, tokens).bits(previous, tokens):
        sums = (2.0**-bits).reshape(VOCABULARY + 1, VOCABULARY).sum(1)
        np.testing.assert_allclose(sums, 1, rtol=1e-12)


def test_weights_come_from_counts_without_the_tuning_tokens() -> None:
    """Weights from counts that hold the tuning tokens would put all trust into the bigram, as on this noise."""
    noise = [np.random.default_rng(1).integers(0, VOCABULARY, 2000)]
    fresh = np.random.default_rng(2).integers(0, VOCABULARY, 2000)
    previous, tokens = fresh[:-1], fresh[1:]
    unigram, bigram = baselines.fit(noise, VOCABULARY, previous, tokens).bits(previous, tokens)
    assert bigram.mean() < math.log2(VOCABULARY) * 1.01
    assert abs(bigram.mean() - unigram.mean()) < 0.1


def test_bigram_beats_unigram_beats_uniform_where_there_is_something_to_learn() -> None:
    *train, fresh = corpus(seed=3, documents=8)
    previous, tokens = fresh[:-1].astype(np.int64), fresh[1:].astype(np.int64)
    unigram, bigram = baselines.fit(train, VOCABULARY, previous, tokens).bits(previous, tokens)
    assert bigram.mean() < unigram.mean() - 0.5 < math.log2(VOCABULARY) - 0.5


def test_unseen_tokens_stay_possible() -> None:
    previous, tokens = np.array([NO_TOKEN, 3, 39]), np.array([39, 39, 39])
    unigram, bigram = baselines.fit([np.array([1, 2, 3])], VOCABULARY, previous, tokens).bits(previous, tokens)
    assert np.isfinite(unigram).all()
    assert np.isfinite(bigram).all()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(0, 5), max_size=12), max_size=6), st.integers(1, 5), st.integers(1, 4))
def test_the_taken_blocks_are_every_nth_of_the_whole_stream(docs: list[list[int]], block: int, stride: int) -> None:
    stream = [(NO_TOKEN if i == 0 else d[i - 1], token) for d in docs for i, token in enumerate(d)]
    expected = [pair for place, pair in enumerate(stream) if place // block % stride == 0]
    previous, tokens = baselines._taken([np.array(d, np.int64) for d in docs], block, stride)
    assert list(zip(previous.tolist(), tokens.tolist(), strict=True)) == expected


def test_chunks_do_not_change_the_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    previous, tokens = every_pair()
    whole = baselines.fit(corpus(), VOCABULARY, previous, tokens)
    monkeypatch.setattr(baselines, "_CHUNK", 97)
    chunked = baselines.fit(corpus(), VOCABULARY, previous, tokens)
    for name in ("tokens", "before", "pairs"):
        np.testing.assert_array_equal(getattr(whole.counts, name), getattr(chunked.counts, name))


@pytest.mark.skipif(shutil.which("xz") is None, reason="no xz command here")
def test_xz_is_the_commands() -> None:
    files = [TEXT.encode(), b"", b"x", bytes(range(256)) * 300, np.random.default_rng(0).bytes(70_000), b"a" * 4096]
    sizes = [len(subprocess.run(["xz", "-9", "-c"], input=f, capture_output=True, check=True).stdout) for f in files]
    assert [baselines.xz([file]) for file in files] == sizes
    assert baselines.xz(files) == sum(sizes)
