"""Ours against Hugging Face's and llama.cpp's; texts that spell special tokens; folders of other makers."""

import json
import os
import subprocess
import sys

import pytest
import tokenizers
from foreign import foreign
from hypothesis import given, settings
from hypothesis import strategies as st
from library_corpus import STANDARD_LIBRARY, document, write_curated
from tokenizers import models, pre_tokenizers

from repoloom.errors import UserError
from repoloom.recipe import TokenizerSettings
from repoloom.tokens import bpe
from repoloom.tokens.tokenizer import Tokenizer, train

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
TRICKY = st.text(
    st.sampled_from(" \t\n\r\x0b\x85\u2028\u3000\xa0aZé中가≤‘①९٣½1.,_-+=$^`·\u0301\u0e31\U0001f40d"), max_size=40
)


def of_published_cuts(folder):
    """The folder's tokenizer as Hugging Face runs it: five cuts one after the other, not our one pass."""
    core = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    core.encode_special_tokens = True
    return core


@settings(max_examples=300)
@given(TEXTS | TRICKY)
def test_any_text_comes_back(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text)) == text


@settings(max_examples=1500)
@given(TEXTS | TRICKY)
def test_one_pass_cuts_as_the_five_published_ones(text):
    assert bpe.one_pass().pre_tokenize_str(text) == bpe.pre_tokenizer().pre_tokenize_str(text)


def test_one_pass_cuts_around_every_character():
    """Every code point between letters, spaces, punctuation and itself."""
    published, ours = bpe.pre_tokenizer(), bpe.one_pass()
    points = [point for point in range(0x11000) if not 0xD800 <= point < 0xE000]
    for first in range(0, len(points), 500):
        text = "".join(f"a{c} {c}{c}.{c}1 {c}+{c}中\n{c}a" for c in map(chr, points[first : first + 500]))
        assert ours.pre_tokenize_str(text) == published.pre_tokenize_str(text)


@given(st.lists(TRICKY, max_size=8))
def test_lines_are_encoded_apart(tokenizer, lines):
    assert tokenizer.splits_lines
    lines = [line + "\n" for line in lines]
    assert tokenizer.encode("".join(lines)) == [number for ids in tokenizer.encode_batch(lines) for number in ids]


def test_real_files_line_by_line(tokenizer, documents):
    for row in documents:
        lines = row["text"].splitlines(keepends=True)
        assert [number for ids in tokenizer.encode_batch(lines) for number in ids] == tokenizer.encode(row["text"])


def test_text_never_yields_a_special_id(tokenizer, folder):
    text = "".join(f"a{name}b" for name in bpe.SPECIAL) + bpe.FIM_BEGIN[:-1]
    ids = tokenizer.encode(text)
    specials = {tokenizer.bos, tokenizer.eos, tokenizer.pad, tokenizer.eot}
    specials |= {tokenizer.fim_begin, tokenizer.fim_hole, tokenizer.fim_end}
    assert len(specials) == 7 and None not in specials
    assert tokenizer.bos == min(specials) and max(ids) < tokenizer.bos
    assert tokenizer.size == tokenizer.bos + len(bpe.SPECIAL) and tokenizer.size % 64 == 2000 % 64, "no row is wasted"
    assert tokenizer.encode_batch([text]) == [ids]
    assert tokenizer.decode([tokenizer.bos, *ids, tokenizer.eos, tokenizer.size - 1]) == text


def test_transformers_gives_the_same_ids(tokenizer, folder, documents):
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(folder)
    for row in documents:
        ids = tokenizer.encode(row["text"])
        assert theirs(row["text"]).input_ids == [tokenizer.bos, *ids]
        assert theirs.decode(ids) == row["text"]
    assert theirs.pad_token_id == tokenizer.pad != theirs.eos_token_id == tokenizer.eos
    assert theirs.fim_hole_token == bpe.FIM_HOLE
    assert theirs.convert_tokens_to_ids(bpe.FIM_HOLE) == tokenizer.fim_hole
    assert len(theirs) == tokenizer.size
    reserved = theirs.convert_tokens_to_ids(list(bpe.RESERVED))
    assert reserved == list(range(tokenizer.eot + 1, tokenizer.size))
    assert theirs.decode(reserved, skip_special_tokens=True) == ""


