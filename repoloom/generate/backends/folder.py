"""From a prompt to token ids as a model's folder wants them: its opening token, its sentinels, its chat template."""

import json
from pathlib import Path
from typing import Any, NoReturn

import tokenizers
from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from repoloom.errors import UsageError, UserError
from repoloom.generate.backends.backend import Message, Prompt
from repoloom.stage import digest_file, digest_json
from repoloom.tokens import chat, fim
from repoloom.tokens.tokenizer import CONFIG, FILE, Tokenizer

_TEMPLATE = "chat_template.jinja"


class Folder:
    """The tokenizer's half of a Hugging Face folder."""

    def __init__(self, folder: Path, tokenizer: Tokenizer) -> None:
        files = sorted(file for file in folder.iterdir() if file.suffix in {".json", ".jinja", ".safetensors"})
        self.identity = digest_json([(file.name, digest_file(file)) for file in files])
        self._tokenizer = tokenizer
        self._whole = tokenizers.Tokenizer.from_file(str(folder / FILE))
        self._settings: dict[str, Any] = json.loads((folder / CONFIG).read_text("utf-8")) if _has(folder) else {}
        self._template = self._settings.get("chat_template")
        if (folder / _TEMPLATE).exists():
            self._template = (folder / _TEMPLATE).read_text("utf-8")
        self._opening: list[int] = self._whole.encode("").ids
        """What the folder's own post-processor puts before a text: BOS, or nothing."""

    def ids(self, prompt: Prompt) -> list[int]:
        """The ids that the model goes on from. Raises UsageError for a hole or a conversation that it does not know."""
        if prompt.messages:
            return self._conversation(list(prompt.messages))
        if prompt.suffix is None:
            return self._opening + self._tokenizer.encode(prompt.prefix)
        if self._tokenizer.fim_begin is None:
            raise UsageError(f"{self._tokenizer.folder}: this model has no fill-in-the-middle tokens")
        return fim.prompt(self._tokenizer, prompt.prefix, prompt.suffix)

    def _conversation(self, messages: list[Message]) -> list[int]:
        if self._template == chat.TEMPLATE:
            return chat.encode(self._tokenizer, messages)
        if not isinstance(self._template, str):
            raise UsageError(f"{self._tokenizer.folder}: this model has no chat template")
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.globals["raise_exception"] = _refuse
        names = {key: _content(value) for key, value in self._settings.items() if key.endswith("_token")}
        try:
            text = environment.from_string(self._template).render(
                messages=messages, add_generation_prompt=True, **names
            )
        except TemplateError as error:
            raise UserError(f"{self._tokenizer.folder}: its chat template fails: {error}") from None
        ids: list[int] = self._whole.encode(text, add_special_tokens=False).ids
        return ids


def _has(folder: Path) -> bool:
    return (folder / CONFIG).exists()


def _content(value: Any) -> Any:
    return value.get("content") if isinstance(value, dict) else value


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)
