"""Single-line infilling on held-out Python files: the model sees what stands before and after a line, and writes it.

Scored beside the same model given only what stands before: the difference is what the suffix is worth to it. Exact
match after stripping whitespace, and edit similarity as CrossCodeEval measures it (arXiv 2310.11248).
"""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repoloom.evaluate.heldout import keyed
from repoloom.formats import parts, rows
from repoloom.generate import Generator, Sampling
from repoloom.progress import bar
from repoloom.tasks.similarity import edit_similarity
from repoloom.tokens import fim

LINE = Sampling(max_tokens=64, stop=("\n",))
_CHARACTERS_A_TOKEN = 16
"""More than any window's average: text further than this from the hole is not worth tokenizing."""


@dataclass(frozen=True, slots=True)
class Hole:
    """A line taken out of a file: `prefix` begins with the path header, `suffix` with the line's own line break."""

    title: str
    prefix: str
    suffix: str
    line: str


@dataclass(frozen=True, slots=True)
class _Place:
    rank: int
    key: bytes
    name: str
    text: str
    number: int


def has_content(line: str) -> bool:
    """Code that says something: a closing bracket or a comment is guessed or not for other reasons."""
    stripped = line.strip()
    return not stripped.startswith("#") and sum(character.isalnum() for character in stripped) >= 3


def opens_function(line: str) -> bool:
    """The whole head of a function."""
    return line.lstrip().startswith(("def ", "async def ")) and line.rstrip().endswith(":")


def holes(
    curated: Path, count: int, seed: int, purpose: str = "infilling", fits: Callable[[str], bool] = has_content
) -> list[Hole]:
    """`count` lines of held-out Python files, drawn by seed: one a file, and only then a second."""
    if count <= 0:
        return []
    drawn = (place for file in _python(curated) for place in _places(file, count, seed, purpose, fits))
    chosen = heapq.nsmallest(count, drawn, key=lambda place: (place.rank, place.key))
    return [_hole(place) for place in chosen]


def score(generator: Generator, found: list[Hole]) -> dict[str, Any]:
    """Both conditions over the same holes: `exact_match` and `edit_similarity`, shares from 0 to 1."""
    if not found:
        return {"not_run": "no Python file is held out"}
    if generator.tokenizer.fim_begin is None:
        return {"not_run": "the tokenizer has no fill-in sentinels"}
    prompts = [with_suffix(generator, hole) for hole in found] + [prefix_only(generator, hole.prefix) for hole in found]
    with bar("infilling", len(prompts)) as progress:
        written = [completion.text for completion in generator.complete(prompts, LINE, progress=progress)]
    lines = [hole.line for hole in found]
    return {
        "tasks": len(found),
        "with_suffix": _compare(written[: len(found)], lines),
        "prefix_only": _compare(written[len(found) :], lines),
    }


def with_suffix(generator: Generator, hole: Hole) -> list[int]:
    """The prompt with sentinels."""
    reach = generator.model.config.context * _CHARACTERS_A_TOKEN
    return fim.prompt(generator.tokenizer, hole.prefix[-reach:], hole.suffix[:reach])


def prefix_only(generator: Generator, prefix: str) -> list[int]:
    """The prompt that is continued: BOS and the text before."""
    reach = generator.model.config.context * _CHARACTERS_A_TOKEN
    bos = generator.tokenizer.bos
    return [*([] if bos is None else [bos]), *generator.tokenizer.encode(prefix[-reach:])]


def _compare(written: list[str], lines: list[str]) -> dict[str, float]:
    pairs = [(text.strip(), line.strip()) for text, line in zip(written, lines, strict=True)]
    return {
        "exact_match": sum(text == line for text, line in pairs) / len(pairs),
        "edit_similarity": sum(edit_similarity(text, line) for text, line in pairs) / len(pairs),
    }


def _python(curated: Path) -> Iterator[tuple[str, str]]:
    """(name, text) of every held-out Python file."""
    for part in parts(curated, "heldout"):
        for row in rows(part, ["document_id", "repo", "files", "text"]):
            for file in row["files"]:
                if file["language"] == "python":
                    yield f"{row['repo']}/{file['path']}", row["text"][file["start"] : file["end"]]


def _places(
    file: tuple[str, str], count: int, seed: int, purpose: str, fits: Callable[[str], bool]
) -> Iterator[_Place]:
    """The fitting lines of a file in keyed order, at most `count`; its first line is the path header."""
    name, text = file
    lines = text.split("\n")
    numbers = [number for number, line in enumerate(lines) if number > 0 and fits(line)]
    drawn = heapq.nsmallest(count, numbers, key=lambda number: keyed(seed, purpose, name, number))
    key = keyed(seed, purpose, name)
    return (_Place(rank, key, name, text, number) for rank, number in enumerate(drawn))


def _hole(place: _Place) -> Hole:
    lines = place.text.split("\n")
    before, after = lines[: place.number], lines[place.number + 1 :]
    return Hole(place.name, "\n".join(before) + "\n", "\n" + "\n".join(after), lines[place.number])
