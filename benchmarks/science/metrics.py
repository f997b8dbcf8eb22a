"""What the arms are measured by, on one fixed set of windows of the held-out repositories, the same for every arm.

Every window is read in repository order, as the base is trained. Losses of text are in bits a byte of it, those of
names in nats a token. The middles of both orders, and those that are asked for by the prefix alone, are the same bytes.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import names
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's own name for it)

from repoloom import recipe
from repoloom.model.transformer import Transformer
from repoloom.tokens import fim, windows
from repoloom.tokens.fim import Fim
from repoloom.tokens.keyed import philox
from repoloom.tokens.pack import Packed
from repoloom.tokens.tokenizer import Tokenizer

SEED = 0
WINDOWS = 32
"""For text and infilling."""
NAMED = 96
"""Windows for names."""
ROOM = 32
"""Tokens that a window leaves for its sentinels and for encoding anew around the cuts."""

Ids = npt.NDArray[np.int64]
Losses = npt.NDArray[np.float64]


@dataclass(slots=True)
class Sum:
    """A loss in nats, and over how many bytes or tokens."""

    nats: float = 0.0
    units: int = 0

    def add(self, losses: Losses, units: int) -> None:
        """Add some tokens' losses."""
        self.nats += float(losses.sum())
        self.units += units


@dataclass(frozen=True, slots=True)
class Named:
    """A file that names something defined shortly before it: a window with half its room before the file's start."""

    start: int
    file: int
    """Where the file starts, in the packed corpus as `start` and `end`."""
    end: int
    all: Ids
    """Places in the corpus of the tokens that name something which stands before the file, in the window."""
    first: Ids
    """Those of them that are the file's first."""


