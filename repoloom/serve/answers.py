"""How answers look: OpenAI's JSON for a whole one, its server-sent events for one that is written as it comes."""

import json
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from repoloom.errors import UserError
from repoloom.generate import Completion
from repoloom.serve.protocol import error_body
from repoloom.serve.turns import Piece

Json = dict[str, Any]
Pieces = AsyncGenerator[Piece, None]


@dataclass(frozen=True, slots=True)
class Shape:
    """What differs between completions and chat completions."""

    id: str
    whole: str
    """`object` of a whole answer."""
    chunk: str
    """`object` of an event."""
    choice: Callable[[str], Json]
    """A choice's text in a whole answer."""
    delta: Callable[[str | None, bool], Json]
    """A choice's new text in an event (None: no more), and whether it is the first."""


def _chat_delta(text: str | None, first: bool) -> Json:
    role = {"role": "assistant"} if first else {}
    return {"delta": role if text is None else role | {"content": text}}


COMPLETION = Shape(
    "cmpl", "text_completion", "text_completion", lambda text: {"text": text}, lambda text, _: {"text": text or ""}
)
CHAT = Shape(
    "chatcmpl",
    "chat.completion",
    "chat.completion.chunk",
    lambda text: {"message": {"role": "assistant", "content": text, "refusal": None}},
    _chat_delta,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to be: its shape, the model's name, and the number of tokens that the prompts have."""

    shape: Shape
    model: str
    prompt_tokens: int

    async def whole(self, pieces: Pieces) -> Json | None:
        """The answer once everything is written; None if the client left before."""
        texts: list[str] = []
        choices: list[Json] = []
        tokens = 0
        async with aclosing(pieces):
            async for piece in pieces:
                texts.append(piece.text)
                if piece.done is not None:
                    choice = self.shape.choice("".join(texts))
                    choices.append(self._choice(piece.index, choice, piece.done.finish))
                    tokens += len(piece.done.tokens)
                    texts.clear()
        if not choices or texts:
            return None
        return self._frame(self.shape.whole) | {"choices": choices, "usage": self._usage(tokens)}

    async def events(self, pieces: Pieces, *, usage: bool) -> AsyncGenerator[str, None]:
        """The answer as server-sent events, `[DONE]` at its end; an error that comes in between is an event too."""
        frame = self._frame(self.shape.chunk) | ({"usage": None} if usage else {})
        tokens = 0
        begun: set[int] = set()
        try:
            async with aclosing(pieces):
                async for piece in pieces:
                    text = None if piece.done else piece.text
                    delta = self.shape.delta(text, piece.index not in begun)
                    begun.add(piece.index)
                    finish = None if piece.done is None else piece.done.finish
                    yield _event(frame | {"choices": [self._choice(piece.index, delta, finish)]})
                    tokens += _count(piece.done)
            if usage:
                yield _event(frame | {"choices": [], "usage": self._usage(tokens)})
        except UserError as problem:
            yield _event(error_body(400, str(problem)))
        except Exception:
            logging.getLogger("uvicorn.error").exception("a streamed answer failed")
            yield _event(error_body(500, "the server failed: its log says how"))
        yield "data: [DONE]\n\n"

    def _frame(self, kind: str) -> Json:
        name = f"{self.shape.id}-{secrets.token_hex(12)}"
        return {"id": name, "object": kind, "created": int(time.time()), "model": self.model}

    def _usage(self, tokens: int) -> Json:
        total = self.prompt_tokens + tokens
        return {"prompt_tokens": self.prompt_tokens, "completion_tokens": tokens, "total_tokens": total}

    @staticmethod
    def _choice(index: int, content: Json, finish: str | None) -> Json:
        return {"index": index, **content, "logprobs": None, "finish_reason": finish}


def _count(done: Completion | None) -> int:
    return 0 if done is None else len(done.tokens)


def _event(value: Json) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"
