"""Batches of the standard library, taken apart again: what is shown, how often, and what is to be learnt."""

import gc
import itertools
import re
import threading
from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from foreign import foreign
from hypothesis import given, settings
from hypothesis import strategies as st

from repoloom import recipe
from repoloom.errors import UserError
from repoloom.tokens import windows
from repoloom.tokens.batches import IGNORE, Batches
from repoloom.tokens.fim import below, draws
from repoloom.tokens.levels import FimCounts
from repoloom.tokens.pack import Packed

CONTEXT = 256
ROWS = 24
LIMIT = CONTEXT - 9
"""Tokens that fill a row where fill-in-the-middle may add to them."""


def batches(packed, tokenizer, rate=0.5, seed=0, context=CONTEXT, batch=ROWS, pack=None, **fim):
    settings = recipe.Batches(**(pack or {}))
    fim = recipe.Fim(rate=rate, **fim)
    return Batches(packed, tokenizer, context=context, fim=fim, seed=seed, batch=batch, settings=settings)


@pytest.fixture(scope="module")
def mixed(packed, tokenizer):
    return batches(packed, tokenizer)


@pytest.fixture(scope="module")
def plain(packed, tokenizer):
    return batches(packed, tokenizer, rate=0.0)


def same(one, other):
    np.testing.assert_array_equal(one.tokens, other.tokens)
    np.testing.assert_array_equal(one.targets, other.targets)
    assert one.fim == other.fim


def epoch(source, number=0):
    """Every row of an epoch as (tokens, targets), in the order shown."""
    first, last = number * source.rows, (number + 1) * source.rows
    shown = []
    for step in range(first // ROWS, -(-last // ROWS)):
        batch = source[step]
        places = range(step * ROWS, (step + 1) * ROWS)
        shown += [row for place, *row in zip(places, batch.tokens, batch.targets, strict=True) if first <= place < last]
    return shown


def pieces_of(tokens, targets, tokenizer):
    """The pieces of a row, each without the BOS that opens it."""
    sequence = [token for token in [*tokens.tolist(), int(targets[-1])] if token not in {tokenizer.pad, IGNORE}]
    openings = [place for place, token in enumerate(sequence) if token == tokenizer.bos]
    return [sequence[a + 1 : b] for a, b in zip(openings, [*openings[1:], len(sequence)], strict=True)]


def joined(piece, tokenizer):
    """A piece as it stood before it was cut; one that was not cut as it is."""
    sentinels = [tokenizer.fim_begin, tokenizer.fim_hole, tokenizer.fim_end]
    if piece[0] != tokenizer.fim_begin:
        assert not set(sentinels) & set(piece)
        return tokenizer.decode_bytes(piece)
    assert piece[-1] == tokenizer.eos, "never truncated"
    at = [place for place, token in enumerate(piece) if token in {*sentinels, tokenizer.eos}]
    spans = len(at) // 2 - 1
    order = [tokenizer.fim_begin, *[tokenizer.fim_hole] * spans, *[tokenizer.fim_end] * spans, tokenizer.eos]
    assert [piece[place] for place in at] == order
    parts = [piece[a + 1 : b] for a, b in itertools.pairwise(at)]
    pairs = itertools.zip_longest(parts[: spans + 1], parts[spans + 1 :], fillvalue=[])
    return tokenizer.decode_bytes([token for kept, middle in pairs for token in [*kept, *middle]])


def starts(packed, tokenizer, limit):
    ends_line = np.array([entry.endswith(b"\n") for entry in tokenizer.table])
    return windows.cut(packed, ends_line, limit).starts.tolist()


def expected(packed, tokenizer, limit):
    borders = [*starts(packed, tokenizer, limit), len(packed.ids)]
    return [packed.ids[a:b].tolist() for a, b in itertools.pairwise(borders)]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=4), st.integers(0, 3))
def test_a_batch_depends_on_seed_and_step_alone(packed, tokenizer, mixed, steps, seed):
    asked = [mixed[step] for step in steps]
    another = batches(packed, tokenizer)
    for step, batch in reversed([*zip(steps, asked, strict=True)]):
        same(another[step], batch)
    if seed:
        assert not np.array_equal(batches(packed, tokenizer, seed=seed)[steps[0]].tokens, asked[0].tokens)


