"""Which held-out tokens are measured: windows of the model's context, chosen by seed, the same for every measure.

A window is a run of one document's tokens, at most `context` of them. Each is predicted from those before it in its
window and from nothing else: the model sees BOS in front of the first, as in training.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repoloom.errors import UserError
from repoloom.formats import parts, rows
from repoloom.tokens.pack import Packed
from repoloom.tokens.tokenizer import Tokenizer

Ints = NDArray[np.int64]
Ids = NDArray[np.integer[Any]]
"""Tokens as a pack holds them: uint16 or int32."""
NO_TOKEN = -1


@dataclass(frozen=True, slots=True)
class Windows:
    """The chosen windows, in the order of the documents: window w is `tokens[bounds[w]:bounds[w + 1]]`."""

    tokens: Ints
    previous: Ints
    """The token before each in its window, `NO_TOKEN` for a window's first."""
    bounds: Ints
    files: Ints
    """The number of each token's file, counted through all held-out documents."""

    def __len__(self) -> int:
        return len(self.bounds) - 1


def choose(packed: Packed, context: int, budget: int, seed: int) -> Windows:
    """Windows of at most `budget` tokens in all, but at least one. Raises UserError where nothing is held out."""
    places = []
    for document in range(len(packed)):
        length = len(packed.tokens(document))
        places += [(document, start, min(start + context, length)) for start in range(0, length, context)]
    if not places:
        raise UserError("nothing is held out: set curate.heldout in the recipe and curate and pack again")
    places.sort(key=lambda place: keyed(seed, "window", place[0], place[1]))
    sizes = np.cumsum([stop - start for _, start, stop in places])
    chosen = sorted(places[: max(1, int(np.searchsorted(sizes, budget, side="right")))])
    first_files = _first_files(packed)
    tokens, previous, numbers, bounds = [], [], [], [0]
    for document, start, stop in chosen:
        window = packed.tokens(document)[start:stop].astype(np.int64)
        tokens.append(window)
        previous.append(np.concatenate(([NO_TOKEN], window[:-1])))
        within = np.searchsorted(packed.file_starts(document), np.arange(start, stop), side="right") - 1
        numbers.append(within + first_files[document])
        bounds.append(bounds[-1] + len(window))
    return Windows(np.concatenate(tokens), np.concatenate(previous), np.array(bounds), np.concatenate(numbers))


def file(packed: Packed, number: int) -> Ints:
    """The tokens of one held-out file, the path header with them."""
    first_files = _first_files(packed)
    document = int(np.searchsorted(first_files, number, side="right")) - 1
    starts = [*packed.file_starts(document), len(packed.tokens(document))]
    within = number - int(first_files[document])
    return packed.tokens(document)[starts[within] : starts[within + 1]].astype(np.int64)


def languages(curated: Path) -> list[str]:
    """The language of every held-out file, in the order of the documents and of the files in them."""
    documents = (row for part in parts(curated, "heldout") for row in rows(part, ["files"]))
    return [file["language"] for document in documents for file in document["files"]]


def byte_lengths(tokenizer: Tokenizer) -> Ints:
    """How many bytes each token id stands for; 0 for special tokens.

    Raises UserError for a tokenizer whose tokens stand for no fixed bytes: they could not be counted exactly.
    """
    if not tokenizer.byte_level:
        raise UserError(f"{tokenizer.folder}: bits per byte need a byte-level tokenizer")
    return np.array([len(entry) for entry in tokenizer.table], np.int64)


def _first_files(packed: Packed) -> Ints:
    """The number of each document's first file, counted through all documents; at the end the number of files."""
    return np.cumsum([0, *(len(packed.file_starts(document)) for document in range(len(packed)))])


def keyed(seed: int, *names: object) -> bytes:
    """A number drawn by seed and names, never by the order of calls; to sort by."""
    return hashlib.blake2b("/".join(map(str, (seed, *names))).encode("utf-8", "surrogatepass"), digest_size=8).digest()
