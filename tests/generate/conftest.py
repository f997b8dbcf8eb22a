from pathlib import Path

import pytest

from repoloom.generate import Generator
from repoloom.model.config import Config
from repoloom.model.transformer import Transformer
from repoloom.tokens.tokenizer import Tokenizer

CONTEXT = 128


@pytest.fixture(autouse=True)
def alone(one_thread: None) -> None:
    """Every test here."""


@pytest.fixture(scope="session")
def generator(tokenizer_folder: Path) -> Generator:
    """A random model whose words vary, and that ends a text now and then."""
    tokenizer = Tokenizer.load(tokenizer_folder)
    rows = -(-tokenizer.size // 64) * 64
    shape = {"hidden": 64, "mlp": 128, "layers": 2, "heads": 4, "kv_heads": 2, "context": CONTEXT}
    return Generator(Transformer(Config(vocabulary=rows, init_std=0.4, **shape)).initialise(2), tokenizer)


@pytest.fixture(scope="session")
def prompts(generator: Generator) -> list[list[int]]:
    """90 prompts of 1 to 119 tokens: more than a batch, and none of them in order of length."""
    tokenizer = generator.tokenizer
    ids = tokenizer.encode((Path(__file__).parent / "test_generator.py").read_text("utf-8"))
    return [[tokenizer.bos or 0, *ids[start * 7 : start * 7 + (start * 53) % 119]] for start in range(90)]
