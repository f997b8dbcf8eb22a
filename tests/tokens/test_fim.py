"""Cut pieces against the texts they were cut from: any Unicode, real sources, and the statistics of the draws."""

import numpy as np
import pytest
import tokenizers
from foreign import foreign
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import models

from repoloom.errors import UserError
from repoloom.tokens import bpe
from repoloom.tokens.fim import ADDED, Fim, chosen, draws, prompt
from repoloom.tokens.tokenizer import Tokenizer

LAST = 2**64 - 1
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
LINES = st.text(st.sampled_from(" \t\n\n\n\r\x0b\u2028aé中🐍1._'" + bpe.FIM_HOLE[:3]), min_size=1, max_size=60)
CUT = st.integers(0, LAST)


@pytest.fixture(scope="module")
def over_lines(tmp_path_factory):
    """A byte-level tokenizer of another maker, with a token for two line breaks and StarCoder's sentinels."""
    names = ["<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<|endoftext|>"]
    folder = tmp_path_factory.mktemp("foreign") / "starcoder"
    found = foreign(folder, names, {"eos_token": names[-1]}, merges=[("Ċ", "Ċ")])
    assert len(found.encode("\n\n")) == 1 and not found.splits_lines
    return found


def numbers(first, second):
    """Draws that cut a text at these two shares of its length, counted in 2**64."""
    return np.array([0, first, second, 0], np.uint64)


def piece(tokenizer, text, ended=False):
    return np.array([*tokenizer.encode(text), *([tokenizer.eos] if ended else [])], np.int64)


def opened(tokenizer, ids):
    """The ids of prefix, suffix and middle, after a check that every sentinel stands once and in its place."""
    ids = ids.tolist()
    sentinels = [tokenizer.fim_begin, tokenizer.fim_hole, tokenizer.fim_end, tokenizer.eos]
    assert [token for token in ids if token in sentinels] == sentinels
    begin, hole, end, eos = map(ids.index, sentinels)
    assert (begin, eos) == (0, len(ids) - 1)
    return ids[1:hole], ids[hole + 1 : end], ids[end + 1 : eos]


@settings(max_examples=500)
@given(TEXTS | LINES, CUT, CUT, st.booleans())
@example("\r\n", 2**63, 2**63, True)
def test_the_parts_in_their_places_are_the_text(tokenizer, text, first, second, ended):
    prefix, suffix, middle = opened(tokenizer, Fim(tokenizer)(piece(tokenizer, text, ended), numbers(first, second)))
    assert tokenizer.decode(prefix) + tokenizer.decode(middle) + tokenizer.decode(suffix) == text
    assert tokenizer.decode([*prefix, *middle, *suffix]) == text


@settings(max_examples=500)
@given(TEXTS | LINES, CUT, CUT)
def test_each_part_is_encoded_as_if_it_stood_alone(tokenizer, over_lines, text, first, second):
    for one in (tokenizer, over_lines):
        parts = opened(one, Fim(one)(piece(one, text), numbers(first, second)))
        assert list(parts) == [one.encode(one.decode(part)) for part in parts]


def test_real_files_are_cut_to_what_encoding_each_part_gives(tokenizer, documents):
    files = [row["text"][file["start"] : file["end"]] for row in documents for file in row["files"]]
    cut = Fim(tokenizer)
    for number, text in enumerate(files):
        prefix, suffix, middle = opened(tokenizer, cut(piece(tokenizer, text, ended=True), draws(0, 0, number, 1)[0]))
        texts = [tokenizer.decode(part) for part in (prefix, middle, suffix)]
        assert "".join(texts) == text
        assert [prefix, middle, suffix] == tokenizer.encode_batch(texts)


@settings(max_examples=500)
@given(TEXTS | LINES, st.integers(0, 30), st.integers(1, 60), CUT, CUT)
def test_a_piece_in_mid_line_keeps_its_text_and_the_tokens_of_lines_without_a_cut(
    tokenizer, text, start, length, first, second
):
    whole = piece(tokenizer, text)
    ids = whole[min(start, len(whole) - 1) :][:length]
    data = tokenizer.decode_bytes(ids.tolist())
    result = Fim(tokenizer)(ids, numbers(first, second))
    if not is_text(data):
        assert result is None
        return
    prefix, suffix, middle = opened(tokenizer, result)
    assert tokenizer.decode_bytes([*prefix, *middle, *suffix]) == data
    breaks = set(tokenizer.encode("\n\r"))
    before = max((n + 1 for n, token in enumerate(prefix) if token in breaks), default=0)
    behind = max((len(suffix) - n for n, token in enumerate(suffix) if token in breaks), default=0)
    assert prefix[:before] == ids[:before].tolist()
    assert suffix[len(suffix) - behind :] == ids[len(ids) - behind :].tolist()


def is_text(data):
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (0, 0, ("", "", "naïve\n")),
        (0, LAST, ("", "naïve\n", "")),
        (LAST, LAST, ("naïve\n", "", "")),
        (LAST, 0, ("", "naïve\n", "")),
        (2**63, 2**63, ("naï", "", "ve\n")),
    ],
)
def test_any_part_may_be_empty(tokenizer, first, second, expected):
    prefix, suffix, middle = opened(tokenizer, Fim(tokenizer)(piece(tokenizer, "naïve\n"), numbers(first, second)))
    assert tuple(map(tokenizer.decode, (prefix, middle, suffix))) == expected


