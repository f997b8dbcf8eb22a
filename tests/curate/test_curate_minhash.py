import random
import re
from itertools import combinations

import numpy as np
import pytest
from curated import package
from hypothesis import given
from hypothesis import strategies as st

from repoloom.curate.grams import ngrams, words
from repoloom.curate.measure import gram_set
from repoloom.curate.minhash import banding, candidates, cross_candidates, jaccard, keys, signatures, similarity

WORD = re.compile(rb"[A-Za-z0-9_]+")
TEXT = st.text(st.sampled_from("ab_0 \n.é漢"), max_size=60)


def plain_grams(text: str, n: int) -> list[tuple[bytes, ...]]:
    found = WORD.findall(text.encode())
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


def test_case_folds() -> None:
    assert words("Hello WORLD_1", fold=True).tolist() == words("hello world_1").tolist()
    assert words("Hello").tolist() != words("hello").tolist()


def test_a_text_of_many_pieces_gives_the_words_of_its_lines() -> None:
    blocks = ["".join(f"name_{n} = value_{n * 7}\n" for n in range(k, k + 1000)) for k in range(0, 150_000, 1000)]
    assert len("".join(blocks)) > 3 << 20
    assert words("".join(blocks)).tolist() == np.concatenate([words(block) for block in blocks]).tolist()
    assert len(words("x" * (3 << 20))) == 3  # a megabyte without a line break is cut


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
        estimate = similarity(*signatures([first, second], 256))
        errors.append(estimate - jaccard(np.unique(first), np.unique(second)))
    assert abs(np.mean(errors)) < 0.01
    assert np.std(errors) < 0.04  # sqrt(0.25 / 256) = 0.031 at most, in expectation


def test_jaccard_is_exact() -> None:
    assert jaccard(gram_set("a b c d", 1), gram_set("c d e f", 1)) == pytest.approx(2 / 6)
    assert jaccard(gram_set("", 1), gram_set("", 1)) == 0


@given(st.lists(st.lists(st.integers(0, 2), min_size=6, max_size=6), min_size=1, max_size=12))
def test_candidates_are_the_pairs_that_agree_on_a_band(rows: list[list[int]]) -> None:
    found = keys(np.array(rows, np.uint32), 3, 2)
    bands = [{(b, *row[b : b + 2]) for b in (0, 2, 4)} for row in rows]
    expected = {(i, j) for i, j in combinations(range(len(rows)), 2) if bands[i] & bands[j]}
    assert {(min(pair), max(pair)) for pair in candidates(found)} == expected
    half = len(rows) // 2
    crossed = set(cross_candidates(found[:half], found[half:]))
    assert crossed == {(i, j - half) for i, j in expected if i < half <= j}
