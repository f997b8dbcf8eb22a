"""How prompts that are too long are cut."""

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from repoloom.generate.prompt import fit

BOS, BEGIN, HOLE, END = 100, 101, 102, 103
TOKENIZER = SimpleNamespace(bos=BOS, fim_begin=BEGIN, fim_hole=HOLE, fim_end=END)
words = st.lists(st.integers(0, 99), max_size=60)


@given(words, st.integers(2, 70), st.booleans())
def test_a_plain_prompt_keeps_its_end(text, room, opened):
    prompt = [BOS, *text] if opened else [1, *text]
    kept = fit(prompt, room, TOKENIZER)
    assert len(kept) == min(room, len(prompt))
    assert kept[0] == BOS or not opened
    tail = kept[1:] if opened else kept
    assert prompt[len(prompt) - len(tail) :] == tail


@given(words, words, st.integers(8, 140))
def test_a_fill_in_prompt_keeps_what_is_next_to_the_hole(prefix, suffix, room):
    prompt = [BOS, BEGIN, *prefix, HOLE, *suffix, END]
    kept = fit(prompt, room, TOKENIZER)
    assert len(kept) == min(room, len(prompt))
    assert kept[:2] == [BOS, BEGIN]
    assert kept[-1] == END
    hole = kept.index(HOLE)
    before, after = kept[2:hole], kept[hole + 1 : -1]
    assert prefix[len(prefix) - len(before) :] == before
    assert suffix[: len(after)] == after
    assert len(after) == len(suffix) or len(after) >= (room - 4) // 4
    assert len(before) == len(prefix) or len(before) >= len(after)


def test_without_sentinels_all_is_text():
    bare = SimpleNamespace(bos=None, fim_begin=None, fim_hole=None, fim_end=None)
    assert fit([1, 2, 3, 4], 2, bare) == [3, 4]
