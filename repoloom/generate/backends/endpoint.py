"""An OpenAI-compatible endpoint: /completions for texts (`suffix` for a hole), /chat/completions for conversations."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urldefrag, urlsplit

from repoloom.errors import UsageError, UserError
from repoloom.generate.backends.backend import Prompt
from repoloom.generate.backends.http import post
from repoloom.generate.backends.parallel import as_finished
from repoloom.generate.generator import Completion
from repoloom.generate.sampling import Key, Sampling

KEY = "OPENAI_API_KEY"
"""The environment variable that holds the key; it is sent to the endpoint and shown nowhere."""

_AT_A_TIME = 8
_MOST_STOPS = 4
"""OpenAI takes no more; the others are looked for in the answer."""


class Endpoint:
    """Draws are the server's: it is sent a seed for each prompt, and may or may not heed it."""

    def __init__(self, url: str) -> None:
        """`url`: http(s)://HOST/v1#MODEL."""
        base, model = urldefrag(url)
        if not model or not urlsplit(base).hostname:
            raise UsageError(f"{base}: name the endpoint's model behind a #, as in http://localhost:8000/v1#MODEL")
        self._base, self._model = base.rstrip("/"), model
        self._key = os.environ.get(KEY)
        self.identity = f"{self._base}#{model}"

    def fits(self, prompt: Prompt, new_tokens: int) -> bool:
        """See `Backend`: an endpoint does not say."""
        return True

    def complete(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[tuple[int, Completion]]:
        """See `Backend`. The tokens are not known, so a completion has none."""
        return as_finished(lambda prompt: self._one(prompt, sampling), prompts, _AT_A_TIME)

    def _one(self, prompt: Prompt, sampling: Sampling) -> Completion:
        body: dict[str, Any] = {
            "model": self._model,
            "max_tokens": sampling.max_tokens,
            "temperature": max(0.0, sampling.temperature),
            "top_p": sampling.top_p,
            "seed": seed(sampling.seed, prompt.key),
        }
        if sampling.stop:
            body["stop"] = list(sampling.stop[:_MOST_STOPS])
        if prompt.messages:
            body["messages"] = list(prompt.messages)
        else:
            body |= {"prompt": prompt.prefix} | ({} if prompt.suffix is None else {"suffix": prompt.suffix})
        url = f"{self._base}/{'chat/' if prompt.messages else ''}completions"
        answer = post(url, body, self._key)
        try:
            choice = answer["choices"][0]
            text = (choice["message"]["content"] if prompt.messages else choice["text"]) or ""
            finish = "length" if choice["finish_reason"] == "length" else "stop"
            assert isinstance(text, str)
        except (LookupError, TypeError, AssertionError):
            raise UserError(f"{url} answered no completion: {str(answer)[:200]}") from None
        places = [text.find(stop) for stop in sampling.stop if stop and stop in text]
        if places:
            text, finish = text[: min(places)], "stop"
        return Completion(text, finish=finish)  # type: ignore[arg-type]


def seed(of_run: int, key: Key) -> int:
    """A prompt's own seed for a server that draws by itself, 31 bits."""
    return int.from_bytes(hashlib.blake2b(f"{of_run}/{key}".encode(), digest_size=4).digest(), "big") >> 1
