from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from repoloom.recipe import TokenizerSettings
from repoloom.tokens.pack import pack
from repoloom.tokens.tokenizer import train
from tests.tokens.library_corpus import HELDOUT, document, write_curated


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Threads buy nothing at these sizes, and wait for each other where tests run side by side.

    Of a module, so that what its fixtures train is trained so, too: on two threads, sums are rounded differently.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@dataclass(frozen=True)
class Street:
    """The folders of the stages that training reads."""

    curated: Path
    tokenizer: Path
    pack: Path


@pytest.fixture(scope="session")
def documents():
    """Packages of the standard library."""
    return [document(name) for name in ("json", "html", "logging", "email")]


@pytest.fixture(scope="session")
def street(documents, tmp_path_factory):
    """These documents and one held out, a tokenizer of 700 entries and the packed tokens."""
    out = tmp_path_factory.mktemp("street")
    parts = {"documents": [[row] for row in documents], "heldout": [[document(name) for name in HELDOUT]]}
    found = Street(write_curated(out / "curate", parts), out / "tokenizer", out / "pack")
    train(found.curated, found.tokenizer, TokenizerSettings(vocabulary=700), seed=0)
    pack(found.curated, found.tokenizer, found.pack)
    return found
