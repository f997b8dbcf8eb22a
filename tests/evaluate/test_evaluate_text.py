"""Bits a byte and infilling loss on shards: drawn by characters, reckoned as the model's own loss says."""

import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from repoloom.errors import UserError
from repoloom.evaluate import text
from repoloom.formats import SHARD, part_name
from repoloom.generate import Generator
from repoloom.model.config import Config
from repoloom.model.transformer import Transformer
from repoloom.tokens import fim
from repoloom.tokens.tokenizer import Tokenizer

SOURCES = sorted((Path(text.__file__).parents[1] / "curate").glob("*.py"))


@pytest.fixture(autouse=True)
def alone(one_thread: None) -> None:
    """Small models: more threads would only wait for each other."""


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("collect")
    described = [("python", path.name, path.read_text("utf-8")) for path in SOURCES]
    described += [("markdown", "ü.md", "# Größe\n\nÄpfel und 一些中文\n"), ("c", "empty.c", " \n")]
    rows = [
        {"repo": "r", "revision": "", "path": name, "language": language, "license": "", "size": 0, "content": content}
        for language, name, content in described
    ]
    path = folder / part_name("shards", 0)
    path.parent.mkdir()
    pq.write_table(pa.Table.from_pylist(rows, SHARD), path)
    return folder


@pytest.fixture(scope="module")
def generator(tokenizer_folder: Path) -> Generator:
    tokenizer = Tokenizer.load(tokenizer_folder)
    config = Config(-(-tokenizer.size // 64) * 64, 32, 64, 2, 4, 2, 256, init_std=0.2)
    return Generator(Transformer(config).initialise(seed=0), tokenizer)


def test_pieces_are_of_each_language_and_stay_with_a_larger_budget(shards: Path) -> None:
    few, more = text.choose(shards, 6_000, seed=1), text.choose(shards, 20_000, seed=1)
    assert {piece.language for piece in few} == {"python", "markdown"}
    python = [piece for piece in few if piece.language == "python"]
    assert 6_000 <= sum(len(piece.text) for piece in python) < 6_000 + text.PIECE
    assert [piece for piece in more if piece.language == "python"][: len(python)] == python
    assert text.choose(shards, 6_000, seed=2) != few
    whole = "\0".join(path.read_text("utf-8") for path in SOURCES)
    assert all(piece.text in whole and len(piece.text) <= text.PIECE for piece in python)
    assert all(piece.text == piece.text[: piece.cuts[0]] + piece.middle + piece.text[piece.cuts[1] :] for piece in few)


def test_a_uniform_model_pays_log2_of_its_vocabulary_for_a_token(shards: Path, generator: Generator) -> None:
    model = Transformer(generator.model.config)
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    pieces = text.choose(shards, 6_000, seed=1)
    found = text.measure(Generator(model, generator.tokenizer), pieces)
    encode = generator.tokenizer.encode
    bits = math.log2(model.config.vocabulary)
    size = sum(len(piece.text.encode()) for piece in pieces)
    middles = sum(len(piece.middle.encode()) for piece in pieces)
    assert found["bytes"] == size
    assert found["bits_per_byte"] == pytest.approx(bits * sum(len(encode(piece.text)) for piece in pieces) / size)
    expected = bits * sum(len(encode(piece.middle)) for piece in pieces) / middles
    assert found["psm"] == pytest.approx(expected)
    assert found["prefix_only"] == pytest.approx(expected)
    assert sum(row["bytes"] for row in found["by_language"].values()) == size


def test_a_middle_costs_what_the_training_loss_says(shards: Path, generator: Generator) -> None:
    tokenizer, model = generator.tokenizer, generator.model
    piece = text.Piece("python", "def one(x):\n    return x + 1\n", (16, 24))
    found = text.measure(generator, [piece])
    middle = tokenizer.encode(piece.middle)
    for name, prompt in {
        "psm": fim.prompt(tokenizer, piece.text[:16], piece.text[24:]),
        "prefix_only": [tokenizer.bos, *tokenizer.encode(piece.text[:16])],
    }.items():
        tokens = torch.tensor([[*prompt, *middle]])
        with torch.no_grad():
            chances = torch.log_softmax(model(tokens[:, :-1]).float(), -1)
        picked = chances[0, -len(middle) :].gather(1, torch.tensor(middle)[:, None])
        assert found[name] == pytest.approx(float(-picked.sum()) / math.log(2) / len(piece.middle.encode()), rel=1e-4)


def test_a_prompt_too_long_for_the_context_is_cut_and_the_middle_kept(shards: Path, tokenizer_folder: Path) -> None:
    tokenizer = Tokenizer.load(tokenizer_folder)
    config = Config(-(-tokenizer.size // 64) * 64, 32, 64, 1, 4, 2, 64, init_std=0.2)
    small = Generator(Transformer(config).initialise(seed=0), tokenizer)
    pieces = text.choose(shards, 6_000, seed=1)
    found = text.measure(small, pieces)
    assert found["middle_bytes"] == sum(len(piece.middle.encode()) for piece in pieces)
    assert all(math.isfinite(found[name]) for name in ("bits_per_byte", "psm", "prefix_only"))


def test_a_folder_without_text_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="documents"):
        text.choose(tmp_path, 1_000, seed=0)