def test_a_cut_between_tokens_adds_three_sentinels_and_the_end(tokenizer):
    ids = piece(tokenizer, "import os\n" * 4)
    assert len(Fim(tokenizer)(ids, numbers(0, 2**63))) == len(ids) + ADDED


def test_text_that_spells_sentinels_stays_text(tokenizer):
    text = "".join(bpe.SPECIAL) * 3 + "\n"
    cut, ids = Fim(tokenizer), piece(tokenizer, text)
    for number in range(50):
        prefix, suffix, middle = opened(tokenizer, cut(ids, draws(0, 0, number, 1)[0]))
        assert tokenizer.decode([*prefix, *middle, *suffix]) == text


def test_what_holds_no_text_or_half_a_character_is_not_cut(tokenizer):
    whole = tokenizer.encode("中")
    bytes_alone = [tokenizer.table.index(bytes([byte])) for byte in "中".encode()]
    assert tokenizer.decode(bytes_alone) == tokenizer.decode(whole) == "中"
    text = tokenizer.encode("x = 1\n")
    cut = Fim(tokenizer)
    for ids in ([tokenizer.eos], [*bytes_alone[1:], *text], [*text, *bytes_alone[:2]]):
        assert cut(np.array(ids), numbers(0, LAST)) is None
    assert cut(np.array([*bytes_alone, *text]), numbers(0, LAST)) is not None


def test_the_prompt_is_what_training_shows_before_the_middle(tokenizer):
    text = "def twice(x):\n    return 2 * x\n\n\nclass Ünder:\n    pass\n"
    for number in range(50):
        ids = Fim(tokenizer)(piece(tokenizer, text, ended=True), draws(1, 0, number, 1)[0])
        prefix, suffix, middle = opened(tokenizer, ids)
        asked = prompt(tokenizer, tokenizer.decode(prefix), tokenizer.decode(suffix))
        assert [*asked, *middle, tokenizer.eos] == [tokenizer.bos, *ids.tolist()]


def test_cuts_fall_on_every_character_position_alike(tokenizer):
    """Pearson's statistic over the nine borders of eight characters of one to four bytes, two cuts a piece."""
    text, count = "aé\n中🐍 b\r", 20_000
    cut, ids = Fim(tokenizer), piece(tokenizer, text)
    drawn = draws(3, 0, 0, count)
    seen = np.zeros((len(text) + 1, len(text) + 1))
    for number in range(count):
        prefix, suffix, _ = opened(tokenizer, cut(ids, drawn[number]))
        seen[len(tokenizer.decode(prefix)), len(text) - len(tokenizer.decode(suffix))] += 1
    assert not np.tril(seen, -1).any()
    both = seen.sum(0) + seen.sum(1)
    expected = 2 * count / len(both)
    assert ((both - expected) ** 2 / expected).sum() < 26.1, "p = 0.001 at 8 degrees of freedom"
    pairs = np.triu(np.full(seen.shape, 2.0), 1) + np.eye(len(seen))
    pairs *= count / pairs.sum()
    kept = pairs > 0
    assert ((seen[kept] - pairs[kept]) ** 2 / pairs[kept]).sum() < 79.0, "p = 0.001 at 44 degrees of freedom"


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_the_rate_is_realised_within_a_point(rate):
    for seed in range(5):
        share = chosen(draws(seed, seed + 7, 0, 40_000), rate).mean()
        assert share == rate if rate in {0, 1} else abs(share - rate) < 0.01


def test_being_cut_says_nothing_of_where():
    drawn = draws(0, 0, 0, 40_000)[:, :3] / 2.0**64
    assert np.abs(np.corrcoef(drawn.T) - np.eye(3)).max() < 0.02
    assert np.abs(np.corrcoef(drawn[:-1].ravel(), drawn[1:].ravel())[0, 1]) < 0.02


@given(st.integers(0, 2**40), st.integers(0, 100), st.integers(0, 2**40), st.integers(1, 20))
def test_draws_depend_on_seed_epoch_and_piece_alone(seed, epoch, first, count):
    together = draws(seed, epoch, first, count)
    for piece in reversed(range(count)):
        np.testing.assert_array_equal(draws(seed, epoch, first + piece, 1)[0], together[piece])
    for other in (draws(seed + 1, epoch, first, count), draws(seed, epoch + 1, first, count)):
        assert not np.isin(other, together).any()


def test_draws_stay_what_they_were():
    """A run that is repeated with a later version has to cut the same pieces at the same places."""
    assert draws(1, 2, 3, 1)[0].tolist() == [
        7984137390022215119,
        1159202645190555240,
        7081657971776646689,
        6873143685002570433,
    ]


def test_a_tokenizer_that_cannot_be_cut_by_is_refused_in_one_line(tmp_path):
    words = tokenizers.Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    words.add_special_tokens([bpe.FIM_BEGIN, bpe.FIM_HOLE, bpe.FIM_END])
    words.save(str(tmp_path / "tokenizer.json"))
    refused = {
        "no fill-in-the-middle sentinels": foreign(tmp_path / "plain"),
        "not byte-level": Tokenizer.load(tmp_path),
    }
    for reason, one in refused.items():
        with pytest.raises(UserError, match=rf"{reason}.*fim\.rate") as failure:
            Fim(one)
        assert "\n" not in str(failure.value)
