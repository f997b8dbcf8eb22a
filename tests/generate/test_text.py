"""Text out of tokens: whole characters, no stop text, whatever the cuts."""

from hypothesis import given, settings
from hypothesis import strategies as st

from repoloom.generate.text import TextStream
from repoloom.tokens.tokenizer import Tokenizer


class Bytes:
    """A tokenizer whose tokens are the 256 bytes, so that every character beyond ASCII is cut."""

    def decode(self, ids):
        return bytes(ids).decode("utf-8", "replace")


def written(tokenizer, ids, stop=()):
    stream = TextStream(tokenizer, stop)
    pieces = []
    for token in ids:
        pieces.append(stream.push(token))
        if stream.stopped:
            break
    pieces.append(stream.flush())
    return pieces, stream.stopped


plain_text = st.text(st.characters(codec="utf-8", exclude_characters="\ufffd"))


@given(plain_text)
def test_every_text_comes_out_whole(text):
    pieces, stopped = written(Bytes(), text.encode())
    assert "".join(pieces) == text
    assert not stopped
    assert not any("\ufffd" in piece for piece in pieces)


class Chunks(Bytes):
    """Tokens of two bytes each: cut elsewhere, the same text."""

    def decode(self, ids):
        return b"".join(ids).decode("utf-8", "replace")


@given(plain_text, st.lists(st.text(st.sampled_from("ab\n é"), min_size=1, max_size=4), max_size=3))
@settings(max_examples=300)
def test_text_ends_before_the_stop_text_that_is_complete_first(text, stops):
    text += "ab\n éa b"
    pieces, stopped = written(Bytes(), text.encode(), stops)
    ends = [(text.index(stop) + len(stop), text.index(stop)) for stop in stops if stop in text]
    assert stopped == bool(ends)
    assert "".join(pieces) == text[: min(ends)[1] if ends else len(text)]
    data = text.encode()
    pairs = [data[place : place + 2] for place in range(0, len(data), 2)]
    assert "".join(written(Chunks(), pairs, stops)[0]) == "".join(pieces)


def test_half_a_character_at_the_end_is_left_out():
    assert written(Bytes(), "naïve 🎉".encode()[:-2]) == (["n", "a", "", "ï", "v", "e", " ", "", "", ""], False)


def test_bytes_that_are_no_character_are_shown_as_such():
    pieces, _ = written(Bytes(), b"a\x80\x80b\xff\xc3")
    assert "".join(pieces) == "a\ufffd\ufffdb"


def test_what_may_begin_a_stop_text_waits():
    stream = TextStream(Bytes(), ("\nclass", "\ndef"))
    assert [stream.push(byte) for byte in b"x\ncl"] == ["x", "", "", ""]
    assert stream.push(ord("e")) == "\ncle"
    assert [stream.push(byte) for byte in b"\nde"] == ["", "", ""]
    assert stream.flush() == "\nde"


def test_an_empty_stop_text_stops_nothing():
    assert written(Bytes(), b"abc", ("",)) == (["a", "b", "c", ""], False)


def test_a_real_tokenizer_with_special_tokens_between(tokenizer_folder):
    tokenizer = Tokenizer.load(tokenizer_folder)
    text = "def naïve(x):\n    return '🎉 你好'\n"
    ids = tokenizer.encode(text)
    mixed = [token for pair in zip(ids, [tokenizer.pad] * len(ids), strict=True) for token in pair]
    assert "".join(written(tokenizer, mixed)[0]) == text
