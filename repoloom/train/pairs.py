"""Instruction pairs from the corpus itself: a keyed sample of the documented functions in the training documents.

The documents of the curate stage are read, never its held-out repositories. Files are drawn by a hash of (seed,
repository, path), a few functions from each, so that no repository with a hundred thousand functions fills the sample.
"""

import hashlib
import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from repoloom import formats, progress
from repoloom.train.functions import FILE_CHARACTERS, Documented, documented

PER_FILE = 4

WATCHED_SHARE = 0.05
WATCHED_MOST = 128
"""Pairs kept from training to watch the loss: enough to see it move, few enough to take a second or two."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One turn: what is asked, what is answered, and the function it comes from."""

    repo: str
    path: str
    name: str
    instruction: str
    response: str


def collect(documents: Path, count: int, seed: int) -> tuple[list[Pair], list[Pair]]:
    """At most `count` pairs from the folder of a finished curate stage: those to train on, and those to watch.

    Both are in the order of the draw; no file has pairs in both. Raises UserError where the folder holds no documents.
    """
    taken: list[list[Pair]] = []
    seen: set[str] = set()
    with progress.bar("pairs", count) as bar:
        for repo, path, source in _files(documents, count, seed):
            new: list[Pair] = []
            for function in sorted(documented(source), key=lambda f: _key(seed, repo, path, f.name)):
                if len(new) < PER_FILE and count > 0 and function.code not in seen:
                    seen.add(function.code)
                    new.append(_pair(repo, path, function))
                    count -= 1
            if new:
                taken.append(new)
                bar.advance(len(new))
            if count <= 0:
                break
    target = min(WATCHED_SHARE * sum(map(len, taken)), WATCHED_MOST)
    watched: list[Pair] = []
    while taken and len(watched) < target - PER_FILE / 2:
        watched += taken.pop(0)
    return [pair for pairs in taken for pair in pairs], watched


def _files(documents: Path, count: int, seed: int) -> Iterator[tuple[str, str, str]]:
    """Repository, path and text of the `count` Python files that the draw puts first, in its order.

    So many are enough: a file holds more than one documented function on average, and no more than these texts are in
    memory at a time.
    """
    chosen: list[tuple[int, str, str, str]] = []  # a heap with the last of the draw on top: keys are negated
    for part in formats.parts(documents, "documents"):
        for row in formats.rows(part, ["repo", "files", "text"]):
            for file in row["files"]:
                if file["language"] != "python" or not 0 < file["end"] - file["start"] <= FILE_CHARACTERS:
                    continue
                key = -_key(seed, row["repo"], file["path"])
                if len(chosen) < count:
                    heapq.heappush(chosen, (key, row["repo"], file["path"], row["text"][file["start"] : file["end"]]))
                elif key > chosen[0][0]:
                    text = row["text"][file["start"] : file["end"]]
                    heapq.heapreplace(chosen, (key, row["repo"], file["path"], text))
    for _, repo, path, text in sorted(chosen, reverse=True):
        yield repo, path, text


def _pair(repo: str, path: str, function: Documented) -> Pair:
    instruction = f"{function.description}\n\n```python\n{function.signature}\n```"
    return Pair(repo, path, function.name, instruction, f"```python\n{function.code}\n```")


def _key(*names: object) -> int:
    digest = hashlib.blake2b("\0".join(map(str, names)).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big")
