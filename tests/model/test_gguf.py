"""The GGUF in llama.cpp's hands: the same ids of a text, the same words after a prompt."""

import json
import shutil
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import xllamacpp
from gguf import GGUFReader

from repoloom.errors import UsageError, UserError
from repoloom.model import export, huggingface
from repoloom.model.transformer import Transformer
from repoloom.tokens import bpe, chat, fim
from repoloom.tokens.tokenizer import Tokenizer

CONTINUED = 64
NEAR = 0.002
"""Logits nearer than this may come in another order from other kernels; theirs spread over 0.8."""


@pytest.fixture(scope="module")
def file(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("gguf") / "new" / "model.gguf"
    export.export(folder, "gguf", out)
    return out


def started(file):
    settings = xllamacpp.CommonParams()
    settings.model.path = str(file)
    settings.n_ctx = 256
    settings.n_parallel = 1
    settings.cpuparams.n_threads = 2
    settings.warmup = False
    # Its cache is float16 by default: exact tokens need exact keys.
    settings.cache_type_k = settings.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    return xllamacpp.Server(settings)


@pytest.fixture(scope="module")
def server(file):
    return started(file)


def ask(server, path, **body):
    """An answer of llama.cpp's own server, which runs in this process."""
    request = urllib.request.Request(
        server.listening_address + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as found:
        return json.load(found)


def continued(model, tokenizer, prompt):
    """Greedy tokens after a prompt, recomputed from the whole text each time, as far as one is clearly the best."""
    ids = torch.tensor([prompt])
    with torch.inference_mode():
        for _ in range(CONTINUED):
            (best, second), (token, _) = model(ids, last_only=True)[0, -1].topk(2)
            if token in (tokenizer.eos, tokenizer.eot) or best - second < NEAR:
                break
            ids = torch.cat((ids, token.reshape(1, 1)), 1)
    return ids[0, len(prompt) :].tolist()


def test_llama_cpp_reads_texts_as_we_do(server, folder):
    """Real sources and awkward strings."""
    tokenizer = Tokenizer.load(folder)
    texts = [Path(source).read_text("utf-8") for source in (json.decoder.__file__, json.scanner.__file__, __file__)]
    texts += ["naïve – 你好，世界 🎉 한국어 ١٢٣\r\n\r\n\t\tx  =  1\u00a0;", " ", "a", "\n", "'re're \u200b\u3000 ½ ǅ ʰ"]
    for text in texts:
        assert ask(server, "/tokenize", content=text, parse_special=False)["tokens"] == tokenizer.encode(text)


def test_llama_cpp_continues_as_we_do(server, folder, model):
    tokenizer = Tokenizer.load(folder)
    for prompt in ("def decode(self, s):\n", "import json\n", "class A:\n    x = 1\n\n    def", "#", "for key in d:"):
        ids = [tokenizer.bos, *tokenizer.encode(prompt)]
        got = ask(server, "/completion", prompt=prompt, n_predict=CONTINUED, temperature=0, return_tokens=True)
        wanted = continued(model, tokenizer, ids)
        assert got["tokens_evaluated"] == len(ids)  # it puts BOS before the text, as we do
        assert got["tokens"][: len(wanted)] == wanted
        assert len(wanted) > CONTINUED / 4 or got["stop_type"] == "eos"


def test_llama_cpp_scales_positions_as_we_do(folder, model, tmp_path):
    """The same weights under DeepSeek Coder's base and factor for 16K are another model, to llama.cpp too."""
    tokenizer = Tokenizer.load(folder)
    scaled = Transformer(replace(model.config, rope_base=100_000.0, rope_scaling=4.0))
    scaled.load_state_dict(model.state_dict())
    huggingface.save(scaled, folder, tmp_path / "scaled")
    export.export(tmp_path / "scaled", "gguf", tmp_path / "model.gguf")
    fields = GGUFReader(tmp_path / "model.gguf").fields
    assert fields["llama.rope.scaling.type"].contents() == "linear"
    assert fields["llama.rope.scaling.factor"].contents() == 4.0
    prompt = "class A:\n    x = 1\n\n    def"
    ids = [tokenizer.bos, *tokenizer.encode(prompt)]
    wanted = continued(scaled.eval(), tokenizer, ids)
    assert wanted != continued(model, tokenizer, ids)
    server = started(tmp_path / "model.gguf")
    got = ask(server, "/completion", prompt=prompt, n_predict=CONTINUED, temperature=0, return_tokens=True)
    assert got["tokens"][: len(wanted)] == wanted


def test_llama_cpp_fills_in_as_we_do(server, folder, model):
    tokenizer = Tokenizer.load(folder)
    prefix, suffix = "def add(a, b):\n    ", "\n    return total\n"
    wanted = continued(model, tokenizer, fim.prompt(tokenizer, prefix, suffix))
    got = ask(
        server,
        "/infill",
        input_prefix=prefix,
        input_suffix=suffix,
        n_predict=CONTINUED,
        temperature=0,
        return_tokens=True,
    )
    assert got["tokens"][: len(wanted)] == wanted


def test_the_file_says_what_its_tokens_are(folder, instruct_folder, file, tmp_path):
    tokenizer = Tokenizer.load(folder)
    fields = GGUFReader(file).fields
    ids = {
        "bos": tokenizer.bos, "eos": tokenizer.eos, "padding": tokenizer.pad, "eot": tokenizer.eot,
        "fim_pre": tokenizer.fim_begin, "fim_suf": tokenizer.fim_hole, "fim_mid": tokenizer.fim_end,
    }  # fmt: skip
    for role, token in ids.items():
        assert fields[f"tokenizer.ggml.{role}_token_id"].contents() == token
    assert fields["tokenizer.ggml.add_bos_token"].contents() is True
    names, kinds = (fields[f"tokenizer.ggml.{key}"].contents() for key in ("tokens", "token_type"))
    assert len(names) == len(set(names)) == huggingface.load(folder).config.vocabulary
    assert {kind for name, kind in zip(names, kinds, strict=True) if name.startswith("[PAD")} == {5}  # unused
    assert all(kinds[token] == 3 for token in ids.values())  # control
    assert kinds[: tokenizer.size].count(1) == tokenizer.size - len(bpe.SPECIAL)
    assert "tokenizer.chat_template" not in fields
    export.export(instruct_folder, "gguf", tmp_path / "instruct.gguf")
    written = GGUFReader(tmp_path / "instruct.gguf").fields["tokenizer.chat_template"].contents()
    assert written == chat.TEMPLATE


def test_the_same_model_gives_the_same_bytes(folder, file, tmp_path):
    export.export(folder, "gguf", tmp_path / "again.gguf")
    assert (tmp_path / "again.gguf").read_bytes() == file.read_bytes()


def test_export_to_a_folder_copies_the_model(instruct_folder, tmp_path):
    export.export(instruct_folder, "huggingface", tmp_path / "out")
    assert sorted(entry.name for entry in (tmp_path / "out").iterdir()) == sorted(
        name for name in huggingface.FILES if (instruct_folder / name).exists()
    )
    assert huggingface.load(tmp_path / "out").config == huggingface.load(instruct_folder).config


def test_bad_requests_are_refused(folder, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="onnx"):
        export.export(folder, "onnx", tmp_path / "x")
    with pytest.raises(UsageError, match="folder"):
        export.export(folder, "gguf", tmp_path)
    with pytest.raises(UsageError, match="not an empty folder"):
        export.export(folder, "huggingface", tmp_path / "full")
    with pytest.raises(UserError, match=r"config\.json"):
        export.export(tmp_path / "full", "gguf", tmp_path / "x.gguf")
    shutil.copytree(folder, tmp_path / "other")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["pre_tokenizer"] = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": True,
    }
    (tmp_path / "other" / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(UserError, match="pre-tokenizer"):
        export.export(tmp_path / "other", "gguf", tmp_path / "x.gguf")
    assert not list(tmp_path.glob("*.gguf"))
    assert not list(tmp_path.glob(".partial*"))
