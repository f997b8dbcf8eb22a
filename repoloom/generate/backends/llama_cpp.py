"""A GGUF file in llama.cpp (the package xllamacpp), its server run inside this process.

Keys and values are float32, attention is plain, and the sampler is ours alone (temperature, then the nucleus):
llama.cpp's own defaults round the cache to 16 bits, its flash attention rounds so that greedy tokens of one text in
twelve change, and they add top-k, min-p and penalties.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import xllamacpp
from gguf import GGUFReader

from repoloom.engine import cores
from repoloom.errors import UsageError, UserError
from repoloom.generate.backends.backend import Prompt
from repoloom.generate.backends.endpoint import seed
from repoloom.generate.backends.http import post
from repoloom.generate.backends.parallel import as_finished
from repoloom.generate.generator import Completion
from repoloom.generate.sampling import Sampling
from repoloom.stage import digest_file

_ERRORS = 1
"""Its log's level: a line for every request is no progress bar."""
_SLOTS = 8
_CONTEXT = 4096
"""Tokens of a slot, or the model's context where that is less: DeepSeek Coder's evaluation reads no more."""
_SENTINELS = ("fim_pre", "fim_suf", "fim_mid")


class LlamaCpp:
    """llama.cpp's server, spoken to in token ids, so that a text never becomes a special token."""

    def __init__(self, file: Path) -> None:
        try:
            fields = GGUFReader(file).fields
            context = int(fields[f"{fields['general.architecture'].contents()}.context_length"].contents())
        except (OSError, ValueError, KeyError, IndexError) as error:
            raise UserError(f"{file} is no GGUF model: {error}") from None
        ids = {name: fields.get(f"tokenizer.ggml.{name}_token_id") for name in ("bos", *_SENTINELS)}
        self._ids = {name: int(field.contents()) for name, field in ids.items() if field is not None}
        opens = fields.get("tokenizer.ggml.add_bos_token")
        self._opening = [self._ids["bos"]] if opens is not None and opens.contents() and "bos" in self._ids else []
        self._file, self._context = file, min(context, _CONTEXT)
        self._chats = "tokenizer.chat_template" in fields
        self.identity = digest_file(file)
        self._server = xllamacpp.Server(self._settings())
        self._url: str = self._server.listening_address

    def fits(self, prompt: Prompt, new_tokens: int) -> bool:
        """See `Backend`."""
        return len(self._prompt(prompt)) + new_tokens <= self._context

    def complete(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[tuple[int, Completion]]:
        """See `Backend`."""
        if sampling.max_tokens <= 0:
            return ((number, Completion()) for number in range(len(prompts)))
        return as_finished(lambda prompt: self._one(prompt, sampling), prompts, 2 * _SLOTS)

    def _settings(self) -> Any:
        settings = xllamacpp.CommonParams()
        settings.model.path = str(self._file)
        settings.n_parallel, settings.n_ctx = _SLOTS, _SLOTS * self._context
        settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = cores()
        settings.cache_type_k = settings.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        settings.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        settings.warmup = False
        settings.use_jinja = True
        settings.verbosity = _ERRORS
        return settings

    def _one(self, prompt: Prompt, sampling: Sampling) -> Completion:
        body = {
            "prompt": self._prompt(prompt),
            "n_predict": sampling.max_tokens,
            "temperature": max(0.0, sampling.temperature),
            "top_p": sampling.top_p,
            "samplers": ["temperature", "top_p"],
            "seed": seed(sampling.seed, prompt.key),
            "stop": [stop for stop in sampling.stop if stop],
            "return_tokens": True,
        }
        answer = post(f"{self._url}/completion", body)
        finish = "length" if answer["stop_type"] == "limit" else "stop"
        return Completion(answer["content"], answer["tokens"], finish)  # type: ignore[arg-type]

    def _prompt(self, prompt: Prompt) -> list[int]:
        if prompt.messages:
            if not self._chats:
                raise UsageError(f"{self._file}: this model has no chat template")
            rendered = post(f"{self._url}/apply-template", {"messages": list(prompt.messages)})["prompt"]
            return self._tokens(rendered, special=True)
        if prompt.suffix is None:
            return self._opening + self._tokens(prompt.prefix)
        if not all(name in self._ids for name in _SENTINELS):
            raise UsageError(f"{self._file}: this model has no fill-in-the-middle tokens")
        begin, hole, end = (self._ids[name] for name in _SENTINELS)
        return [*self._opening, begin, *self._tokens(prompt.prefix), hole, *self._tokens(prompt.suffix), end]

    def _tokens(self, text: str, special: bool = False) -> list[int]:
        body = {"content": text, "add_special": False, "parse_special": special}
        tokens: list[int] = post(f"{self._url}/tokenize", body)["tokens"]
        return tokens
