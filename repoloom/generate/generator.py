"""A model and its tokenizer, ready to write."""

import functools
from collections import deque
from collections.abc import Generator as Stream
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Literal

import torch

from repoloom.errors import UserError
from repoloom.generate.batch import Batch
from repoloom.generate.network import Network
from repoloom.generate.places import Places
from repoloom.generate.prompt import fit
from repoloom.generate.sampling import Key, Sampling
from repoloom.generate.text import TextStream
from repoloom.model import huggingface
from repoloom.model.transformer import Transformer
from repoloom.progress import Bar
from repoloom.tokens.tokenizer import Tokenizer

ROWS = 64
"""Prompts continued at one time."""

_BYTES = 4 * 2**30
"""What their keys and values may take together: where prompts are long, fewer are continued at one time."""


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
    def load(cls, folder: Path, dtype: torch.dtype = torch.float32) -> "Generator":
        """The model of a Hugging Face folder, on the GPU where there is one. Raises UserError for a bad folder."""
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(huggingface.load(folder).to(device, dtype), Tokenizer.load(folder))

    def complete(
        self, prompts: Sequence[Sequence[int]], sampling: Sampling, *, progress: Bar | None = None
    ) -> list[Completion]:
        """A completion for every prompt, in order. `progress` moves by one with each that is finished."""
        done = [Completion() for _ in prompts]
        for number, completion in self.each(prompts, sampling, range(len(prompts))):
            done[number] = completion
            if progress is not None:
                progress.advance()
        return done

    def each(
        self, prompts: Sequence[Sequence[int]], sampling: Sampling, keys: Sequence[Key]
    ) -> Iterator[tuple[int, Completion]]:
        """(prompt's number, completion) as each is finished, the same whatever prompts stand beside it.

        `keys` key the prompts' draws.
        """
        fitted = [self._fit(prompt, sampling) for prompt in prompts]
        if sampling.max_tokens <= 0:
            yield from ((number, Completion()) for number in range(len(fitted)))
            return
        order = sorted(range(len(fitted)), key=lambda number: (len(fitted[number]), fitted[number]))  # equals meet
        for _, alike in groupby(order, lambda number: self._need(fitted[number], sampling).bit_length()):
            texts: dict[int, list[str]] = {}
            for number, text, done in self._write(fitted, list(alike), sampling, keys):
                texts.setdefault(number, []).append(text)
                if done is not None:
                    done.text = "".join(texts.pop(number))
                    yield number, done

    def stream(self, prompt: Sequence[int], sampling: Sampling) -> Stream[str, None, Completion]:
        """The text piece by piece, whole characters only; what `yield from` returns is the completion."""
        done: Completion | None = None
        texts = []
        if sampling.max_tokens > 0:
            for _, text, done in self._write([self._fit(prompt, sampling)], [0], sampling, [0]):  # noqa: B007
                texts.append(text)
                if text:
                    yield text
        done = done or Completion()
        done.text = "".join(texts)
        return done

    @functools.cached_property
    def _network(self) -> Network:
        return Network(self.model, self.tokenizer.size)

    def _need(self, prompt: Sequence[int], sampling: Sampling) -> int:
        """The tokens of a prompt and of what may be written after it."""
        return min(len(prompt) + sampling.max_tokens, self.model.config.context)

    def _fit(self, prompt: Sequence[int], sampling: Sampling) -> list[int]:
        context = self.model.config.context
        if not prompt and self.tokenizer.bos is None:
            raise UserError("the prompt is empty, and the tokenizer has no token that begins a text")
        whole = list(prompt) or [self.tokenizer.bos or 0]
        return fit(whole, context - max(1, min(sampling.max_tokens, context // 2)), self.tokenizer)

    def _write(
        self, prompts: list[list[int]], numbers: list[int], sampling: Sampling, keys: Sequence[Key]
    ) -> Iterator[tuple[int, str, Completion | None]]:
        """(prompt's number, new text, the completion when that was all) until every one of `numbers` is finished.

        Who is finished leaves at once, and its place in the batch goes to the next prompt.
        """
        capacity = max(self._need(prompts[number], sampling) for number in numbers)
        a_row = capacity * Places.bytes_a_token(self.model.config, self._network.dtype)
        rows = min(ROWS, len(numbers), max(1, _BYTES // a_row))
        batch = Batch(self._network, rows, capacity, sampling)
        waiting = deque(numbers)
        writing: list[_Writing] = []

        def begin(row: int) -> None:
            number = waiting.popleft()
            prompt = prompts[number]
            batch.put(row, prompt, keys[number])
            room = self._need(prompt, sampling) - len(prompt)
            writing[row : row + 1] = [_Writing(number, room, TextStream(self.tokenizer, sampling.stop), self._ends)]

        for row in range(rows):
            begin(row)
        while writing:
            for row in reversed(range(len(writing))):  # backwards: who takes a dropped row's place has had its turn
                yield (said := writing[row].take(batch.tokens[row]))
                while said[2] is not None and waiting:
                    begin(row)
                    yield (said := writing[row].take(batch.tokens[row]))
                if said[2] is not None:
                    batch.drop(row)
                    writing[row] = writing[-1]
                    writing.pop()
            if writing:
                batch.step()


class _Writing:
    """A completion that comes token by token."""

    def __init__(self, number: int, room: int, stream: TextStream, ends: set[int]) -> None:
        self._number, self._room, self._stream, self._ends = number, room, stream, ends
        self._completion = Completion()

    def take(self, token: int) -> tuple[int, str, Completion | None]:
        """(prompt's number, new text, the completion when that was all) with one more token."""
        completion, stream, text = self._completion, self._stream, ""
        ended = token in self._ends
        if not ended:
            completion.tokens.append(token)
            text = stream.push(token)
        over = ended or stream.stopped or len(completion.tokens) == self._room
        if over:
            text += stream.flush()
            completion.finish = "stop" if ended or stream.stopped else "length"
        return self._number, text, completion if over else None
