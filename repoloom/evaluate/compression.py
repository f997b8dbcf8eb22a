"""Bits per byte on the held-out repositories: the model, the n-gram models and xz, in all and by language.

The unit is the byte of the original text, so that models with different tokenizers compare. Model and n-grams are
measured on the same windows; xz, which needs whole files, on files drawn from among those the windows touch, up to
about as many bytes.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from repoloom.errors import UserError
from repoloom.evaluate import baselines, heldout, perplexity
from repoloom.evaluate.heldout import Ids, Ints, Windows
from repoloom.generate import Generator
from repoloom.progress import bar
from repoloom.tokens.pack import Packed


def measure(generator: Generator, pack: Path, curated: Path | None, budget: int, seed: int) -> dict[str, Any]:
    """The table of results; `curated` gives the languages. Raises UserError where nothing is held out."""
    tokenizer = generator.tokenizer
    start = tokenizer.bos if tokenizer.bos is not None else tokenizer.eos
    packed = Packed.open(pack, "heldout")
    windows = heldout.choose(packed, generator.model.config.context, budget, seed)
    lengths = heldout.byte_lengths(tokenizer)[windows.tokens]
    bits = {"model": perplexity.bits(generator.model, windows.tokens, windows.bounds, start or 0)}
    train = Documents(Packed.open(pack, "train"))
    with bar("n-grams", train.tokens) as progress:
        ngrams = baselines.fit(train, tokenizer.size, windows.previous, windows.tokens, progress)
    bits["unigram"], bits["bigram"] = ngrams.bits(windows.previous, windows.tokens)
    total = int(lengths.sum())
    return {
        **{name: float(values.sum() / total) for name, values in bits.items()},
        "xz": _xz(packed, windows, generator, total, seed),
        "tokens": len(windows.tokens),
        "bytes": total,
        "by_language": {} if curated is None else _by_language(bits, lengths, windows.files, curated),
    }


class Documents(Sequence[Ids]):
    """The token arrays of a packed split, read when they are asked for."""

    def __init__(self, packed: Packed) -> None:
        self._packed = packed
        self.tokens = sum(len(packed.tokens(document)) for document in range(len(packed)))

    def __len__(self) -> int:
        return len(self._packed)

    @overload
    def __getitem__(self, index: int) -> Ids: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Ids]: ...
    def __getitem__(self, index: int | slice) -> Ids | Sequence[Ids]:
        if isinstance(index, slice):
            return [self[number] for number in range(len(self))[index]]
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self._packed.tokens(index)

    def __iter__(self) -> Iterator[Ids]:
        return (self[number] for number in range(len(self)))


def _by_language(bits: dict[str, Any], lengths: Ints, files: Ints, curated: Path) -> dict[str, dict[str, float | int]]:
    named = heldout.languages(curated)
    if files[-1] >= len(named):
        raise UserError(f"{curated} does not hold the documents that were packed: curate and pack belong to two runs")
    names = sorted({named[number] for number in np.unique(files)})
    number_of = {name: number for number, name in enumerate(names)}
    language = np.array([number_of.get(name, 0) for name in named])[files]
    sizes = np.bincount(language, lengths, len(names))
    sums = {kind: np.bincount(language, values, len(names)) for kind, values in bits.items()}
    tokens = np.bincount(language, minlength=len(names))
    return {
        name: {
            **{kind: float(values[number] / sizes[number]) for kind, values in sums.items()},
            "tokens": int(tokens[number]),
            "bytes": int(sizes[number]),
        }
        for name, number in number_of.items()
        if sizes[number]
    }


def _xz(packed: Packed, windows: Windows, generator: Generator, budget: int, seed: int) -> float:
    touched = sorted(map(int, np.unique(windows.files)), key=lambda number: heldout.keyed(seed, "file", number))
    files: list[bytes] = []
    size = 0
    for number in touched:
        files.append(generator.tokenizer.decode_bytes(heldout.file(packed, number).tolist()))
        size += len(files[-1])
        if size >= budget:
            break
    return 8 * baselines.xz(files) / size
