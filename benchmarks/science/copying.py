"""Train what the arms may start from instead of random weights: a model that has learnt to copy, and nothing else.

    python benchmarks/science/copying.py DIR        # DIR/copying/model, for run.py --start

A model that cannot copy makes no use of a suffix or of another file, and a small one learns to copy late and at a time
of its own: arms then differ by who happened to be past it. Here it is learnt from documents of random tokens that come
twice, so that nothing of any language or arm is learnt with it. Every arm and seed then starts from these weights.
"""

import sys
from pathlib import Path

import numpy as np
from corpus import HERE

from repoloom import recipe
from repoloom.tokens import megatron
from repoloom.tokens.tokenizer import Tokenizer
from repoloom.train.pretrain import pretrain

DOCUMENTS = 50_000
LENGTHS = (8, 100)
"""Tokens of what comes twice in a document."""
STEPS = 2000
CHANGES = ["fim.rate=0", "pretrain.optimizer=muon", "pretrain.learning_rate=8e-3", "pretrain.batch=2"]


def write(pack: Path, words: int, eos: int) -> None:
    """A packed dataset of such documents, of the tokenizer's first `words` entries."""
    pack.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    parts = [random.integers(0, words, random.integers(*LENGTHS)) for _ in range(DOCUMENTS)]
    documents = [np.concatenate([part, part, [eos]]).astype(np.uint16) for part in parts]
    np.concatenate(documents).tofile(pack / "train.bin")
    megatron.write(pack / "train.idx", np.array([len(one) for one in documents]), np.dtype(np.uint16))


def main(root: Path) -> None:
    """Write the data, train, and say what the loss came to."""
    eos = Tokenizer.load(root / "tokenizer").eos
    assert eos is not None
    settings = recipe.load(HERE / "base.toml", [*CHANGES, f"pretrain.steps={STEPS}"])
    write(root / "pack" / "copying", settings.tokenizer.vocabulary, eos)  # special tokens stand behind
    counts = pretrain(root / "pack" / "copying", root / "tokenizer", root / "copying", settings)["counts"]
    print(f"loss {counts['loss']:.2f}: half of what random tokens cost, where the second time is free")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
