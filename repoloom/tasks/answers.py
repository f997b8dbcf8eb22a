"""What of a completion counts: the text before a stop text, or the code in a fenced block."""

import re
from collections.abc import Sequence


def cut(text: str, stop: Sequence[str]) -> str:
    """The text before the first of the stop texts."""
    places = (text.find(word) for word in stop)
    return text[: min((place for place in places if place >= 0), default=len(text))]


def fenced(text: str, name: str) -> str | None:
    """The inside of the first block fenced as code of this name, in any case of letters; None where there is none."""
    found = re.search(rf"```{re.escape(name)}\n(.*?)```", text, re.DOTALL | re.IGNORECASE)
    return None if found is None else found[1]


def one_prompt(prompt: str) -> tuple[str, ...]:
    """A prompt that has no shorter form."""
    return (prompt,)
