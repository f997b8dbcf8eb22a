"""Bits a byte and infilling loss on any shards or documents, by language, comparable between models and tokenizers.

Which text is measured is chosen by its characters, before any tokenizer sees it: of each language the pieces of some
files, drawn by seed. Every model reads a piece by itself, BOS before it; a piece longer than its context is read in
windows, which is that model's loss. For infilling each piece is cut at two characters, uniformly, as in training; the
bits are those of the middle alone, asked for with its suffix (PSM) and without, so that their difference is what the
suffix is worth.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from repoloom.errors import UserError
from repoloom.evaluate import perplexity
from repoloom.evaluate.heldout import Ints, keyed
from repoloom.formats import parts, rows
from repoloom.generate import Generator
from repoloom.generate.prompt import fit
from repoloom.tokens import fim

PIECE = 2_000
"""Characters of a piece: with its sentinels it fits into a context of 1,024 of all but the worst tokenizers."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some text of a file, and where its middle begins and ends."""

    language: str
    text: str
    cuts: tuple[int, int]

    @property
    def middle(self) -> str:
        """What is to be filled in."""
        return self.text[slice(*self.cuts)]


def choose(folder: Path, budget: int, seed: int) -> list[Piece]:
    """Pieces of a stage's shards, held-out or training documents: of each language about `budget` characters.

    Files are drawn by seed and name, one piece of each. Raises UserError for a folder that holds no text.
    """
    drawn: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    sizes: dict[str, int] = defaultdict(int)
    for language, name, text in _files(folder):
        if not text.strip():
            continue
        # The largest keys go first from a heap of negated ones: what stays are the smallest of the whole folder.
        piece = _piece(text, name, seed)
        heapq.heappush(drawn[language], (-int.from_bytes(keyed(seed, "text", name)), name, piece))
        sizes[language] += len(piece)
        while sizes[language] - len(drawn[language][0][2]) >= budget:
            sizes[language] -= len(heapq.heappop(drawn[language])[2])
    if not drawn:
        raise UserError(f"{folder} holds no text")
    return [
        Piece(language, text, _cuts(text, name, seed))
        for language in sorted(drawn)
        for _, name, text in sorted(drawn[language], reverse=True)
    ]


def measure(generator: Generator, pieces: Sequence[Piece]) -> dict[str, Any]:
    """`bits_per_byte` of the text, `psm` and `prefix_only` of the middles (None without sentinels), and by language."""
    lengths = np.array([len(_encoded(piece.text)) for piece in pieces])
    middles = np.array([len(_encoded(piece.middle)) for piece in pieces])
    tokenizer = generator.tokenizer
    whole = _bits(generator, [([], tokenizer.encode(piece.text)) for piece in pieces])
    bits: dict[str, tuple[Ints, Any]] = {"bits_per_byte": (lengths, whole)}
    if tokenizer.fim_begin is not None:
        asked = {"psm": True, "prefix_only": False}
        for name, suffix in asked.items():
            bits[name] = (middles, _bits(generator, [_asked(generator, piece, suffix) for piece in pieces]))
    languages = np.array([piece.language for piece in pieces])
    everything = np.ones(len(pieces), bool)

    def table(of: Any) -> dict[str, float | int | None]:
        found = {name: _ratio(sums[of].sum(), sizes[of].sum()) for name, (sizes, sums) in bits.items()}
        return found | {
            "pieces": int(of.sum()),
            "bytes": int(lengths[of].sum()),
            "middle_bytes": int(middles[of].sum()),
        }

    by_language = {str(name): table(languages == name) for name in np.unique(languages)}
    return table(everything) | {"by_language": by_language}


def _files(folder: Path) -> Iterator[tuple[str, str, str]]:
    """(language, name, text) of every file: the held-out ones where the folder has some."""
    if (folder / "shards").is_dir():
        for row in (
            row for part in parts(folder, "shards") for row in rows(part, ["repo", "path", "language", "content"])
        ):
            yield row["language"], f"{row['repo']}/{row['path']}", row["content"]
        return
    kind = "heldout" if any((folder / "heldout").glob("part-*.parquet")) else "documents"
    for row in (row for part in parts(folder, kind) for row in rows(part, ["repo", "files", "text"])):
        for file in row["files"]:
            yield file["language"], f"{row['repo']}/{file['path']}", row["text"][file["start"] : file["end"]]


def _piece(text: str, name: str, seed: int) -> str:
    """A run of the text's characters, from the beginning of a line where there is one."""
    last = max(0, len(text) - PIECE)
    start = int.from_bytes(keyed(seed, "piece", name)) % (last + 1)
    start = text.rfind("\n", 0, start) + 1 if start else 0
    return text[start : start + PIECE]


def _cuts(text: str, name: str, seed: int) -> tuple[int, int]:
    first, second = sorted(int.from_bytes(keyed(seed, "cut", name, n)) % (len(text) + 1) for n in range(2))
    return first, second


def _asked(generator: Generator, piece: Piece, suffix: bool) -> tuple[list[int], list[int]]:
    """The prompt for a piece's middle, without BOS, and the middle. Too long, the prompt loses what is far off."""
    tokenizer = generator.tokenizer
    before, behind = piece.text[: piece.cuts[0]], piece.text[piece.cuts[1] :]
    middle = tokenizer.encode(piece.middle)
    prompt = fim.prompt(tokenizer, before, behind)[tokenizer.bos is not None :] if suffix else tokenizer.encode(before)
    room = generator.model.config.context - 1 - len(middle)
    return (fit(prompt, max(room, 4), tokenizer) if prompt else []), middle


def _bits(generator: Generator, asked: Sequence[tuple[list[int], list[int]]]) -> Any:
    """The bits of each piece's second part, all of it, behind its first; [pieces]."""
    context, tokenizer = generator.model.config.context, generator.tokenizer
    tokens: list[int] = []
    bounds, owner, counted = [0], [], []
    for number, (prompt, text) in enumerate(asked):
        whole = prompt + text
        for start in range(0, len(whole), context):
            tokens += whole[start : start + context]
            bounds.append(len(tokens))
        owner += [number] * len(whole)
        counted += [0] * len(prompt) + [1] * len(text)
    first = tokenizer.bos if tokenizer.bos is not None else tokenizer.eos
    found = perplexity.bits(generator.model, np.array(tokens, np.int64), np.array(bounds, np.int64), first or 0)
    return np.bincount(np.array(owner, np.int64), found * np.array(counted, np.int64), len(asked))


def _ratio(bits: float, size: int) -> float | None:
    return float(bits / size) if size else None


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
