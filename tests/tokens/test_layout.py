"""Rows by weight: how often each is shown, and which documents a weight is for, against plain counting."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from library_corpus import write_curated

from repoloom import recipe
from repoloom.errors import UserError
from repoloom.tokens.batches import Batches
from repoloom.tokens.layout import Layout, Room
from repoloom.tokens.pack import Packed, pack

LANGUAGES = ("python", "c", "go")
ROOM = Room(row=20, a_piece=1, a_file=0)
NO_LINES = np.zeros(100, np.bool_)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Sixty documents of three files of one length, ten tokens and EOS each; every token names its document."""
    place = tmp_path_factory.mktemp("corpus") / "train.sources.parquet"
    files = [
        # Two of three files are in the document's own language, the third in Go.
        {"repo": f"{'big' if number % 4 == 0 else 'small'}/{number}", "language": language}
        for number in range(60)
        for language in (LANGUAGES[number % 3], "go", LANGUAGES[number % 3])
    ]
    pq.write_table(pa.Table.from_pylist(files), place)
    starts = np.arange(61) * 11
    borders = (starts[:-1, None] + [0, 4, 5]).ravel()
    return Packed(np.repeat(np.arange(60), 11).astype(np.uint16), starts, borders, place)


def layout(corpus, packing="best-fit", seed=0, **weights):
    chosen = recipe.Batches(packing=packing, weights={key.replace("__", "/*"): n for key, n in weights.items()})
    return Layout(corpus, NO_LINES, ROOM, chosen, seed)


def shown(corpus, found, epochs):
    """How often each document's tokens stand in the rows of so many epochs."""
    count = np.zeros(60)
    for place in range(epochs * found.rows):
        group, row, _ = found.at(place)
        assert row in group.rows
        for piece in found.table[row].tolist():
            start = found.pieces.starts[piece]
            count += np.bincount(corpus.ids[start : start + found.pieces.lengths[piece]], minlength=60)
    return count / 11


@pytest.mark.parametrize("packing", ["best-fit", "plain"])
def test_without_weights_an_epoch_shows_every_document_once(corpus, packing):
    found = layout(corpus, packing)
    for epochs in (1, 3):
        assert (shown(corpus, found, epochs) == epochs).all()
    assert found.tokens == len(corpus.ids)
    assert [found.at(epoch * found.rows)[2] for epoch in range(3)] == [0, 1, 2]


@pytest.mark.parametrize("packing", ["best-fit", "plain"])
def test_a_weight_is_how_often_an_epoch_shows_a_document(corpus, packing):
    weights = {"big__": 2.5, "python": 0.5, "c": 3.0}
    found = layout(corpus, packing, **weights)
    after = shown(corpus, found, 8) / 8
    for number in range(60):
        language = LANGUAGES[number % 3]
        weight = 2.5 if number % 4 == 0 else weights.get(language, 1.0)
        # An epoch shows whole rows: of fifteen at half a weight, eight.
        assert after[number] == pytest.approx(weight, abs=0.5 / 8 + 1 / 8), (number, weight)
    groups = {group.name: group for group in found.groups}
    assert list(groups) == ["big/*", "python", "c", "rest"]
    assert sum(group.tokens for group in found.groups) == len(corpus.ids)
    assert groups["big/*"].tokens == 15 * 11 and groups["python"].tokens == 15 * 11


@settings(max_examples=100, deadline=None)
@given(weight=st.floats(0.05, 7), seed=st.integers(0, 3), epochs=st.integers(1, 9))
def test_every_row_of_a_group_is_shown_equally_often_and_no_pass_twice(corpus, weight, seed, epochs):
    found = layout(corpus, seed=seed, python=weight)
    passes = Counter((row, passed) for _, row, passed in map(found.at, range(epochs * found.rows)))
    assert set(passes.values()) == {1}, "a row is shown once in a pass, so that no epoch cuts it alike"
    for group in found.groups:
        times = [sum((row, passed) in passes for passed in range(9 * 8)) for row in group.rows.tolist()]
        assert max(times) - min(times) <= 1 and sum(times) == epochs * group.shown


def test_what_no_document_fits_is_refused_in_one_line(corpus, tmp_path):
    for weights, reason in (({"nobody__": 2}, r"nobody/\*"), ({"big__": 2, "small__": 3, "python": 1}, "'python'")):
        with pytest.raises(UserError, match=f"batches.weights.*{reason}") as failure:
            layout(corpus, **weights)
        assert "\n" not in str(failure.value)
    for place, reason in ((None, "pack again"), (tmp_path / "absent", "pack again"), (corpus.place, "180 files")):
        other = Packed(corpus.ids, corpus.starts, corpus.files[: None if place != corpus.place else 100], place)
        with pytest.raises(UserError, match=reason):
            layout(other, python=2.0)


def test_a_pack_says_where_its_files_come_from(packed, documents):
    expected = [(row["repo"], file["language"]) for row in documents for file in row["files"]]
    columns = [packed.sources(name) for name in ("repo", "language")]
    found = [tuple(c.names[c.numbers[file]] for c in columns) for file in range(len(packed.files))]
    assert found == expected


def test_the_tokens_shown_are_counted_by_weight(documents, folder, tokenizer, tmp_path):
    """Real sources: one package of the standard library shown twice an epoch, another every third."""
    rows = [row | {"repo": f"stdlib/{row['repo']}"} for row in documents]
    curated = write_curated(tmp_path / "curate", {"documents": [rows]})
    pack(curated, folder, tmp_path / "pack")
    packed = Packed.open(tmp_path / "pack", "train")
    weights = {"stdlib/asyncio": 2.0, "stdlib/[ej]*": 1 / 3}
    settings = recipe.Batches(weights=weights)
    source = Batches(packed, tokenizer, context=128, fim=recipe.Fim(), seed=0, batch=1, settings=settings)
    total = Counter()
    for step in range(source.rows):
        batch = source[step]
        assert sum(batch.sources.values()) == batch.fim.tokens
        assert batch.notes["sources"] == batch.sources
        total.update(batch.sources)
    sizes = Counter()
    for number, row in enumerate(documents):
        key = {"asyncio": "stdlib/asyncio", "email": "stdlib/[ej]*", "json": "stdlib/[ej]*"}.get(row["repo"], "rest")
        sizes[key] += len(packed.tokens(number))
    assert set(total) == set(sizes) == {*weights, "rest"}
    for key, size in sizes.items():
        assert total[key] == pytest.approx(weights.get(key, 1.0) * size, rel=0.02)
    assert source.utilisation == pytest.approx(sum(total.values()) / (source.rows * 128), rel=0.02)
