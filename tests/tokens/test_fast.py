"""The ids of tiktoken and of Hugging Face for one vocabulary: real files, every script, what makes one give up."""

import sysconfig
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repoloom.tokens import bpe
from repoloom.tokens.fast import LONGEST
from repoloom.tokens.tokenizer import Tokenizer

SITE = Path(sysconfig.get_path("purelib"))
LETTERS = "ab_Z9 \t\n\r0٣½+=<>€$`^~(漢ࠀ가é\u0301\u00a0\u2028\u3000Ａ。\U0001f600'\""


def test_equal_on_every_file_of_some_packages(both: tuple[Tokenizer, Tokenizer]) -> None:
    names = ("jinja2", "sympy/core", "yaml", "pip/_vendor/rich", "numpy/_core/include/numpy")
    texts = [
        p.read_text("utf-8") for name in names for p in (SITE / name).rglob("*.*") if p.suffix in {".py", ".h", ".md"}
    ]
    assert len(texts) > 100
    assert both[0].encode_batch(texts) == both[1].encode_batch(texts)


@settings(deadline=None, max_examples=600)
@given(st.one_of(st.text(LETTERS, max_size=30), st.text(max_size=30)))
def test_equal_on_any_text(both: tuple[Tokenizer, Tokenizer], text: str) -> None:
    assert both[0].encode(text) == both[1].encode(text)


@pytest.mark.parametrize("run", [" ", "\t", "=", "+", "a", "ab", "( ", "1", "漢", "\u2028", "=\U0001f600"])
@pytest.mark.parametrize("length", [LONGEST, 10 * LONGEST])
def test_long_runs_neither_fail_nor_differ(both: tuple[Tokenizer, Tokenizer], run: str, length: int) -> None:
    text = run * (length // len(run))
    assert both[0].encode_batch([text, "x = 1"]) == both[1].encode_batch([text, "x = 1"])
    assert both[0].encode(text) == both[1].encode(text)


def test_special_tokens_in_a_text_stay_text(both: tuple[Tokenizer, Tokenizer]) -> None:
    text = f"{bpe.FIM_BEGIN} {bpe.EOT}\n"
    assert both[0].encode(text) == both[1].encode(text)
    assert both[0].decode(both[0].encode(text)) == text
