"""Cut pieces against the texts they were cut from: any Unicode, real sources, and the statistics of the draws."""

import itertools

import numpy as np
import pytest
import tokenizers
from foreign import foreign
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import models

from repoloom import recipe
from repoloom.errors import UserError
from repoloom.tokens import bpe
from repoloom.tokens.fim import ADDED, ADDED_A_SPAN, Fim, below, draws, prompt
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


def fim(tokenizer, **settings):
    return Fim(tokenizer, recipe.Fim(**settings))


def numbers(first, second, order=LAST):
    """Draws that cut a text at these two shares of its length, counted in 2**64; `order` against the rate of SPM."""
    return np.array([0, first, second, order], np.uint64)


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


@settings(max_examples=500, deadline=None)
@given(TEXTS | LINES, CUT, CUT, st.booleans())
@example("\r\n", 2**63, 2**63, True)
def test_the_parts_in_their_places_are_the_text(tokenizer, text, first, second, ended):
    prefix, suffix, middle = opened(tokenizer, fim(tokenizer)(piece(tokenizer, text, ended), numbers(first, second)))
    assert tokenizer.decode(prefix) + tokenizer.decode(middle) + tokenizer.decode(suffix) == text
    assert tokenizer.decode([*prefix, *middle, *suffix]) == text


@settings(max_examples=500, deadline=None)
@given(TEXTS | LINES, CUT, CUT)
def test_each_part_is_encoded_as_if_it_stood_alone(tokenizer, over_lines, text, first, second):
    for one in (tokenizer, over_lines):
        parts = opened(one, fim(one)(piece(one, text), numbers(first, second)))
        assert list(parts) == [one.encode(one.decode(part)) for part in parts]


def test_real_files_are_cut_to_what_encoding_each_part_gives(tokenizer, documents):
    files = [row["text"][file["start"] : file["end"]] for row in documents for file in row["files"]]
    cut = fim(tokenizer)
    for number, text in enumerate(files):
        prefix, suffix, middle = opened(tokenizer, cut(piece(tokenizer, text, ended=True), draws(0, 0, number, 1)[0]))
        texts = [tokenizer.decode(part) for part in (prefix, middle, suffix)]
        assert "".join(texts) == text
        assert [prefix, middle, suffix] == tokenizer.encode_batch(texts)


@settings(max_examples=500, deadline=None)
@given(TEXTS | LINES, st.integers(0, 30), st.integers(1, 60), CUT, CUT)
def test_a_piece_in_mid_line_keeps_its_text_and_the_tokens_of_lines_without_a_cut(
    tokenizer, text, start, length, first, second
):
    whole = piece(tokenizer, text)
    ids = whole[min(start, len(whole) - 1) :][:length]
    data = tokenizer.decode_bytes(ids.tolist())
    result = fim(tokenizer)(ids, numbers(first, second))
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
    prefix, suffix, middle = opened(tokenizer, fim(tokenizer)(piece(tokenizer, "naïve\n"), numbers(first, second)))
    assert tuple(map(tokenizer.decode, (prefix, middle, suffix))) == expected


def test_a_cut_between_tokens_adds_three_sentinels_and_the_end(tokenizer):
    ids = piece(tokenizer, "import os\n" * 4)
    assert len(fim(tokenizer)(ids, numbers(0, 2**63))) == len(ids) + ADDED + ADDED_A_SPAN


def test_text_that_spells_sentinels_stays_text(tokenizer):
    text = "".join(bpe.SPECIAL) * 3 + "\n"
    cut, ids = fim(tokenizer), piece(tokenizer, text)
    for number in range(50):
        prefix, suffix, middle = opened(tokenizer, cut(ids, draws(0, 0, number, 1)[0]))
        assert tokenizer.decode([*prefix, *middle, *suffix]) == text


def test_what_holds_no_text_or_half_a_character_is_not_cut(tokenizer):
    whole = tokenizer.encode("中")
    bytes_alone = [tokenizer.table.index(bytes([byte])) for byte in "中".encode()]
    assert tokenizer.decode(bytes_alone) == tokenizer.decode(whole) == "中"
    text = tokenizer.encode("x = 1\n")
    cut = fim(tokenizer)
    for ids in ([tokenizer.eos], [*bytes_alone[1:], *text], [*text, *bytes_alone[:2]]):
        assert cut(np.array(ids), numbers(0, LAST)) is None
    assert cut(np.array([*bytes_alone, *text]), numbers(0, LAST)) is not None