def test_prefetch_gives_the_same_batches_over_an_epochs_end(packed, tokenizer, mixed):
    end = mixed.rows // ROWS
    ahead = list(batches(packed, tokenizer).prefetch(end - 3, end + 4))
    assert len(ahead) == 7
    for step, batch in enumerate(ahead, end - 3):
        same(batch, mixed[step])
    assert list(mixed.prefetch(5, 5)) == []


def test_threads_that_ask_for_different_epochs_get_their_own(mixed):
    steps = [step * mixed.rows // ROWS for step in range(8)]
    wanted = {step: mixed[step] for step in steps}
    wrong = []

    def ask(step):
        for _ in range(5):
            if not np.array_equal(mixed[step].tokens, wanted[step].tokens):
                wrong.append(step)

    threads = [threading.Thread(target=ask, args=[step]) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("end", ["closed", "read", "dropped"])
def test_the_thread_ends_with_the_iterator(mixed, end):
    def alive():
        return [thread.name for thread in threading.enumerate() if thread.name.startswith("batches")]

    ahead = mixed.prefetch(0, 5)
    assert not alive(), "nothing is made before it is asked for"
    next(ahead)
    assert len(alive()) == 1
    if end == "closed":
        ahead.close()
    elif end == "read":
        assert len(list(ahead)) == 4
    else:
        del ahead
        gc.collect()
    assert not alive()


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_targets_are_the_next_tokens_and_only_openings_and_padding_carry_no_loss(packed, tokenizer, rate):
    source = batches(packed, tokenizer, rate)
    for step in range(20):
        batch = source[step]
        assert batch.tokens.shape == batch.targets.shape == (ROWS, CONTEXT)
        assert batch.tokens.dtype == batch.targets.dtype == np.int64
        assert batch.tokens.flags.c_contiguous and batch.targets.flags.c_contiguous
        following, learnt = batch.tokens[:, 1:], batch.targets[:, :-1]
        silent = np.isin(following, [tokenizer.bos, tokenizer.pad])
        np.testing.assert_array_equal(learnt, np.where(silent, IGNORE, following))
        assert not np.isin(batch.targets, [tokenizer.bos, tokenizer.pad]).any()
        assert (batch.tokens[:, 0] == tokenizer.bos).all()
        padded = batch.tokens == tokenizer.pad
        assert (np.diff(padded.astype(int), axis=1) >= 0).all(), "padding stands at the end of a row"


def test_without_fim_an_epoch_is_the_documents_once(packed, tokenizer, plain, documents):
    shown = [piece for row in epoch(plain) for piece in pieces_of(*row, tokenizer)]
    known = expected(packed, tokenizer, CONTEXT)
    assert sorted(shown) == sorted(known)
    text = tokenizer.decode_bytes([token for piece in known for token in piece]).decode()
    assert text == "".join(row["text"] for row in documents)
    assert sum(piece.count(tokenizer.eos) for piece in shown) == len(documents)
    assert plain.utilisation == pytest.approx(len(packed.ids) / (plain.rows * CONTEXT))
    assert plain.utilisation > 0.95


@pytest.mark.parametrize("rate", [0.5, 1.0])
@pytest.mark.parametrize(("number", "spans", "limit"), [(0, 1, LIMIT), (1, 1, LIMIT), (0, 3, CONTEXT - 23)])
def test_with_fim_an_epoch_shows_every_piece_once_whole_or_cut(packed, tokenizer, rate, number, spans, limit):
    source = batches(packed, tokenizer, rate, spans=spans)
    shown = [piece for row in epoch(source, number) for piece in pieces_of(*row, tokenizer)]
    known = expected(packed, tokenizer, limit)
    assert Counter(joined(piece, tokenizer) for piece in shown) == Counter(map(tokenizer.decode_bytes, known))
    cut = sum(piece[0] == tokenizer.fim_begin for piece in shown)
    assert abs(cut / len(shown) - rate) < 0.02


def test_the_counts_are_those_of_the_pieces_shown(packed, tokenizer):
    """Over one whole epoch, and by tokens and by pieces near the rate that was asked for."""
    source = batches(packed, tokenizer, batch=1)
    total, shown = FimCounts(), []
    for step in range(source.rows):
        batch = source[step]
        total.add(batch.fim)
        shown += pieces_of(batch.tokens[0], batch.targets[0], tokenizer)
        counted = {name: getattr(batch.fim, name) for name in batch.fim.__slots__}
        assert batch.notes == {"fim": counted, "languages": {"python": batch.fim.tokens}}
    known = expected(packed, tokenizer, LIMIT)
    assert (total.pieces, total.tokens) == (len(known), len(packed.ids))
    assert total.cut == sum(piece[0] == tokenizer.fim_begin for piece in shown)
    drawn = np.array([below(int(draws(0, 0, start)[0, 0]), 0.5) for start in starts(packed, tokenizer, LIMIT)])
    assert total.cut + total.left == drawn.sum()
    rates = total.rates()
    assert (rates["rate_by_pieces"], rates["cut"]) == (total.cut / total.pieces, total.cut)
    assert rates["rate_by_tokens"] == total.cut_tokens / total.tokens
    assert abs(rates["rate_by_pieces"] - drawn.mean()) < 0.005, "few are left whole for lack of room"
    assert abs(rates["rate_by_tokens"] - 0.5) < 0.03


def test_a_piece_is_cut_elsewhere_in_every_epoch(packed, tokenizer):
    source = batches(packed, tokenizer, rate=1.0)
    first, second = (
        {joined(piece, tokenizer): piece for row in epoch(source, number) for piece in pieces_of(*row, tokenizer)}
        for number in (0, 1)
    )
    assert first.keys() == second.keys()
    assert np.mean([first[text] != second[text] for text in first]) > 0.95


def test_epochs_differ_in_their_order(plain):
    first, second = ([bytes(tokens) for tokens, _ in epoch(plain, number)] for number in (0, 1))
    assert sorted(first) == sorted(second)
    assert sum(a == b for a, b in zip(first, second, strict=True)) < 20


def test_rows_in_which_everything_grows_still_fit_and_are_counted(tokenizer):
    """Many short documents of words that are one token: a cut splits them, and not every result finds room."""
    entries = sorted((entry.decode() for entry in tokenizer.table if re.fullmatch(rb" [a-zA-Z]+", entry)), key=len)
    words, texts = entries[-20:], []
    for number in range(400):
        texts.append("".join(words[(number * n + n) % 20] for n in range(number % 10)) + ("\n" if number % 10 else ""))
    encoded = {text: [*tokenizer.encode(text), tokenizer.eos] for text in texts}
    assert all(len(ids) == text.count(" ") + text.count("\n") + 1 for text, ids in encoded.items())
    borders = np.cumsum([0, *(len(encoded[text]) for text in texts)])
    ids = np.concatenate([encoded[text] for text in texts]).astype(np.uint16)
    source = batches(Packed(ids, borders, borders[:-1]), tokenizer, rate=1.0, context=32, batch=1)
    total, shown = FimCounts(), []
    for step in range(source.rows):
        batch = source[step]
        total.add(batch.fim)
        shown += pieces_of(batch.tokens[0], batch.targets[0], tokenizer)
    assert Counter(joined(piece, tokenizer).decode() for piece in shown) == Counter(texts)
    cut = [joined(piece, tokenizer).decode() for piece in shown if piece[0] == tokenizer.fim_begin]
    assert total == FimCounts(400, len(cut), 400 - len(cut), len(ids), sum(len(encoded[text]) for text in cut))
    assert 200 < total.cut < 400 - texts.count(""), "some find no room, beside those without text"
    assert source.rows < 390, "several share a row"


def test_where_the_end_of_a_text_also_opens_and_pads_the_end_is_learnt(tmp_path, documents):
    """GPT-2's habit: one token for all three. As an opening and as padding it carries no loss, as an end it does."""
    gpt2 = foreign(tmp_path / "gpt2", ["<|endoftext|>"], {"eos_token": "<|endoftext|>"})
    assert (gpt2.bos, gpt2.pad, gpt2.eos) == (None, None, 256)
    texts = [row["text"][:3000] for row in documents]
    encoded = [[*gpt2.encode(text), gpt2.eos] for text in texts]
    borders = np.cumsum([0, *map(len, encoded)])
    packed = Packed(np.concatenate(encoded).astype(np.uint16), borders, borders[:-1])
    source = batches(packed, gpt2, rate=0.0)
    rows = epoch(source)
    assert sum(int((targets == gpt2.eos).sum()) for _, targets in rows) == len(texts)
    assert sum(int((targets != IGNORE).sum()) for _, targets in rows) == len(packed.ids)
    with pytest.raises(UserError, match="sentinels"):
        batches(packed, gpt2)


def test_what_cannot_be_batched_is_refused_in_one_line(packed, tokenizer, tmp_path):
    empty = Packed(np.empty(0, np.uint16), np.zeros(1, np.int64), np.empty(0, np.int64))
    nameless = foreign(tmp_path / "nameless")
    for arguments, reason in (
        ({"packed": empty, "tokenizer": tokenizer}, "holds no tokens"),
        ({"packed": packed, "tokenizer": tokenizer, "context": 16}, r"model\.context is 16.*fim\.rate"),
        ({"packed": packed, "tokenizer": nameless, "rate": 0.0}, "neither bos_token nor eos_token"),
    ):
        with pytest.raises(UserError, match=reason) as failure:
            batches(**arguments)
        assert "\n" not in str(failure.value)
    assert batches(packed, tokenizer, rate=0.0, context=20)[0].tokens.shape == (ROWS, 20)


def texts_of(batch, line, tokenizer):
    """The texts of a row by its document numbers, as ids without BOS, after a check that the numbers count up."""
    documents = batch.documents[line]
    assert documents[0] == 0 and set(np.diff(documents).tolist()) <= {0, 1}
    found = []
    for number in range(documents[-1] + 1):
        own = batch.tokens[line][documents == number].tolist()
        if own[0] == tokenizer.pad:
            assert number == documents[-1] and set(own) == {tokenizer.pad}, "padding is the last"
        else:
            assert own[0] == tokenizer.bos and tokenizer.bos not in own[1:]
            found.append(own[1:])
    return found


@pytest.mark.parametrize("packing", ["best-fit", "plain"])
@pytest.mark.parametrize("scope", ["window", "file"])
def test_every_text_has_a_number_of_its_own_in_its_row(packed, tokenizer, packing, scope):
    source = batches(packed, tokenizer, pack={"packing": packing}, scope=scope)
    bare = batches(packed, tokenizer, pack={"packing": packing, "document_mask": False}, scope=scope)
    for step in range(10):
        batch = source[step]
        assert batch.documents.shape == batch.tokens.shape and batch.documents.dtype == np.int32
        assert batch.documents.flags.c_contiguous
        for line in range(ROWS):
            expected = pieces_of(batch.tokens[line], batch.targets[line], tokenizer)
            found = texts_of(batch, line, tokenizer)
            assert found[:-1] == expected[:-1], "the last one's last token is a target alone"
            assert found[-1] == expected[-1][: len(found[-1])]
        assert bare[step].documents is None
        same(bare[step], batch)


def test_the_shares_of_any_number_of_ranks_are_the_batch(packed, tokenizer, monkeypatch):
    source = batches(packed, tokenizer)
    for ranks in (1, 2, 3, 8, ROWS):
        shares = [source.share(rank, ranks) for rank in range(ranks)]
        for step in (0, 3, source.rows // ROWS):
            parts = [share[step] for share in shares]
            assert {len(part.tokens) for part in parts} == {ROWS // ranks}
            for name in ("tokens", "targets", "documents"):
                joined = np.concatenate([getattr(part, name) for part in parts])
                np.testing.assert_array_equal(joined, getattr(source[step], name))
            counts = FimCounts()
            for part in parts:
                counts.add(part.fim)
            assert counts == source[step].fim
    asked = []
    at = source._layout.at
    monkeypatch.setattr(source._layout, "at", lambda place: asked.append(place) or at(place))
    assert len(list(source.share(1, 3).prefetch(2, 4))) == 2
    third = ROWS // 3
    assert asked == [*range(2 * ROWS + third, 2 * ROWS + 2 * third), *range(3 * ROWS + third, 3 * ROWS + 2 * third)]
    with pytest.raises(UserError, match=r"batch is 24: 5 processes"):
        source.share(0, 5)


def test_plain_concatenation_shows_every_token_once_and_fills_its_rows(packed, tokenizer):
    known = Counter(packed.ids.tolist())
    for rate, least in ((0.0, 0.99), (0.5, 0.95)):
        source = batches(packed, tokenizer, rate=rate, pack={"packing": "plain"}, batch=1)
        assert source.utilisation > least
        shown, total = [], FimCounts()
        for step in range(source.rows):
            batch = source[step]
            total.add(batch.fim)
            shown += pieces_of(batch.tokens[0], batch.targets[0], tokenizer)
        assert total.tokens == len(packed.ids)
        if rate == 0:
            assert Counter(token for piece in shown for token in piece) == known
            assert source.utilisation > batches(packed, tokenizer, rate=0.0).utilisation
        else:
            whole = tokenizer.decode_bytes(packed.ids.tolist())
            assert sum(len(joined(piece, tokenizer)) for piece in shown) == len(whole)
            assert all(joined(piece, tokenizer) in whole for piece in shown[:200])


@pytest.mark.parametrize(("cuts", "spm"), [("characters", 0.5), ("tokens", 0.0), ("lines", 0.5), ("nodes", 0.0)])
def test_every_kind_of_cut_shows_each_piece_once_at_the_rate(packed, tokenizer, cuts, spm):
    shown, cut = Counter(), 0
    for row in epoch(batches(packed, tokenizer, cuts=cuts, spm=spm)):
        for piece in pieces_of(*row, tokenizer):
            cut += piece[0] == tokenizer.fim_begin
            if spm and piece[:2] == [tokenizer.fim_begin, tokenizer.fim_hole]:
                # Suffix, prefix and middle: the text starts behind the last sentinel, wherever its prefix ends.
                end = piece.index(tokenizer.fim_end)
                shown[tokenizer.decode_bytes([*piece[end:], *piece[2:end]])] += 1
            else:
                shown[joined(piece, tokenizer)] += 1
    assert shown == Counter(map(tokenizer.decode_bytes, expected(packed, tokenizer, LIMIT)))
    assert abs(cut / shown.total() - 0.5) < 0.03


def test_in_the_scope_of_files_each_is_cut_by_itself_and_nothing_is_lost(packed, tokenizer):
    """Every file at the rate asked for; a cut one's middle lies in it, and all text before it is its prefix."""
    context = 1024
    source = batches(packed, tokenizer, scope="file", context=context, batch=1)
    total, shown, several = FimCounts(), Counter(), 0
    header = re.compile(rb"^# [a-z]+/[\w/]+\.py$", re.MULTILINE)
    for step in range(source.rows):
        batch = source[step]
        total.add(batch.fim)
        for piece in pieces_of(batch.tokens[0], batch.targets[0], tokenizer):
            text = joined(piece, tokenizer)
            shown.update(Counter(text.splitlines()))
            if piece[0] == tokenizer.fim_begin:
                *_, last = 0, *(found.start() for found in header.finditer(text))
                prefix = tokenizer.decode_bytes(piece[1 : piece.index(tokenizer.fim_hole)])
                assert len(prefix) >= last, "the cuts fall in the last file"
                several += last > 0
    whole = tokenizer.decode_bytes(packed.ids.tolist())
    assert shown == Counter(whole.splitlines())
    assert several > 10, "some windows hold files before the one that is cut"
    assert total.tokens == len(packed.ids) and total.pieces > source.rows
    rates = total.rates()
    assert abs(rates["rate_by_pieces"] - 0.5) < 0.03 and abs(rates["rate_by_tokens"] - 0.5) < 0.05
    assert total.left < 0.01 * total.cut


def test_at_document_level_files_are_cut_before_windows_are_and_every_epoch_shows_the_same(packed, tokenizer):
    source = batches(packed, tokenizer, level="document", batch=1)
    first, second = ({bytes(tokens) for tokens, _ in epoch_of_ones(source, number)} for number in (0, 1))
    assert first == second
    total = FimCounts()
    for step in range(source.rows):
        total.add(source[step].fim)
    drawn = np.array([below(int(draws(0, 0, start)[0, 0]), 0.5) for start in packed.files.tolist()])
    assert (total.pieces, total.cut, total.left) == (len(packed.files), drawn.sum(), 0)
    ids = source._level.packed.ids.tolist()
    assert total.tokens == len(ids)
    assert [ids.count(token) for token in (tokenizer.fim_begin, tokenizer.fim_hole, tokenizer.fim_end)] == [
        total.cut
    ] * 3
    starts = [*source._level.packed.files.tolist(), len(ids)]
    cut_tokens = 0
    for number, (a, b) in enumerate(itertools.pairwise(starts)):
        old = packed.ids[packed.files[number] : [*packed.files.tolist(), len(packed.ids)][number + 1]].tolist()
        assert (ids[a] == tokenizer.fim_begin) == drawn[number]
        assert joined(ids[a:b], tokenizer) == tokenizer.decode_bytes(old)
        cut_tokens += (b - a) * drawn[number]
    assert total.cut_tokens == cut_tokens


def epoch_of_ones(source, number):
    return [
        (batch.tokens[0], batch.targets[0])
        for batch in map(source.__getitem__, range(number * source.rows, (number + 1) * source.rows))
    ]


@pytest.mark.parametrize("packing", ["best-fit", "plain"])
@pytest.mark.parametrize("scope", ["window", "file"])
def test_the_rate_is_realised_within_a_point_by_pieces_and_by_tokens(packed, tokenizer, packing, scope):
    """Over four epochs of real files, so that the draws' own scatter is under half a point."""
    source = batches(packed, tokenizer, pack={"packing": packing}, scope=scope)
    total = FimCounts()
    for step in range(4 * source.rows // ROWS):
        total.add(source[step].fim)
    rates = total.rates()
    assert abs(rates["rate_by_pieces"] - 0.5) < 0.01
    assert abs(rates["rate_by_tokens"] - 0.5) < 0.01
    assert total.left < 0.02 * total.cut


@pytest.mark.parametrize("packing", ["best-fit", "plain"])
@pytest.mark.parametrize("scope", ["window", "file"])
@pytest.mark.parametrize("context", [512, 2048])
def test_where_every_piece_is_drawn_all_but_a_few_of_a_thousand_are_cut(packed, tokenizer, packing, scope, context):
    """Nothing scatters here: what is missing was left whole for lack of room."""
    source = batches(packed, tokenizer, rate=1.0, context=context, pack={"packing": packing}, scope=scope)
    total = FimCounts()
    for step in range(2 * source.rows // ROWS):
        total.add(source[step].fim)
    rates = total.rates()
    assert rates["rate_by_pieces"] > 0.995 and rates["rate_by_tokens"] > 0.995


@pytest.mark.parametrize("level", ["context", "document"])
@pytest.mark.parametrize("packing", ["best-fit", "plain"])
def test_an_epochs_tokens_by_language_are_those_of_its_files(packed, tokenizer, tmp_path, packing, level):
    names = [("python", "c", "markdown")[number % 3] for number in range(len(packed.files))]
    place = tmp_path / "train.sources.parquet"
    pq.write_table(pa.table({"repo": ["one"] * len(names), "language": names}), place)
    source = batches(replace(packed, place=place), tokenizer, pack={"packing": packing}, level=level, batch=1)
    known = source._level.packed
    wanted = Counter()
    for name, size in zip(names, np.diff([*known.files, len(known.ids)]).tolist(), strict=True):
        wanted[name] += size
    shown = Counter()
    for step in range(source.rows):
        notes = source[step].notes
        assert sum(notes["languages"].values()) == source[step].fim.tokens
        shown.update(notes["languages"])
    assert shown == wanted and sum(shown.values()) == len(known.ids)


def test_a_corpus_that_does_not_say_its_languages_has_no_counts_of_them(packed, tokenizer):
    assert batches(replace(packed, place=None), tokenizer)[0].notes.keys() == {"fim"}


def test_the_first_steps_teach_to_copy_and_the_corpus_follows_as_it_was(packed, tokenizer, mixed):
    copying = Batches(
        packed, tokenizer, context=CONTEXT, fim=recipe.Fim(rate=0.5), seed=0, batch=ROWS, copying=3
    )  # fmt: skip
    for step in range(3):
        batch = copying[step]
        assert batch.fim == FimCounts() and not batch.sources and not batch.notes.get("languages")
        for tokens, targets in zip(batch.tokens, batch.targets, strict=True):
            pieces = pieces_of(tokens, targets, tokenizer)
            for piece in pieces:
                words = (len(piece) - 1) // 2
                assert piece == [*piece[:words] * 2, tokenizer.eos] and 8 <= words <= 32
            assert CONTEXT - 66 < sum(map(len, pieces)) + len(pieces) <= CONTEXT + 1
        halves = [copying.share(rank, 2)[step] for rank in range(2)]
        np.testing.assert_array_equal(np.concatenate([half.tokens for half in halves]), batch.tokens)
    assert not np.array_equal(copying[0].tokens, copying[1].tokens)
    for step in range(4):
        same(copying[3 + step], mixed[step])


def test_copying_needs_room(packed, tokenizer):
    with pytest.raises(UserError, match=r"batches\.copying needs a model\.context of at least 65"):
        Batches(packed, tokenizer, context=64, fim=recipe.Fim(rate=0), seed=0, batch=1, copying=1)
