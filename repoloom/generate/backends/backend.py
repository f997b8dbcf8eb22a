"""What completes prompts, whoever made it: the one interface that evaluation knows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from repoloom.generate.generator import Completion
from repoloom.generate.sampling import Key, Sampling

Message = dict[str, str]
"""A turn: `role` (system, user, assistant) and `content`."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A text to go on with, a text with a hole, or a conversation that waits for its answer."""

    prefix: str = ""
    suffix: str | None = None
    """What stands behind the hole; None: there is none, the text is gone on with."""
    messages: tuple[Message, ...] = ()
    """The conversation, in place of a text."""
    key: Key = 0
    """What names the prompt's draws: its task and sample."""


class Backend(Protocol):
    """Tokenization and the sentinels around a hole are the backend's."""

    identity: str
    """What was opened, by content where it is a file: samples of two identities are not mixed."""

    def fits(self, prompt: Prompt, new_tokens: int) -> bool:
        """Whether the model's context holds the prompt and so many tokens behind it; True where nobody can tell."""
        ...

    def complete(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[tuple[int, Completion]]:
        """(prompt's number, completion) as each is finished.

        Raises UsageError for a hole or a conversation where the model knows none, UserError where it fails.
        """
        ...