def test_the_prompt_is_what_training_shows_before_the_middle(tokenizer):
    text = "def twice(x):\n    return 2 * x\n\n\nclass Ünder:\n    pass\n"
    for number in range(50):
        ids = fim(tokenizer)(piece(tokenizer, text, ended=True), draws(1, 0, number, 1)[0])
        prefix, suffix, middle = opened(tokenizer, ids)
        asked = prompt(tokenizer, tokenizer.decode(prefix), tokenizer.decode(suffix))
        assert [*asked, *middle, tokenizer.eos] == [tokenizer.bos, *ids.tolist()]


def test_cuts_fall_on_every_character_position_alike(tokenizer):
    """Pearson's statistic over the nine borders of eight characters of one to four bytes, two cuts a piece."""
    text, count = "aé\n中🐍 b\r", 20_000
    cut, ids = fim(tokenizer), piece(tokenizer, text)
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
        share = np.mean([below(number, rate) for number in draws(seed, seed + 7, 0, 40_000)[:, 0].tolist()])
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
            fim(one)
        assert "\n" not in str(failure.value)


def cut_points(tokenizer, ids):
    """Where a cut piece was cut, counted in characters."""
    prefix, _, middle = opened(tokenizer, ids)
    first = len(tokenizer.decode(prefix))
    return first, first + len(tokenizer.decode(middle))


@settings(max_examples=300, deadline=None)
@given(TEXTS | LINES, CUT, CUT, st.sampled_from(["characters", "tokens", "lines"]))
def test_spm_has_the_same_parts_in_another_order_and_no_token_between_prefix_and_middle(
    tokenizer, text, first, second, cuts
):
    """Variant 2 of arXiv 2207.14255: PRE SUF suffix MID prefix middle EOT."""
    ids = piece(tokenizer, text, ended=True)
    psm = fim(tokenizer, cuts=cuts, spm=0.5)(ids, numbers(first, second, 2**63))
    spm = fim(tokenizer, cuts=cuts, spm=0.5)(ids, numbers(first, second, 2**63 - 2**11))
    prefix, suffix, middle = opened(tokenizer, psm)
    begin, hole, end = tokenizer.fim_begin, tokenizer.fim_hole, tokenizer.fim_end
    assert spm.tolist() == [begin, hole, *suffix, end, *prefix, *middle, tokenizer.eos]
    assert len(spm) == len(psm)
    asked = prompt(tokenizer, tokenizer.decode(prefix), tokenizer.decode(suffix), spm=True)
    if cuts == "characters":
        assert [*asked, *middle, tokenizer.eos] == [tokenizer.bos, *spm.tolist()]


@pytest.mark.parametrize("rate", [0.0, 0.25, 0.5, 1.0])
def test_the_rate_of_spm_is_realised_among_the_cut(tokenizer, rate):
    ids, cut = piece(tokenizer, "a b\n"), fim(tokenizer, rate=0.5, spm=rate)
    drawn = draws(11, 0, 0, 8000)
    shown = [cut(ids, row) for row in drawn if cut.chosen(row)]
    # In SPM the hole comes at once; in PSM it does with an empty prefix, too, one cut in 5 x 5 / 9.
    spm = np.mean([below(int(row[3]), rate) for row in drawn if cut.chosen(row)])
    at_once = np.mean([ids[1] == tokenizer.fim_hole for ids in shown])
    empty = 1 - (4 / 5) ** 2
    assert abs(spm - rate) < 0.025
    assert abs(at_once - (rate + (1 - rate) * empty)) < 0.025


@settings(max_examples=500, deadline=None)
@given(TEXTS | LINES, CUT, CUT)
def test_token_cuts_keep_every_token_and_part_no_character(tokenizer, text, first, second):
    ids = piece(tokenizer, text)
    prefix, suffix, middle = opened(tokenizer, fim(tokenizer, cuts="tokens")(ids, numbers(first, second)))
    assert [*prefix, *middle, *suffix] == ids.tolist()
    for part in (prefix, middle, suffix):
        tokenizer.decode_bytes(part).decode()


