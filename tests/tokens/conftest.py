"""A corpus of real sources, its tokenizer and its packed tokens, made once: packages of the standard library."""

import sysconfig
from pathlib import Path

import pytest
from library_corpus import HELDOUT, PACKAGES, document, write_curated

from repoloom.recipe import TokenizerSettings
from repoloom.tokens import bpe
from repoloom.tokens.pack import Packed, pack
from repoloom.tokens.tokenizer import Tokenizer, train


@pytest.fixture(scope="session")
def documents():
    return [document(package) for package in PACKAGES]


@pytest.fixture(scope="session")
def curated(documents, tmp_path_factory):
    heldout = [document(package) for package in HELDOUT]
    parts = {"documents": [documents[:1], documents[1:4], documents[4:]], "heldout": [heldout]}
    return write_curated(tmp_path_factory.mktemp("tokens") / "curate", parts)


@pytest.fixture(scope="session")
def folder(curated, tmp_path_factory):
    out = tmp_path_factory.mktemp("tokens") / "tokenizer"
    train(curated, out, TokenizerSettings(vocabulary=2000), seed=0)
    return out


@pytest.fixture(scope="session")
def tokenizer(folder):
    return Tokenizer.load(folder)


@pytest.fixture(scope="session")
def packed_folder(curated, folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("tokens") / "pack"
    pack(curated, folder, out)
    return out


@pytest.fixture(scope="session")
def packed(packed_folder):
    return Packed.open(packed_folder, "train")


@pytest.fixture(scope="session")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tokenizer, Tokenizer]:
    """One tokenizer, learnt from packages that are installed, twice; the second is Hugging Face's alone."""
    folder = tmp_path_factory.mktemp("both")
    site = Path(sysconfig.get_path("purelib"))
    texts = [path.read_text("utf-8") for name in ("click", "rich", "numpy/lib") for path in (site / name).glob("*.py")]
    bpe.learn(iter(texts), 3000).save(str(folder / "tokenizer.json"))
    ours, plain = Tokenizer.load(folder), Tokenizer.load(folder)
    plain._is_ours = False
    assert ours._fast is not None and ours._bulk is not None and plain._fast is None and plain._bulk is None
    return ours, plain
