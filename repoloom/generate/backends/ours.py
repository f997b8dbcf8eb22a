"""Our own engine behind the common interface."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from repoloom.generate.backends.backend import Prompt
from repoloom.generate.backends.folder import Folder
from repoloom.generate.generator import Completion, Generator
from repoloom.generate.sampling import Sampling


class Ours:
    """A Hugging Face folder of Llama architecture."""

    def __init__(self, folder: Path) -> None:
        self.generator = Generator.load(folder)
        self._folder = Folder(folder, self.generator.tokenizer)
        self.identity = self._folder.identity

    def fits(self, prompt: Prompt, new_tokens: int) -> bool:
        """See `Backend`."""
        return len(self._folder.ids(prompt)) + new_tokens <= self.generator.model.config.context

    def complete(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[tuple[int, Completion]]:
        """See `Backend`."""
        ids = [self._folder.ids(prompt) for prompt in prompts]
        return self.generator.each(ids, sampling, [prompt.key for prompt in prompts])
