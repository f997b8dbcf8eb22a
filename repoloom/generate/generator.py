"""A model and its tokenizer, ready to write."""

from collections.abc import Generator as Stream
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch

from repoloom.errors import UserError
from repoloom.generate.batch import Batch
from repoloom.generate.prompt import fit
from repoloom.generate.sampling import Sampling
from repoloom.generate.text import TextStream
from repoloom.model import huggingface
from repoloom.model.transformer import Transformer
from repoloom.progress import Bar
from repoloom.tokens.tokenizer import Tokenizer

ROWS = 64
"""Prompts continued at one time."""


@dataclass(slots=True)
class Completion:
    """What was written after a prompt: its text, cut before a stop text; its tokens, without the one that ended it."""

    text: str = ""
    tokens: list[int] = field(default_factory=list)
    finish: Literal["stop", "length"] = "length"
    """stop: the model ended it, or a stop text did; length: `max_tokens` or the model's context did."""


class Generator:
    """Writes after prompts, which are token ids: BOS and `tokenizer.encode`, or `tokens.fim.prompt`.

    A prompt longer than the model's context is cut (`fit`) so that `max_tokens` fit behind it, or half the context if
    they are more.
    """

    def __init__(self, model: Transformer, tokenizer: Tokenizer) -> None:
        self.model = model.eval()
        self.tokenizer = tokenizer
        self._ends = {end for end in (tokenizer.eos, tokenizer.eot) if end is not None}

    @classmethod
    def load(cls, folder: Path) -> "Generator":
        """The model of a Hugging Face folder, on the GPU where there is one. Raises UserError for a bad folder."""
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(huggingface.load(folder).to(device), Tokenizer.load(folder))

    def complete(
        self, prompts: Sequence[Sequence[int]], sampling: Sampling, *, progress: Bar | None = None
    ) -> list[Completion]:
        """A completion for every prompt, in order. `progress` moves by one with each that is finished."""
        done = [Completion() for _ in prompts]
        fitted = [self._fit(prompt, sampling) for prompt in prompts]
        order = sorted(range(len(fitted)), key=lambda number: len(fitted[number]))  # like lengths: little padding
        for first in range(0, len(order) if sampling.max_tokens > 0 else 0, ROWS):
            for number, text, finished in self._write(fitted, order[first : first + ROWS], sampling, done):
                done[number].text += text
                if finished and progress is not None:
                    progress.advance()
        return done

    def stream(self, prompt: Sequence[int], sampling: Sampling) -> Stream[str, None, Completion]:
        """The text piece by piece, whole characters only; what `yield from` returns is the completion."""
        done = Completion()
        if sampling.max_tokens > 0:
            for _, text, _ in self._write([self._fit(prompt, sampling)], [0], sampling, [done]):
                done.text += text
                if text:
                    yield text
        return done

    def _fit(self, prompt: Sequence[int], sampling: Sampling) -> list[int]:
        context = self.model.config.context
        if not prompt and self.tokenizer.bos is None:
            raise UserError("the prompt is empty, and the tokenizer has no token that begins a text")
        whole = list(prompt) or [self.tokenizer.bos or 0]
        return fit(whole, context - max(1, min(sampling.max_tokens, context // 2)), self.tokenizer)

    def _write(
        self, prompts: list[list[int]], numbers: list[int], sampling: Sampling, done: list[Completion]
    ) -> Iterator[tuple[int, str, bool]]:
        """(prompt's number, new text, whether that was all) until every one of `numbers` is finished."""
        context = self.model.config.context
        batch = Batch(self.model, self.tokenizer.size, [prompts[number] for number in numbers], numbers, sampling)
        streams = {number: TextStream(self.tokenizer, sampling.stop) for number in numbers}
        while batch.numbers:
            finished = []
            for row, (number, token) in enumerate(zip(batch.numbers, batch.choose(), strict=True)):
                completion, stream = done[number], streams[number]
                if token in self._ends:
                    completion.finish = "stop"
                    text, over = "", True
                else:
                    completion.tokens.append(token)
                    text = stream.push(token)
                    count = len(completion.tokens)
                    over = stream.stopped or count == sampling.max_tokens or len(prompts[number]) + count == context
                if over:
                    finished.append(row)
                    text += stream.flush()
                    completion.finish = "stop" if stream.stopped else completion.finish
                yield number, text, over
            batch.advance(finished)