def test_token_cuts_fall_on_every_border_of_a_token_alike(tokenizer):
    text, count = "def f(x):\n  y = 'é中'\n", 6000
    ids, cut = piece(tokenizer, text), fim(tokenizer, cuts="tokens")
    whole = [n for n in range(len(ids) + 1) if is_text(tokenizer.decode_bytes(ids[:n].tolist()))]
    assert len(whole) < len(ids) + 1, "the Chinese character is several tokens"
    seen = np.zeros(len(ids) + 1)
    for row in draws(5, 0, 0, count):
        prefix, _, middle = opened(tokenizer, cut(ids, row))
        seen[len(prefix)] += 1
        seen[len(prefix) + len(middle)] += 1
    expected = 2 * count / len(whole)
    statistic = ((seen[whole] - expected) ** 2 / expected).sum()
    assert seen.sum() == seen[whole].sum() and statistic < chi_square(len(whole) - 1)


def chi_square(degrees):
    """What Pearson's statistic exceeds once in a thousand: the cube-root approximation of Wilson and Hilferty."""
    return degrees * (1 - 2 / (9 * degrees) + 3.0902 * (2 / (9 * degrees)) ** 0.5) ** 3


@settings(max_examples=500, deadline=None)
@given(TEXTS | LINES, CUT, CUT)
def test_line_cuts_fall_between_lines_and_are_encoded_as_if_alone(tokenizer, over_lines, text, first, second):
    for one in (tokenizer, over_lines):
        prefix, suffix, middle = opened(one, fim(one, cuts="lines")(piece(one, text), numbers(first, second)))
        parts = [one.decode(part) for part in (prefix, middle, suffix)]
        assert "".join(parts) == text
        starts = {0, len(text), *(place + 1 for place, character in enumerate(text) if character == "\n")}
        assert {len(parts[0]), len(parts[0] + parts[1])} <= starts
        assert [prefix, middle, suffix] == [one.encode(part) for part in parts]


def test_line_cuts_fall_on_every_line_alike(tokenizer):
    text, count = "a\n\nbc = 中\r\n  d\nlast", 6000
    borders = [0, 2, 3, 11, 15, 19]
    ids, cut, seen = piece(tokenizer, text), fim(tokenizer, cuts="lines"), []
    for row in draws(6, 0, 0, count):
        seen += cut_points(tokenizer, cut(ids, row))
    counts = np.array([seen.count(border) for border in borders])
    expected = 2 * count / len(borders)
    assert counts.sum() == len(seen) and ((counts - expected) ** 2 / expected).sum() < chi_square(len(borders) - 1)


def test_node_cuts_take_a_whole_node_of_the_files_own_language(tokenizer):
    """The middles are what Python's own parser calls statements, expressions, names: no half of any."""
    python = "# a.py\nimport os\n\n\ndef twice(número):\n    return 2 * (número + os.sep)\n"
    c = '/* a.c */\nint main(void) {\n  puts("é");\n  return 0;\n}\n'
    ids, cut = piece(tokenizer, python + c), fim(tokenizer, cuts="nodes")
    files = [(0, "python"), (len(tokenizer.encode(python)), "c")]
    middles = set()
    for row in draws(8, 0, 0, 400):
        first, second = cut_points(tokenizer, cut(ids, row, files=files))
        assert (first < len(python)) == (second <= len(python)), "a node lies in one file"
        middles.add((python + c)[first:second])
    assert {"import os", "número", "return 2 * (número + os.sep)", "puts", 'puts("é");', "return 0;"} <= middles
    assert not middles & {"imp", "púts", "ret", "núm", "return 2", "", " "}


