"""Bytes a token by language, counted again by Hugging Face's tokenizers and by tiktoken itself."""

import base64
import inspect
import json

import pytest
import tiktoken
import tiktoken_ext.openai_public as openai_public
import tokenizers
from foreign import foreign
from library_corpus import HELDOUT, document, write_curated
from tiktoken.load import load_tiktoken_bpe
from typer.testing import CliRunner

from repoloom.cli import app
from repoloom.errors import UserError
from repoloom.tokens import compare

PATTERN = openai_public.r50k_pat_str
LATIN = "l'été où j'ai dit « ça va » ; naïve, 12345\n" * 40


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Python, and a file of another language behind it in the same document."""
    row = document(HELDOUT[0])
    start, text = len(row["text"]), row["text"] + LATIN
    files = [*row["files"], {"path": "été.md", "language": "markdown", "start": start, "end": len(text)}]
    row |= {"files": files, "text": text}
    return write_curated(tmp_path_factory.mktemp("compare") / "curate", {"heldout": [[row], [document("html")]]})


@pytest.fixture(scope="module")
def texts(corpus):
    rows = [document(HELDOUT[0]), document("html")]
    return {"python": [row["text"][f["start"] : f["end"]] for row in rows for f in row["files"]], "markdown": [LATIN]}


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """A file of ranks under a published name: tiktoken's own small trainer learnt them, with GPT-2's cuts."""
    from tiktoken._educational import bpe_train

    learnt = bpe_train(document("html")["text"][:20_000], 300, PATTERN)
    path = tmp_path_factory.mktemp("ranks") / "gpt2.tiktoken"
    path.write_bytes(b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in learnt.items()))
    return path


def rates(texts, count):
    sizes = {language: sum(len(text.encode()) for text in of) for language, of in texts.items()}
    tokens = {language: sum(map(count, of)) for language, of in texts.items()}
    return {"all": sum(sizes.values()) / sum(tokens.values())} | {name: sizes[name] / tokens[name] for name in sizes}


def test_figures_are_those_of_the_tokenizers_themselves(corpus, texts, folder, ranks, tmp_path):
    other = foreign(tmp_path / "other").folder / "tokenizer.json"
    found = compare.compare(corpus, [str(folder), str(other), str(ranks)])
    assert found["bytes"] == {name: sum(len(text.encode()) for text in of) for name, of in texts.items()}
    for path in (folder / "tokenizer.json", other):
        theirs = tokenizers.Tokenizer.from_file(str(path))
        name = str(folder) if path.parent == folder else str(other)
        assert found["tokenizers"][name] == {
            "entries": theirs.get_vocab_size(),
            "bytes_per_token": rates(texts, lambda text, core=theirs: len(core.encode(text, add_special_tokens=False))),
        }
    of_ranks = tiktoken.Encoding(
        "peer", pat_str=PATTERN, mergeable_ranks=load_tiktoken_bpe(str(ranks)), special_tokens={}
    )
    assert found["tokenizers"][str(ranks)] == {
        "entries": of_ranks.n_vocab,
        "bytes_per_token": rates(texts, lambda text: len(of_ranks.encode_ordinary(text))),
    }
    assert found["tokenizers"][str(other)]["bytes_per_token"]["all"] == 1  # bytes alone
    assert all(of["bytes_per_token"]["python"] > 1.2 for name, of in found["tokenizers"].items() if name != str(other))


def test_a_name_is_tiktokens_own_from_its_cache(corpus, texts, ranks, monkeypatch):
    """An encoding registered with tiktoken stands for one whose ranks were fetched before."""
    learnt = load_tiktoken_bpe(str(ranks))
    named = tiktoken.Encoding(
        "p50k_edit", pat_str=PATTERN, mergeable_ranks=learnt, special_tokens={"<|endoftext|>": 300}
    )
    monkeypatch.setitem(tiktoken.registry.ENCODINGS, "p50k_edit", named)
    found = compare.compare(corpus, ["p50k_edit"])["tokenizers"]["p50k_edit"]
    assert found["entries"] == 301
    assert found["bytes_per_token"] == rates(texts, lambda text: len(named.encode_ordinary(text)))


@pytest.mark.parametrize("name", compare._PATTERNS)
def test_the_cuts_of_a_file_of_ranks_are_tiktokens(name, monkeypatch):
    for loader in ("load_tiktoken_bpe", "data_gym_to_mergeable_bpe_ranks"):
        assert loader in inspect.getsource(openai_public)
        monkeypatch.setattr(openai_public, loader, lambda *_, **__: {})
    assert openai_public.ENCODING_CONSTRUCTORS[name]()["pat_str"] == compare._PATTERNS[name]


def test_a_run_of_blanks_that_overflows_tiktoken_is_counted(ranks):
    blanks = " " * 1_000_000
    (count,) = compare.load(str(ranks)).lengths([blanks])
    assert 0 < count <= 1_000_000


def test_the_command_prints_a_row_a_language(corpus, folder, ranks):
    for asked in ([], ["--json"]):
        done = CliRunner().invoke(app, ["tokens", str(corpus), str(folder), str(ranks), *asked])
        assert done.exit_code == 0
        found = compare.compare(corpus, [str(folder), str(ranks)])
        if asked:
            assert json.loads(done.stdout) == found
        else:
            rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line.strip()}
            for language in ("python", "markdown", "all"):
                each = [of["bytes_per_token"][language] for of in found["tokenizers"].values()]
                assert rows[language][1:] == [f"{rate:.3f}" for rate in each]


def test_what_cannot_be_read_is_said_in_one_line(corpus, ranks, tmp_path, monkeypatch):
    good = ranks.read_bytes()
    for content in (b"", b"nonsense", good[:100], good.replace(b" 299\n", b" 12\n"), good.replace(b" 7\n", b" x\n")):
        (tmp_path / "gpt2.tiktoken").write_bytes(content)
        with pytest.raises(UserError, match="holds no ranks that can be read") as failure:
            compare.load(str(tmp_path / "gpt2.tiktoken"))
        assert "\n" not in str(failure.value)
    (tmp_path / "mine.tiktoken").write_bytes(good)
    with pytest.raises(UserError, match="name it so"):
        compare.load(str(tmp_path / "mine.tiktoken"))
    for name in ("gpt2.tiktoken", "o9k_base", str(tmp_path)):
        with pytest.raises(UserError):
            compare.load(name)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path / "empty"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setattr(tiktoken.registry, "ENCODINGS", {})
    with pytest.raises(UserError, match=r"gpt2: tiktoken has no ranks .* give a file gpt2.tiktoken"):
        compare.load("gpt2")
    with pytest.raises(UserError, match="no heldout"):
        compare.compare(tmp_path, [str(ranks)])
