"""One interface over four engines: transformers, llama.cpp and our own server write what our engine writes."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
import uvicorn

from repoloom.errors import UsageError, UserError
from repoloom.generate import Generator, Sampling, backends
from repoloom.generate.backends import Prompt, http
from repoloom.generate.backends.other import Other
from repoloom.model import export, huggingface
from repoloom.model.config import Config
from repoloom.model.transformer import Transformer
from repoloom.serve.app import create
from repoloom.tokens.tokenizer import Tokenizer

GREEDY = Sampling(max_tokens=16, stop=("zzz",))
TEXTS = [
    "def decode(self, s):\n",
    "import json\n",
    "class A:\n    x = 1\n\n    def",
    "for key in d:",
    "#",
    "x = <|EOT|>",
]
PROMPTS = [
    *(Prompt(text) for text in TEXTS),
    Prompt("def add(a, b):\n    ", "\n    return total\n"),
    Prompt("", "\n    return total\n"),
    Prompt(messages=({"role": "user", "content": "Say <｜fim▁begin｜> twice."},)),
]


@pytest.fixture(scope="module")
def folder(tokenizer_folder, tmp_path_factory):
    """An instruct model with clear preferences, so that other kernels choose the same tokens."""
    rows = -(-Tokenizer.load(tokenizer_folder).size // 64) * 64
    shape = {"hidden": 64, "mlp": 128, "layers": 2, "heads": 4, "kv_heads": 2, "context": 512}
    model = Transformer(Config(vocabulary=rows, init_std=0.4, **shape)).initialise(2)
    model.lm_head.weight.data[Tokenizer.load(tokenizer_folder).size :] = 0
    out = tmp_path_factory.mktemp("model") / "model"
    huggingface.save(model, tokenizer_folder, out, instruct=True)
    return out


@pytest.fixture(scope="module")
def wanted(folder):
    return written(backends.open(str(folder)), PROMPTS, GREEDY)


def written(backend, prompts, sampling):
    found = dict(backend.complete(prompts, sampling))
    assert sorted(found) == list(range(len(prompts)))
    return [found[number] for number in range(len(prompts))]


@pytest.fixture(scope="module")
def url(folder):
    server = uvicorn.Server(uvicorn.Config(create(Generator.load(folder), "tiny"), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1#tiny"
    server.should_exit = True
    thread.join()


def test_transformers_writes_what_we_do(folder, wanted):
    assert written(Other(folder), PROMPTS, GREEDY) == wanted


def test_transformers_draws_as_we_do(folder):
    prompts = [Prompt(text, key=f"task/{number}") for number, text in enumerate(TEXTS)]
    sampling = Sampling(max_tokens=12, temperature=0.8, top_p=0.9, seed=5)
    assert written(Other(folder), prompts, sampling) == written(backends.open(str(folder)), prompts, sampling)


def test_llama_cpp_writes_what_we_do(folder, wanted, tmp_path):
    export.export(folder, "gguf", tmp_path / "model.gguf")
    found = written(backends.open(str(tmp_path / "model.gguf")), PROMPTS, GREEDY)
    pairs = [(a.tokens, b.tokens) for a, b in zip(found, wanted, strict=True)]
    assert sum(a[: len(b)] == b for a, b in pairs) >= len(pairs) - 1  # one may be a near tie: other kernels
    assert [len(a.tokens) > 0 for a in found] == [len(b.tokens) > 0 for b in wanted]


def test_our_server_writes_what_we_do(url, wanted):
    found = written(backends.open(url), PROMPTS, GREEDY)
    assert [(a.text, a.finish) for a in found] == [(b.text, b.finish) for b in wanted]


def test_other_architectures_go_through_transformers(tokenizer_folder, tmp_path):
    from transformers import GPT2Config, GPT2LMHeadModel

    tokenizer = Tokenizer.load(tokenizer_folder)
    torch.manual_seed(1)
    config = GPT2Config(
        vocab_size=tokenizer.size, n_embd=32, n_layer=2, n_head=2, n_positions=128, initializer_range=0.4,
        eos_token_id=tokenizer.eos,
    )  # fmt: skip
    model = GPT2LMHeadModel(config).eval()
    model.save_pretrained(tmp_path)
    for name in huggingface.TOKENIZER_FILES:
        if (tokenizer_folder / name).exists():
            (tmp_path / name).write_bytes((tokenizer_folder / name).read_bytes())
    backend = backends.open(str(tmp_path))
    assert isinstance(backend, Other)
    for text, found in zip(TEXTS, written(backend, [Prompt(text) for text in TEXTS], GREEDY), strict=True):
        ids = [tokenizer.bos, *tokenizer.encode(text)]
        for token in found.tokens:
            assert token == model(torch.tensor([ids])).logits[0, -1].argmax()
            ids.append(token)


class Moody(BaseHTTPRequestHandler):
    """Answers what the test asks it to, in turn, and keeps what it was sent."""

    answers: list
    seen: list

    def do_POST(self):
        self.seen.append(
            (self.path, dict(self.headers), json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        )
        status, headers, body = self.answers.pop(0)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def moody(monkeypatch):
    monkeypatch.setattr(http, "_FIRST_PAUSE", 0.001)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-123")
    handler = type("Handler", (Moody,), {"answers": [], "seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield handler, f"http://127.0.0.1:{server.server_port}/v1#some-model"
    server.shutdown()
    server.server_close()


def answered(text):
    return 200, {}, json.dumps({"choices": [{"text": text, "finish_reason": "length"}]})


def test_a_busy_endpoint_is_asked_again(moody):
    handler, url = moody
    handler.answers += [(429, {"Retry-After": "0.01"}, "{}"), (503, {}, "busy"), (500, {}, ""), answered("abc STOP d")]
    (found,) = written(backends.open(url), [Prompt("x", "y")], Sampling(stop=("1", "2", "3", "4", " STOP")))
    assert (found.text, found.finish) == ("abc", "stop")
    path, headers, body = handler.seen[-1]
    assert path == "/v1/completions"
    assert headers["Authorization"] == "Bearer sk-secret-123"
    assert (body["model"], body["prompt"], body["suffix"], body["temperature"]) == ("some-model", "x", "y", 0)
    assert len(handler.seen) == 4


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([(401, {}, json.dumps({"error": {"message": "bad key sk-secret-123\nsecond line"}}))], r"401: bad key \*\*\*"),
        ([(307, {"Location": "http://127.0.0.1:1/"}, "")], "307"),
        ([(500, {}, "down")] * http.TRIES, "500: down"),
        ([(200, {}, "no json")], "not JSON"),
        ([(200, {}, "[1]")], "not JSON"),
        ([(200, {}, '{"choices": []}')], "no completion"),
    ],
)
def test_a_failing_endpoint_is_one_line(moody, answers, said):
    handler, url = moody
    handler.answers += answers
    with pytest.raises(UserError, match=said) as raised:
        written(backends.open(url), [Prompt("x")], Sampling())
    assert "sk-secret" not in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not handler.answers


def test_what_is_no_model_is_said(tmp_path, monkeypatch):
    for bad in ("nowhere", "http://host/v1", "http://#x"):
        with pytest.raises(UsageError):
            backends.open(bad)
    with pytest.raises(UserError, match=r"config\.json"):
        backends.open(str(tmp_path))
    (tmp_path / "bad.gguf").write_bytes(b"GGUF nothing")
    with pytest.raises(UserError, match="no GGUF"):
        backends.open(str(tmp_path / "bad.gguf"))
    monkeypatch.setattr(http, "_FIRST_PAUSE", 0.001)
    with pytest.raises(UserError, match="cannot be reached"):
        written(backends.open("http://127.0.0.1:1/v1#x"), [Prompt("x")], Sampling())


def test_a_hole_needs_sentinels(folder, tmp_path):
    import shutil

    bare = tmp_path / "bare"
    shutil.copytree(folder, bare)
    text = (bare / "tokenizer.json").read_text("utf-8").replace("fim▁", "was▁")
    (bare / "tokenizer.json").write_text(text, "utf-8")
    with pytest.raises(UsageError, match="fill-in"):
        written(backends.open(str(bare)), [Prompt("a", "b")], GREEDY)
