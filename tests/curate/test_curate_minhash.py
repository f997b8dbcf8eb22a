import random
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from copies import WORD
from curated import package
from hypothesis import given
from hypothesis import strategies as st

from repoloom.curate.grams import ngrams, words
from repoloom.curate.measure import gram_set
from repoloom.curate.minhash import Store, banding, cross_candidates, estimates, jaccard, keys, signatures

TEXT = st.text(st.sampled_from("abAB_0 \n.éÉ漢"), max_size=60)


def plain_grams(text: str, n: int) -> list[tuple[bytes, ...]]:
    found = WORD.findall(text.encode().lower())
    return [tuple(found[i : i + n]) for i in range(len(found) - n + 1)]


@given(TEXT, TEXT, st.integers(1, 6))
def test_equal_hashes_are_equal_grams(first: str, second: str, n: int) -> None:
    mine = [*ngrams(words(first), n).tolist(), *ngrams(words(second), n).tolist()]
    plain = [*plain_grams(first, n), *plain_grams(second, n)]
    assert len(mine) == len(plain)
    assert len(set(mine)) == len(set(plain)) == len(set(zip(mine, plain, strict=True)))


def test_real_files_have_as_many_distinct_grams_as_a_regular_expression_finds() -> None:
    texts = package("pygments", 60).values()
    mine = {gram for text in texts for gram in ngrams(words(text), 5).tolist()}
    assert len(mine) == len({gram for text in texts for gram in plain_grams(text, 5)})


def test_case_folds_in_ascii_alone() -> None:
    assert words("Hello WORLD_1").tolist() == words("hello world_1").tolist()
    assert words("É").tolist() != words("é").tolist()


def test_a_text_of_many_pieces_gives_the_words_of_its_lines() -> None:
    blocks = ["".join(f"name_{n} = value_{n * 7}\n" for n in range(k, k + 1000)) for k in range(0, 150_000, 1000)]
    assert len("".join(blocks)) > 3 << 20
    assert words("".join(blocks)).tolist() == np.concatenate([words(block) for block in blocks]).tolist()
    assert 3 <= len(words("x" * (3 << 20))) <= 100  # a very long word is cut


def test_banding_is_the_published_one() -> None:
    assert banding(0.7, 256) == (25, 10)
    assert banding(0.85, 256) == (13, 19)


def test_signature_of_a_union_is_the_minimum() -> None:
    grams = [ngrams(words(text), 5) for text in package("rich", 20).values()]
    parts = signatures(grams, 256)
    assert (parts.min(axis=0) == signatures([np.concatenate(grams)], 256)[0]).all()
    assert (signatures([grams[0][:0]], 256) == np.iinfo(np.uint32).max).all()


def test_estimates_of_real_files_lie_around_the_exact_similarity() -> None:
    rng = random.Random(0)
    errors = []
    for text in package("sympy", 60).values():
        lines = text.splitlines(keepends=True)
        changed = "".join(line for line in lines if rng.random() > 0.1)
        first, second = ngrams(words(text), 5), ngrams(words(changed), 5)
        found = signatures([first, second], 256)
        (estimate,) = estimates(np.array([[0, 1]]), found.__getitem__, found.__getitem__)
        errors.append(estimate - jaccard(np.unique(first), np.unique(second)))
    assert abs(np.mean(errors)) < 0.01
    assert np.std(errors) < 0.04  # sqrt(0.25 / 256) = 0.031 at most, in expectation


def test_jaccard_is_exact() -> None:
    assert jaccard(gram_set("a b c d", 1), gram_set("c d e f", 1)) == pytest.approx(2 / 6)
    assert jaccard(gram_set("", 1), gram_set("", 1)) == 0


@given(st.lists(st.lists(st.integers(0, 2), min_size=6, max_size=6), min_size=1, max_size=12))
def test_cross_candidates_are_the_pairs_that_agree_on_a_band(rows: list[list[int]]) -> None:
    found = keys(np.array(rows, np.uint32), 3, 2)
    bands = [{(b, *row[b : b + 2]) for b in (0, 2, 4)} for row in rows]
    half = len(rows) // 2
    expected = [(i, j - half) for i, j in combinations(range(len(rows)), 2) if i < half <= j and bands[i] & bands[j]]
    assert [tuple(pair) for pair in cross_candidates(found[:half], found[half:]).tolist()] == expected


def test_of_very_many_equals_some_are_candidates() -> None:
    same = keys(np.ones((5000, 6), np.uint32), 3, 2)
    assert 5000 <= len(cross_candidates(same, same)) < 5000 * 100


def test_a_store_gives_back_what_it_was_given(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).integers(0, 1 << 32, (40_000, 4), np.uint32)
    store = Store(tmp_path / "store", 4)
    assert not len(store) and not list(store.pieces()) and store.read(np.empty(0, np.int64)).shape == (0, 4)
    for part in np.array_split(rows, 7):
        store.append(part)
    assert len(store) == len(rows) and (tmp_path / "store").stat().st_size == rows.nbytes
    chosen = np.array([39_999, 0, 5, 5])
    assert (store.read(chosen) == rows[chosen]).all()
    assert (np.concatenate([piece for _, piece in store.pieces()]) == rows).all()
    assert [first for first, _ in store.pieces()] == [0, 16_384, 32_768]


def test_a_store_estimates_what_is_near_the_threshold_and_passes_over_what_is_far_below(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    one = rng.integers(0, 1 << 32, 256, np.uint32)
    alike = np.repeat([1.0, 0.9, 0.7, 0.6, 0.25, 0.0], 500)
    copies = np.where(rng.random((len(alike), 256)) < alike[:, None], one, rng.integers(0, 1 << 32, 256, np.uint32))
    store = Store(tmp_path / "store", 256)
    for part in (one[None], copies[:1000], copies[1000:]):
        store.append(part)
    pairs = np.stack([np.zeros(len(alike), np.int64), np.arange(1, len(alike) + 1)], axis=1)
    full = estimates(pairs, store.read, store.read)
    found = store.estimates(pairs, 0.7)
    assert (found[alike >= 0.7] == full[alike >= 0.7]).all()
    assert (full > 0.1)[alike == 0.25].all() and (found == 0)[alike == 0.25].mean() > 0.99
