from pathlib import Path

import pytest

from repoloom.model import huggingface
from repoloom.model.config import Config
from repoloom.model.transformer import Transformer
from repoloom.tokens.tokenizer import Tokenizer

SHAPE = {
    "hidden": 64,
    "mlp": 160,
    "layers": 3,
    "heads": 4,
    "kv_heads": 2,
    "context": 256,
    "rope_base": 10_000.0,
    "init_std": 0.1,
}


@pytest.fixture(autouse=True)
def alone(one_thread: None) -> None:
    """Every test here."""


@pytest.fixture(scope="session")
def model(tokenizer_folder: Path) -> Transformer:
    """Grouped-query, untied, with padding rows behind the tokenizer's entries that no token ever wins."""
    size = Tokenizer.load(tokenizer_folder).size
    rows = -(-size // 64) * 64 + 64
    model = Transformer(Config(vocabulary=rows, **SHAPE)).initialise(5).eval()
    model.lm_head.weight.data[size:] = 0
    return model


@pytest.fixture(scope="session")
def folder(model: Transformer, tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("model") / "base"
    huggingface.save(model, tokenizer_folder, out)
    return out


@pytest.fixture(scope="session")
def instruct_folder(model: Transformer, tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("model") / "instruct"
    huggingface.save(model, tokenizer_folder, out, instruct=True)
    return out