class Measure:
    """The windows, and what is asked of a model on them."""

    def __init__(self, pack: Path, tokenizer: Path, context: int) -> None:
        self._tokenizer = Tokenizer.load(tokenizer)
        self._packed = Packed.open(pack, "train")
        ends_line = np.array([entry.endswith(b"\n") for entry in self._tokenizer.table])
        pieces = windows.cut(self._packed, ends_line, context - ROOM)
        spans = list(zip(pieces.starts.tolist(), (pieces.starts + pieces.lengths).tolist(), strict=True))
        order = np.random.Generator(philox(SEED, "windows")).permutation(len(spans))
        long = [spans[n] for n in order if spans[n][1] - spans[n][0] > context // 2]
        self._text = long[:WINDOWS]
        named = list(_windows(self._packed, self._tokenizer, context - ROOM))
        order = np.random.Generator(philox(SEED, "names")).permutation(len(named))
        self._named = [named[n] for n in order[:NAMED]]
        self._psm = Fim(self._tokenizer, recipe.Fim(rate=1))
        self._spm = Fim(self._tokenizer, recipe.Fim(rate=1, spm=1))

    def __call__(self, model: Transformer) -> dict[str, float]:
        """Every figure of a model, and as `count FIGURE` the bytes or names over which it was taken."""
        sums: dict[str, Sum] = defaultdict(Sum)
        for start, end in self._text:
            ids, files = self._ids(start, end), self._files(start, end)
            size = self._size(ids)
            sums["left to right"].add(self._loss(model, ids), size)
            sums["files alone"].add(np.concatenate([self._loss(model, ids[a:b]) for a, b in files]), size)
            numbers = fim.draws(SEED, 0, start)[0]
            self._infilling(model, ids, numbers, 0, "", sums)
            self._infilling(model, ids, numbers, files[-1][0], " in the last file", sums)
        for window in self._named:
            together = self._loss(model, self._ids(window.start, window.end))
            alone = self._loss(model, self._ids(window.file, window.end))
            for kind, places in (("names", window.all), ("first names", window.first)):
                sums[kind].add(together[places - window.start], len(places))
                sums[f"{kind}, files alone"].add(alone[places - window.file], len(places))
        bits = {name: one.nats / one.units / (1 if "names" in name else math.log(2)) for name, one in sums.items()}
        return bits | {f"count {name}": one.units for name, one in sums.items()}

    def _infilling(
        self, model: Transformer, ids: Ids, numbers: fim.Draws, own: int, where: str, sums: dict[str, Sum]
    ) -> None:
        """Add the loss of one middle, cut behind the first `own` tokens: PSM, SPM, and by its prefix alone."""
        psm, spm = self._psm(ids, numbers, own), self._spm(ids, numbers, own)
        assert psm is not None and spm is not None, "windows begin and end between lines"
        hole, end = (int(np.flatnonzero(psm == token)[0]) for token in fim.sentinels(self._tokenizer)[1:])
        middle = psm[end + 1 : -1]  # without EOS
        size, own_only = self._size(middle), slice(-len(middle) - 1, -1)
        if size:
            sums["PSM" + where].add(self._loss(model, psm)[own_only], size)
            sums["SPM" + where].add(self._loss(model, spm)[own_only], size)
            left_to_right = self._loss(model, np.concatenate([psm[1:hole], middle]))
            sums["prefix alone" + where].add(left_to_right[-len(middle) :], size)

    def _size(self, ids: Ids) -> int:
        """Bytes of text."""
        return len(self._tokenizer.decode_bytes(ids.tolist()))

    def _ids(self, start: int, end: int) -> Ids:
        """The window's tokens, without an EOS at the end."""
        ids = self._packed.ids[start:end].astype(np.int64)
        return ids[:-1] if ids[-1] == self._tokenizer.eos else ids

    def _files(self, start: int, end: int) -> list[tuple[int, int]]:
        """The files' parts of a window, counted from its start."""
        return _parts(self._packed, start, start + len(self._ids(start, end)))

    @torch.no_grad()
    def _loss(self, model: Transformer, ids: Ids) -> Losses:
        """Nats of each token, with BOS before the first."""
        tokens = torch.from_numpy(np.concatenate([[self._tokenizer.bos], ids]))[None]
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(tokens[:, :-1])
        loss = F.cross_entropy(logits[0].float(), tokens[0, 1:], reduction="none")
        return loss.double().numpy()


def _parts(packed: Packed, start: int, end: int) -> list[tuple[int, int]]:
    """The parts of a stretch of tokens that lie in one file each, counted from its start."""
    inside = packed.files[np.searchsorted(packed.files, start, "right") : np.searchsorted(packed.files, end)]
    borders = [start, *inside.tolist(), end]
    return [(a - start, b - start) for a, b in pairwise(borders)]


def _windows(packed: Packed, tokenizer: Tokenizer, room: int) -> Iterator[Named]:
    """The files that name something of what stands at most half a window before them, each in its window."""
    found = list(_named(packed, tokenizer))
    users = np.array([place for place, _, _ in found], np.int64)
    used = np.array([place for _, place, _ in found], np.int64)
    first = np.array([first for _, _, first in found], np.bool_)
    for document in range(len(packed)):
        opening, closing = packed.starts[document : document + 2].tolist()
        borders = [*(opening + packed.file_starts(document)).tolist(), closing]
        for file, behind in pairwise(borders):
            start = max(opening, file - room // 2)
            end = min(behind, start + room)
            own = (users >= file) & (users < end) & (used >= start) & (used < file)
            if own.any():
                yield Named(start, file, end, np.unique(users[own]), np.unique(users[own & first]))


def _named(packed: Packed, tokenizer: Tokenizer) -> Iterator[tuple[int, int, bool]]:
    """Tokens that name something of another file, the token that defines it, and whether it is the file's first."""
    sizes = np.array([len(entry) for entry in tokenizer.table], np.int64)
    ends = [*packed.files[1:].tolist(), len(packed.ids)]
    repos, languages = packed.sources("repo"), packed.sources("language")
    of_repo: dict[int, list[int]] = defaultdict(list)
    for number, repo in enumerate(repos.numbers.tolist()):
        if languages.names[languages.numbers[number]] == "python":
            of_repo[repo].append(number)
    for files in of_repo.values():
        ids = [packed.ids[packed.files[n] : ends[n]] for n in files]
        ids = [one[:-1] if len(one) and one[-1] == tokenizer.eos else one for one in ids]
        texts = [tokenizer.decode(one.tolist()) for one in ids]
        borders = [np.concatenate([[0], np.cumsum(sizes[one])]) for one in ids]
        paths = [text.partition("\n")[0].removeprefix("#").strip() for text in texts]
        for number, of_file in enumerate(names.mentions(paths, texts)):
            for mention in of_file:
                defined = packed.files[files[mention.file]] + _token(borders[mention.file], mention.place)
                last = _token(borders[number], mention.end - 1)
                for token in range(_token(borders[number], mention.start), last + 1):
                    yield int(packed.files[files[number]]) + token, int(defined), mention.first


def _token(borders: Any, place: int) -> int:
    """The number of the token that holds a byte."""
    return int(np.searchsorted(borders, place, "right")) - 1