def test_llama_cpp_gives_the_same_ids(tokenizer, folder, tmp_path):
    """Through a GGUF of the exported kind, over real sources of several languages."""
    pytest.importorskip("torch")
    import urllib.request

    import xllamacpp

    from repoloom.model import gguf, huggingface
    from repoloom.model.config import Config
    from repoloom.model.transformer import Transformer

    rows = -(-tokenizer.size // 64) * 64
    shape = Config(vocabulary=rows, hidden=32, mlp=32, layers=1, heads=2, kv_heads=1, context=64)
    huggingface.save(Transformer(shape).initialise(0), folder, tmp_path / "model")
    gguf.save(tmp_path / "model", tmp_path / "model.gguf")
    wanted = xllamacpp.CommonParams()
    wanted.model.path = str(tmp_path / "model.gguf")
    wanted.n_ctx, wanted.n_parallel, wanted.warmup = 64, 1, False
    server = xllamacpp.Server(wanted)

    def ask(text):
        body = json.dumps({"content": text, "parse_special": False}).encode()
        request = urllib.request.Request(f"{server.listening_address}/tokenize", body)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["tokens"]

    include = sorted((STANDARD_LIBRARY.parent.parent / "include").rglob("*.h"))[:60]
    sources = [*sorted((STANDARD_LIBRARY / "test").glob("test_unicode*.py"))[:8], *include]
    sources += sorted((STANDARD_LIBRARY / "encodings").glob("*.py"))[:40]
    sources += sorted((STANDARD_LIBRARY / "idlelib").glob("*.txt")) + sorted((STANDARD_LIBRARY / "xml").rglob("*.py"))
    texts = [source.read_text("utf-8", "replace") for source in sources if source.stat().st_size < 60_000]
    assert len(texts) > 60
    texts += [
        "naïve – 你好，世界 🎉 한국어 ١٢٣\r\n\r\n\t\tx  =  1\xa0;",
        " ",
        "'re \u200b\u3000a ½ ǅ ʰ ≤\u3000b",
        "१२ ก็",
    ]
    for text in texts:
        assert ask(text) == tokenizer.encode(text)


def test_two_trainings_give_the_same_bytes(curated, folder, tmp_path):
    """The second in a process of its own, with other hashes and one thread."""
    script = (
        "import sys; from pathlib import Path; from repoloom.recipe import TokenizerSettings\n"
        "from repoloom.tokens.tokenizer import train\n"
        "train(Path(sys.argv[1]), Path(sys.argv[2]), TokenizerSettings(vocabulary=2000), seed=0)\n"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "RAYON_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", script, str(curated), str(tmp_path / "b")], check=True, env=environment)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        assert (tmp_path / "b" / name).read_bytes() == (folder / name).read_bytes()


def test_the_sample_is_bounded_and_drawn_by_seed(curated, tmp_path):
    wanted = TokenizerSettings(vocabulary=400, sample_megabytes=0.5)
    counts = [train(curated, tmp_path / str(seed), wanted, seed)["counts"] for seed in (1, 2)]
    assert counts[0]["in"] == counts[1]["in"]
    assert counts[0]["sampled"] != counts[1]["sampled"]
    for count in counts:
        assert 0.25e6 < count["sampled"]["bytes"] < 0.75e6 < count["in"]["bytes"]
        assert (count["learnt"], count["size"]) == (400, 464)


def test_a_small_corpus_gives_a_smaller_vocabulary(tmp_path):
    curated = write_curated(tmp_path / "curate", {"documents": [[document("json")]]})
    counts = train(curated, tmp_path / "out", TokenizerSettings(vocabulary=60_000), seed=0)["counts"]
    assert 1000 < counts["learnt"] < 10_000
    assert Tokenizer.load(tmp_path / "out").size == counts["size"]


def test_a_tokenizer_without_sentinels_loads(tmp_path):
    config = {"eos_token": {"content": "<|endoftext|>", "lstrip": False}}
    loaded = foreign(tmp_path / "gpt2", ["<|endoftext|>"], config)
    assert (loaded.bos, loaded.eos, loaded.pad, loaded.eot, loaded.fim_begin) == (None, 256, None, None, None)
    assert loaded.byte_level and not loaded.splits_lines
    text = "def f(x):\n    return '<|endoftext|>é'\n"
    assert 256 not in loaded.encode(text)
    assert loaded.decode([*loaded.encode(text), 256]) == text


@pytest.mark.parametrize(
    "names",
    [
        (bpe.FIM_BEGIN, bpe.FIM_HOLE, bpe.FIM_END),
        ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
        ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    ],
)
def test_sentinels_of_other_families_are_found_and_are_not_text(tmp_path, names):
    loaded = foreign(tmp_path / "other", names)
    assert (loaded.fim_begin, loaded.fim_hole, loaded.fim_end) == (256, 257, 258)
    assert max(loaded.encode("".join(names))) < 256
    assert loaded.decode([256, 257, 258]) == ""


def test_a_word_tokenizer_loads(tmp_path):
    core = tokenizers.Tokenizer(models.WordLevel({"[UNK]": 0, "hello": 1, "world": 2}, unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    core.save(str(tmp_path / "tokenizer.json"))
    loaded = Tokenizer.load(tmp_path)
    assert loaded.encode("hello, world") == [1, 0, 2]
    assert not loaded.byte_level and not loaded.splits_lines


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"model": 1}', '{"version": "1.0", "model": {"type": "X"}}'])
def test_a_bad_folder_is_one_line(tmp_path, content):
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(UserError) as caught:
        Tokenizer.load(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_room_needs_no_torch():
    script = "import sys, repoloom.tokens.batches, repoloom.tokens.chat; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
