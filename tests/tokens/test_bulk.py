"""Many texts at once by the ids of their pieces, against Hugging Face's encoder on each text alone."""

import random
import sysconfig
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repoloom.tokens import bulk
from repoloom.tokens.tokenizer import Tokenizer

SITE = Path(sysconfig.get_path("purelib"))
LETTERS = "ab_Z9 \t\v\f\n\r0\x00\x01\x1c\x7f\x85٣½+=<>€$`^~(漢ࠀ가é\u0301\u00a0\u2028\u3000Ａ。\U0001f600'\""
TEXTS = st.lists(st.one_of(st.text(LETTERS, max_size=60), st.text(max_size=30)), max_size=5)


@settings(deadline=None, max_examples=600)
@given(TEXTS)
def test_any_texts(both: tuple[Tokenizer, Tokenizer], texts: list[str]) -> None:
    assert both[0].encode_batch(texts) == [both[1].encode(text) for text in texts]


def test_pieces_of_every_length_and_class(both: tuple[Tokenizer, Tokenizer]) -> None:
    """Around 8 and 16 bytes, where a key takes a second word and where it ends."""
    texts = [a * n + b for a in "a.= \t7é\x00" for b in ("", " ", "x", "é", "\n", "\r\n") for n in range(40)]
    assert both[0].encode_batch(texts) == both[1].encode_batch(texts)


def test_in_blocks_and_with_a_short_memory(both: tuple[Tokenizer, Tokenizer], monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks so small that texts and lines reach over them, and a memory that is full after each."""
    monkeypatch.setattr(bulk, "_BLOCK", 1000)
    monkeypatch.setattr(bulk, "_PIECES", 50)
    one = bulk.Bulk(both[0].encode)
    texts = [path.read_text("utf-8") for path in sorted((SITE / "yaml").glob("*.py"))]
    texts += ["", "x" * 999, "y " * 1500 + "\n" + "z", "\n" * 2100, "漢" * 700, ""]
    random.Random(0).shuffle(texts)
    assert len(texts) > 20
    for found, text in zip(one.encode(texts), texts, strict=True):
        assert found.tolist() == both[1].encode(text)


def test_keys_that_fall_into_one_slot(both: tuple[Tokenizer, Tokenizer], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every key wants the table's last slot, and goes round."""
    monkeypatch.setattr(bulk, "_slots", lambda low, _: np.full(len(low), bulk._LAST, np.intp))
    one = bulk.Bulk(both[0].encode)
    texts = [f"{'name' * (n % 5)}{chr(97 + n % 26)}{chr(65 + n % 24)} = {n}\n" for n in range(300)]
    assert [ids.tolist() for ids in one.encode(texts)] == both[1].encode_batch(texts)


def test_no_text_has_no_ids(both: tuple[Tokenizer, Tokenizer]) -> None:
    assert both[0].encode_batch([]) == []
    assert both[0].encode_batch(["", ""]) == [[], []]
