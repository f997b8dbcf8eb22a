"""What a run is validated on: the held-out repositories left to right, and parts of them by themselves.

The parts are each language, and the infilling of a middle. All are small and fixed, so that they show how each moves in
the course of a run; the evaluate stage measures more of them, once.
"""

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from repoloom.model.transformer import IGNORED
from repoloom.recipe import Batches as Packing
from repoloom.recipe import Fim
from repoloom.tokens.batches import Batch, Batches
from repoloom.tokens.pack import Packed
from repoloom.tokens.tokenizer import Tokenizer
from repoloom.train.job import Part

ROWS = 16
"""Windows of a held-out batch."""

TOKENS = 65_536
"""Tokens of the windows of the whole: their mean loss moves far less from one validation to the next than training's,
and they cost seconds."""

INFILLING_TOKENS = 32_768
LANGUAGE_TOKENS = 8_192
"""Tokens of the windows of a part: its order of magnitude settles in the first, its course in the second."""

LANGUAGES = 6
"""The languages that are measured by themselves: those with the most held-out tokens, if they fill a window."""

_BEST_FIT = Packing()
_LEFT_TO_RIGHT = Fim(rate=0.0)
_INFILLING = Fim(rate=1.0)
"""Every piece is cut, PSM and between any two characters, whatever the recipe trains on."""


def whole(pack: Path, tokenizer: Tokenizer, context: int, seed: int, settings: Packing = _BEST_FIT) -> list[Batch]:
    """A fixed set of windows of the held-out repositories, left to right, each once; empty where none are set aside.

    They are packed and masked as training's are, and never weighted.
    """
    if not (pack / "heldout.bin").exists():
        return []
    return _windows(Packed.open(pack, "heldout"), tokenizer, context, seed, settings, _LEFT_TO_RIGHT, TOKENS)


def parts(pack: Path, tokenizer: Tokenizer, context: int, seed: int, settings: Packing = _BEST_FIT) -> dict[str, Part]:
    """Parts of the held-out split of a pack stage's folder, by name: `fim`, `python`, `python fim`, ...

    Of infilling the loss is that of the middle and of its end, given prefix and suffix. Empty where nothing is held
    out; without infilling where the tokenizer has no sentinels, without languages where the pack does not say them.
    """
    if not (pack / "heldout.bin").exists():
        return {}
    packed = Packed.open(pack, "heldout")
    fills = None not in (tokenizer.fim_begin, tokenizer.fim_hole, tokenizer.fim_end) and tokenizer.byte_level
    kinds = {"": _LEFT_TO_RIGHT} | ({" fim": _INFILLING} if fills else {})
    wanted = {"fim": (packed, _INFILLING, INFILLING_TOKENS)} if fills else {}
    languages = by_language(packed, tokenizer, context) if packed.sourced else {}
    for name, language in languages.items():
        wanted |= {f"{name}{kind}": (language, fim, LANGUAGE_TOKENS) for kind, fim in kinds.items()}
    found = {}
    for name, (source, fim, tokens) in wanted.items():
        batches = _windows(source, tokenizer, context, seed, settings, fim, tokens)
        if fim is _INFILLING:
            batches = [middles(batch, tokenizer) for batch in batches]
        if (size := text_bytes(tokenizer, batches)) > 0:
            found[name] = Part(batches, size)
    return found


def by_language(packed: Packed, tokenizer: Tokenizer, least: int) -> dict[str, Packed]:
    """The files of each of the largest languages with `least` tokens or more, a document each, in memory."""
    sources = packed.sources("language")
    ends = np.append(packed.files[1:], len(packed.ids))
    sizes: Counter[int] = Counter()
    for number, size in zip(sources.numbers.tolist(), (ends - packed.files).tolist(), strict=True):
        sizes[number] += size
    found = {}
    for number, size in sizes.most_common(LANGUAGES):
        if size >= least:
            files = np.flatnonzero(sources.numbers == number)
            files = files[: 1 + np.searchsorted(np.cumsum(ends[files] - packed.files[files]), 2 * LANGUAGE_TOKENS)]
            found[sources.names[number]] = _documents(packed, files, ends, tokenizer.eos)
    return found


def _documents(packed: Packed, files: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], eos: int | None) -> Packed:
    """Some files of a split as a split of its own, each a document that ends with EOS."""
    texts = []
    for file in files.tolist():
        text = np.asarray(packed.ids[packed.files[file] : ends[file]])
        whole = eos is None or (len(text) and text[-1] == eos)
        texts.append(text if whole else np.append(text, text.dtype.type(eos)))
    starts = np.cumsum([0, *map(len, texts)])
    return Packed(np.concatenate(texts), starts, starts[:-1])


def _windows(
    source: Packed, tokenizer: Tokenizer, context: int, seed: int, settings: Packing, fim: Fim, tokens: int
) -> list[Batch]:
    """Windows of about so many tokens in all, each once; all there are where they are fewer."""
    unweighted = settings.model_copy(update={"weights": {}})
    windows = Batches(source, tokenizer, context=context, fim=fim, seed=seed, batch=ROWS, settings=unweighted)
    rows = min(math.ceil(tokens / context), windows.rows)
    batches = [windows[number] for number in range(math.ceil(rows / ROWS))]
    left = rows - (len(batches) - 1) * ROWS
    return [*batches[:-1], batches[-1].first(left)]


def middles(batch: Batch, tokenizer: Tokenizer) -> Batch:
    """The batch with no targets but the middles and the EOS behind each."""
    place = np.arange(batch.tokens.shape[1])
    opened, closed = (
        np.maximum.accumulate(np.where(batch.tokens == token, place, -1), axis=1)
        for token in (tokenizer.fim_end, tokenizer.eos)
    )
    return replace(batch, targets=np.where(opened > closed, batch.targets, IGNORED))


def text_bytes(tokenizer: Tokenizer, batches: list[Batch]) -> int:
    """Bytes of the text that the batches' targets spell: what a loss in nats is divided by for bits per byte."""
    rows = (row[row != IGNORED].tolist() for batch in batches for row in batch.targets)
    return sum(len(tokenizer.decode(row).encode("utf-8")) for row in rows)
