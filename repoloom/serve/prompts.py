"""From a request's texts to the token ids that the model goes on from, as training showed them to it."""

from collections.abc import Sequence
from pathlib import Path

from repoloom.errors import UsageError
from repoloom.languages import HEAD, detect, header
from repoloom.tokens import chat, fim
from repoloom.tokens.tokenizer import Tokenizer


def completion(tokenizer: Tokenizer, prompt: str, suffix: str | None) -> list[int]:
    """BOS and the text; with a suffix that is not empty, a fill-in prompt. Raises UsageError where there is no FIM."""
    if suffix:
        if tokenizer.fim_begin is None:
            raise UsageError("suffix: this model has no fill-in-the-middle tokens")
        return fim.prompt(tokenizer, prompt, suffix)
    begin = [] if tokenizer.bos is None else [tokenizer.bos]
    return begin + tokenizer.encode(prompt)


def conversation(tokenizer: Tokenizer, messages: Sequence[dict[str, str]]) -> list[int]:
    """A conversation that waits for its next answer. Raises UserError for a role that the template lacks."""
    return chat.encode(tokenizer, messages)


def with_path(prompt: str, path: str, repo: Path | None) -> str:
    """The prompt below the comment line with its file's path that opens every file in training.

    An absolute path is shown from `repo` on. Raises UsageError for one outside of it.
    """
    place = Path(path)
    if place.is_absolute():
        if repo is None or not place.is_relative_to(repo.resolve()):
            raise UsageError("path: must be relative, or lie in the folder that the server was given as --repo")
        place = place.relative_to(repo.resolve())
    language = detect(place.as_posix(), prompt[:HEAD])
    return prompt if language is None else header(place.as_posix(), language) + prompt
