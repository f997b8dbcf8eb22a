"""Any causal language model that transformers loads, for architectures that our network does not run."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, LogitsProcessor, LogitsProcessorList, StoppingCriteria

from repoloom.errors import UserError
from repoloom.generate.backends.backend import Prompt
from repoloom.generate.backends.folder import Folder
from repoloom.generate.generator import ROWS, Completion
from repoloom.generate.prompt import fit
from repoloom.generate.sampling import Key, Sampling, choose
from repoloom.generate.text import TextStream
from repoloom.tokens.tokenizer import Tokenizer


class Other:
    """A Hugging Face folder of any architecture, in batches sorted by length and padded on the left."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = Tokenizer.load(folder)
        self._folder = Folder(folder, self._tokenizer)
        self.identity = self._folder.identity
        try:
            load: Any = AutoModelForCausalLM.from_pretrained
            self._model = load(folder, dtype=torch.float32, local_files_only=True)
        except Exception as error:  # whatever the architecture's own code raises
            raise UserError(f"transformers cannot load {folder}: {' '.join(str(error).split())[:300]}") from None
        self._model.to("cuda" if torch.cuda.is_available() else "cpu")
        ends = self._model.generation_config.eos_token_id
        self._ends = {end for end in [*(ends if isinstance(ends, list) else [ends]), self._tokenizer.eot] if end}
        self._context = int(getattr(self._model.config, "max_position_embeddings", 1 << 20))

    def fits(self, prompt: Prompt, new_tokens: int) -> bool:
        """See `Backend`."""
        return len(self._folder.ids(prompt)) + new_tokens <= self._context

    def complete(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[tuple[int, Completion]]:
        """See `Backend`."""
        room = self._context - max(1, min(sampling.max_tokens, self._context // 2))
        ids = [fit(self._folder.ids(prompt), room, self._tokenizer) for prompt in prompts]
        order = sorted(range(len(ids)), key=lambda number: len(ids[number]))
        for first in range(0, len(order), ROWS):
            numbers = order[first : first + ROWS]
            keys = [prompts[number].key for number in numbers]
            yield from zip(numbers, self._batch([ids[number] for number in numbers], sampling, keys), strict=True)

    def _batch(self, ids: list[list[int]], sampling: Sampling, keys: list[Key]) -> list[Completion]:
        longest = max(map(len, ids))
        tokens, mask = torch.zeros(2, len(ids), longest, dtype=torch.int64, device=self._model.device)
        for row, prompt in enumerate(ids):
            tokens[row, longest - len(prompt) :] = torch.tensor(prompt)
            mask[row, longest - len(prompt) :] = 1
        writing = _Writing(self._tokenizer, sampling, self._ends, longest, len(ids))
        drawing = _Drawn(sampling, keys, [longest - len(prompt) for prompt in ids], self._tokenizer.size)
        with torch.inference_mode():
            self._model.generate(
                tokens,
                attention_mask=mask,
                max_new_tokens=max(1, min(sampling.max_tokens, self._context - longest)),
                do_sample=False,
                logits_processor=LogitsProcessorList([drawing]),
                stopping_criteria=[writing],
                eos_token_id=None,
                pad_token_id=0,
            )
        return writing.finished()


class _Drawn(LogitsProcessor):
    """Our draws, keyed as everywhere, in the place of transformers', which depend on the batch."""

    def __init__(self, sampling: Sampling, keys: list[Key], padding: list[int], size: int) -> None:
        self._sampling, self._keys, self._padding, self._size = sampling, keys, padding, size

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        places = [(key, input_ids.shape[1] - pad) for key, pad in zip(self._keys, self._padding, strict=True)]
        token = choose(scores[:, : self._size], self._sampling, places)
        return torch.full_like(scores, float("-inf")).scatter(1, token[:, None], 0.0)


class _Writing(StoppingCriteria):
    """Reads each row's new token as it comes, and says which rows are finished, by our rules."""

    def __init__(self, tokenizer: Tokenizer, sampling: Sampling, ends: set[int], begin: int, rows: int) -> None:
        self._ends, self._begin = ends, begin
        self._streams = [TextStream(tokenizer, sampling.stop) for _ in range(rows)]
        self._completions = [Completion() for _ in range(rows)]
        self._over = [False] * rows

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:
        for row, token in enumerate(input_ids[:, -1].tolist()):
            completion, stream = self._completions[row], self._streams[row]
            if self._over[row]:
                continue
            if token in self._ends:
                completion.finish, self._over[row] = "stop", True
                continue
            completion.tokens.append(token)
            completion.text += stream.push(token)
            self._over[row] = stream.stopped
        return torch.tensor(self._over, device=input_ids.device)

    def finished(self) -> list[Completion]:
        """What was written, once generation has ended."""
        for completion, stream in zip(self._completions, self._streams, strict=True):
            completion.text += stream.flush()
            completion.finish = "stop" if stream.stopped else completion.finish
        return self._completions
