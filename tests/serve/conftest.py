"""A tiny random model behind a real server on a free port."""

import json
import threading
import time
from collections.abc import Generator as Stream
from collections.abc import Iterator, Sequence
from pathlib import Path

import openai
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uvicorn

from repoloom.formats import DOCUMENT
from repoloom.generate import Completion, Generator, Sampling
from repoloom.model import huggingface
from repoloom.model.config import Config
from repoloom.model.transformer import Transformer
from repoloom.recipe import TokenizerSettings
from repoloom.serve.app import create
from repoloom.tokens.tokenizer import Tokenizer, train

CONTEXT = 1024
NAME = "tiny-model"


class Watched(Generator):
    """The generator itself, and what a test wants to know about its work."""

    pieces = 0
    running = 0
    most_running = 0

    def stream(self, prompt: Sequence[int], sampling: Sampling) -> Stream[str, None, Completion]:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        inner = super().stream(prompt, sampling)
        try:
            while True:
                try:
                    piece = next(inner)
                except StopIteration as end:
                    done: Completion = end.value
                    return done
                self.pieces += 1
                yield piece
        finally:
            inner.close()
            self.running -= 1


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hugging Face folder of a random model with a real, small tokenizer."""
    place = tmp_path_factory.mktemp("tiny")
    sources = sorted(Path(json.__file__).parent.glob("*.py"))
    texts = [source.read_text("utf-8") for source in sources]
    row = {"repo": "json", "revision": "1", "language": "python", "license": "PSF-2.0"}
    documents = [
        row
        | {"document_id": str(number), "text": text, "files": [
            {"path": "a.py", "language": "python", "start": 0, "end": len(text)}]}
        for number, text in enumerate(texts)
    ]  # fmt: skip
    (place / "curate" / "documents").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(documents, DOCUMENT), place / "curate" / "documents" / "part-00000.parquet")
    (place / "curate" / "manifest.json").write_text(json.dumps({"content": "documents of a test"}))
    train(place / "curate", place / "tokenizer", TokenizerSettings(vocabulary=512), seed=0)
    rows = -(-Tokenizer.load(place / "tokenizer").size // 64) * 64
    config = Config(
        vocabulary=rows, hidden=32, mlp=64, layers=2, heads=2, kv_heads=1, context=CONTEXT, rope_base=10_000.0,
        norm_epsilon=1e-6, init_std=0.3, tied=False,
    )  # fmt: skip
    model = Transformer(config)
    model.initialise(3)
    huggingface.save(model, place / "tokenizer", place / "tiny" / "model")
    return place / "tiny" / "model"


@pytest.fixture(scope="session")
def generator(model_folder: Path) -> Watched:
    return Watched.load(model_folder)  # type: ignore[return-value]


@pytest.fixture(scope="session")
def url(generator: Watched, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    repo = tmp_path_factory.mktemp("repo")
    server = uvicorn.Server(uvicorn.Config(create(generator, NAME, repo), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=30) as made:
        yield made
