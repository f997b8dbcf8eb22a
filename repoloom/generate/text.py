"""Tokens become text as they come: only whole characters go out, and nothing from a stop text on."""

from collections.abc import Sequence

from repoloom.tokens.tokenizer import Tokenizer

_BROKEN = "�"


class TextStream:
    """The text of one completion, token by token.

    A token may end inside a character, and with some tokenizers a token's text depends on the ones before: so the
    tokens since the last whole character are decoded together with a few already written ones, and the difference is
    new. Text that may be the beginning of a stop text is held back until the next tokens tell.
    """

    def __init__(self, tokenizer: Tokenizer, stop: Sequence[str]) -> None:
        self.stopped = False
        """Whether a stop text appeared."""
        self._tokenizer = tokenizer
        self._stop = [text for text in stop if text]
        self._tokens: list[int] = []
        self._context, self._written = 0, 0  # tokens from _context to _written are decoded for the sake of the next
        self._held = ""

    def push(self, token: int) -> str:
        """The text that `token` completes: may be empty."""
        self._tokens.append(token)
        before = self._tokenizer.decode(self._tokens[self._context : self._written])
        after = self._tokenizer.decode(self._tokens[self._context :])
        if after.endswith(_BROKEN):
            return ""
        self._context, self._written = self._written, len(self._tokens)
        return self._release(after[len(before) :])

    def flush(self) -> str:
        """What is still held at the end, less an unfinished character."""
        before = self._tokenizer.decode(self._tokens[self._context : self._written])
        rest = self._tokenizer.decode(self._tokens[self._context :])[len(before) :].rstrip(_BROKEN)
        self._context = self._written = len(self._tokens)
        text = self._release(rest)
        text, self._held = text + self._held, ""
        return text

    def _release(self, new: str) -> str:
        if self.stopped:
            return ""
        text = self._held + new
        found = [(place + len(stop), place) for stop in self._stop if (place := text.find(stop)) >= 0]
        if found:
            self.stopped, self._held = True, ""
            return text[: min(found)[1]]  # the stop text that was complete first, however the tokens were cut
        held = max((_overlap(text, stop) for stop in self._stop), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]


def _overlap(text: str, stop: str) -> int:
    """The length of the longest proper beginning of `stop` with which `text` ends."""
    return next((size for size in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:size])), 0)
