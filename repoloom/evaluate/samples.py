"""What the model writes, for people to read: lines filled in, functions gone on with, instructions followed.

Greedy, and drawn by seed from the held-out repositories: not chosen for how well they came out.
"""

from pathlib import Path
from typing import Any

from repoloom.evaluate import infilling
from repoloom.generate import Generator, Sampling
from repoloom.tokens import chat

_LONG = Sampling(max_tokens=96, stop=("\ndef", "\nclass", "\n\n\n"))
_REFERENCE_LINES = 8
_INSTRUCTIONS = (
    "Write a Python function that returns the larger of two numbers.",
    "Write a Python function that reads a file and returns its lines.",
    "Write a Python function that counts how often each word occurs in a text.",
    "Write a Python function that tells whether a path exists and is a directory.",
)

Sample = dict[str, Any]


def write(
    generator: Generator, instruct: Generator | None, curated: Path | None, count: int, seed: int
) -> list[Sample]:
    """`count` samples, as many of each kind as there are models and held-out files for."""
    kinds = (2 if curated is not None else 0) + (instruct is not None)
    if not count or not kinds:
        return []
    share, rest = divmod(count, kinds)
    found: list[Sample] = []
    if curated is not None:
        found += _infilled(generator, curated, share + (rest > 0), seed)
        found += _continued(generator, curated, share + (rest > 1), seed)
    if instruct is not None:
        found += _instructed(instruct, share if curated is not None else count)
    return found


def _infilled(generator: Generator, curated: Path, count: int, seed: int) -> list[Sample]:
    if generator.tokenizer.fim_begin is None:
        return []
    holes = infilling.holes(curated, count, seed, "sample")
    prompts = [infilling.with_suffix(generator, hole) for hole in holes]
    written = generator.complete(prompts, infilling.LINE)
    return [
        _sample("infill", hole.title, hole.prefix, hole.suffix, completion.text, hole.line)
        for hole, completion in zip(holes, written, strict=True)
    ]


def _continued(generator: Generator, curated: Path, count: int, seed: int) -> list[Sample]:
    holes = infilling.holes(curated, count, seed, "function", infilling.opens_function)
    prefixes = [hole.prefix + hole.line for hole in holes]
    written = generator.complete([infilling.prefix_only(generator, prefix) for prefix in prefixes], _LONG)
    return [
        _sample("complete", hole.title, prefix, "", completion.text, _first(hole.suffix))
        for hole, prefix, completion in zip(holes, prefixes, written, strict=True)
    ]


def _instructed(instruct: Generator, count: int) -> list[Sample]:
    asked = _INSTRUCTIONS[:count]
    prompts = [chat.encode(instruct.tokenizer, [{"role": "user", "content": text}]) for text in asked]
    written = instruct.complete(prompts, Sampling(max_tokens=_LONG.max_tokens))
    return [
        _sample("instruct", text, text, "", completion.text, "")
        for text, completion in zip(asked, written, strict=True)
    ]


def _sample(kind: str, title: str, prompt: str, suffix: str, output: str, reference: str) -> Sample:
    return {
        "kind": kind,
        "title": title,
        "prompt": prompt,
        "suffix": suffix,
        "output": output,
        "reference": reference,
    }


def _first(text: str) -> str:
    return "\n".join(text.split("\n")[: _REFERENCE_LINES + 1])
