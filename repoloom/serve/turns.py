"""One generation at a time: torch's threads are the machine's, and two at once would only slow each other down."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from collections.abc import Generator as Stream
from dataclasses import dataclass, replace

from anyio import to_thread
from starlette.requests import Request

from repoloom.generate import Completion, Generator, Sampling


@dataclass(frozen=True, slots=True)
class Piece:
    """New text of the prompt numbered `index`; `done` comes with its last piece."""

    index: int
    text: str
    done: Completion | None = None


class Turns:
    """Requests take their turn; one whose client has gone stops at the next token."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._turn = asyncio.Lock()

    async def write(
        self, request: Request, prompts: Sequence[list[int]], sampling: Sampling
    ) -> AsyncGenerator[Piece, None]:
        """The texts after `prompts`, one prompt after the other, as they are written. Ends early, without `done`, when
        the client disconnects.
        """
        async with self._turn:
            for index, prompt in enumerate(prompts):
                # Equal prompts of one request get draws of their own.
                stream = self._generator.stream(prompt, replace(sampling, seed=sampling.seed + index))
                try:
                    piece = Piece(index, "")
                    while piece.done is None:
                        if await request.is_disconnected():
                            return
                        piece = await to_thread.run_sync(_next, stream, index)
                        yield piece
                finally:
                    stream.close()


def _next(stream: Stream[str, None, Completion], index: int) -> Piece:
    try:
        return Piece(index, next(stream))
    except StopIteration as end:
        return Piece(index, "", end.value)