@settings(max_examples=300, deadline=None)
@given(TEXTS | LINES, CUT, CUT, st.sampled_from(["python", "c", "javascript", "html", "markdown", "maple", "no such"]))
def test_node_cuts_of_any_text_lose_nothing(tokenizer, text, first, second, language):
    ids = fim(tokenizer, cuts="nodes")(piece(tokenizer, text), numbers(first, second), files=[(0, language)])
    prefix, suffix, middle = opened(tokenizer, ids)
    parts = [tokenizer.decode(part) for part in (prefix, middle, suffix)]
    assert "".join(parts) == text
    assert [prefix, middle, suffix] == [tokenizer.encode(part) for part in parts]


@settings(max_examples=300, deadline=None)
@given(LINES, TEXTS | LINES, CUT, CUT, st.sampled_from(["characters", "tokens", "lines"]), st.booleans())
def test_what_stands_before_a_files_own_tokens_is_never_cut(tokenizer, before, text, first, second, cuts, ended):
    before += "\n"
    head = tokenizer.encode(before)
    own = piece(tokenizer, text, ended)
    one = fim(tokenizer, cuts=cuts)
    alone, together = one(own, numbers(first, second)), one(np.array([*head, *own]), numbers(first, second), len(head))
    assert together.tolist() == [tokenizer.fim_begin, *head, *alone.tolist()[1:]]


def masked(tokenizer, ids):
    """What stays and the middles of a piece with masked spans, after a check that every sentinel has its place."""
    begin, hole, end = tokenizer.fim_begin, tokenizer.fim_hole, tokenizer.fim_end
    assert ids[0] == begin and ids[-1] == tokenizer.eos
    body = ids[1:-1].tolist()
    sentinels = [token for token in body if token in (begin, hole, end, tokenizer.eos)]
    assert sentinels == [hole] * (len(sentinels) // 2) + [end] * (len(sentinels) // 2)
    parts = [[]]
    for token in body:
        if token in (hole, end):
            parts.append([])
        else:
            parts[-1].append(token)
    return parts[: len(parts) // 2 + 1], parts[len(parts) // 2 + 1 :]


@settings(max_examples=500, deadline=None)
@given(TEXTS | LINES, st.integers(2, 6), CUT, CUT, st.sampled_from(["characters", "tokens", "lines"]), st.booleans())
def test_masked_spans_in_their_places_are_the_text(tokenizer, over_lines, text, spans, first, second, cuts, ended):
    for one in (tokenizer, over_lines):
        ids = piece(one, text, ended)
        kept, middles = masked(one, fim(one, spans=spans, cuts=cuts)(ids, numbers(first, second)))
        assert len(middles) == spans and len(kept) == spans + 1
        parts = [part for pair in itertools.zip_longest(kept, middles, fillvalue=[]) for part in pair]
        assert "".join(map(one.decode, parts)) == text
        if cuts != "tokens":
            assert parts == [one.encode(one.decode(part)) for part in parts]


@settings(max_examples=200, deadline=None)
@given(LINES, TEXTS, st.integers(2, 4), CUT, CUT)
def test_masked_spans_leave_what_stands_before_a_files_own_tokens(tokenizer, before, text, spans, first, second):
    head, own = tokenizer.encode(before + "\n"), piece(tokenizer, text)
    one = fim(tokenizer, spans=spans)
    alone, together = one(own, numbers(first, second)), one(np.array([*head, *own]), numbers(first, second), len(head))
    assert together.tolist() == [tokenizer.fim_begin, *head, *alone.tolist()[1:]]


def test_every_second_part_is_masked_and_any_character_alike(tokenizer):
    """2n uniform cuts leave 2n + 1 parts of equal mean, n of them masked; whatever was masked in the other pieces."""
    text, count = "abcdefgh" * 8, 4000
    cut, ids, shares = fim(tokenizer, spans=3), piece(tokenizer, text), []
    for row in draws(9, 0, 0, count):
        kept, middles = masked(tokenizer, cut(ids, row))
        shares.append([len(tokenizer.decode(part)) / len(text) for part in (*kept, *middles)])
    assert np.abs(np.mean(shares, 0) - 1 / 7).max() < 0.01
    assert len({tuple(share) for share in shares}) > 0.95 * count


def test_several_spans_go_with_psm_and_without_nodes():
    for other in ({"spm": 0.5}, {"cuts": "nodes"}):
        with pytest.raises(ValueError, match="set spans to 1"):
            recipe.Fim(spans=2, **other)
