"""Whatever completes prompts, opened by what it is: a folder, a GGUF file, or the URL of an endpoint."""

import importlib.util
import json
from pathlib import Path

from repoloom.errors import UsageError, UserError
from repoloom.generate.backends.backend import Backend, Message, Prompt

__all__ = ["Backend", "Message", "Prompt", "open"]


def open(model: str) -> Backend:
    """The backend for `model`.

    - a Hugging Face folder: our engine where the network is ours to run (Llama architecture), else transformers;
    - FILE.gguf: llama.cpp, from the package `xllamacpp`;
    - http(s)://HOST/v1#MODEL: an OpenAI-compatible endpoint, its key in the environment variable OPENAI_API_KEY.

    Raises UsageError where it is none of them, UserError where it cannot be read.
    """
    if model.startswith(("http://", "https://")):
        from repoloom.generate.backends.endpoint import Endpoint

        return Endpoint(model)
    path = Path(model)
    if path.suffix == ".gguf":
        _needs("xllamacpp", "a GGUF file")
        from repoloom.generate.backends.llama_cpp import LlamaCpp

        return LlamaCpp(path)
    if not path.is_dir():
        raise UsageError(f"{model}: expected a model's folder, a .gguf file, or http(s)://HOST/v1#MODEL")
    if _is_llama(path):
        from repoloom.generate.backends.ours import Ours

        return Ours(path)
    _needs("transformers", f"{model}, which is no Llama model in one model.safetensors,")
    from repoloom.generate.backends.other import Other

    return Other(path)


def _is_llama(folder: Path) -> bool:
    """Whether our network is tried: its error then says what it lacks. Sharded weights are left to transformers."""
    try:
        kind = json.loads((folder / "config.json").read_text("utf-8"))["model_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder} is no model folder: cannot read config.json ({error})") from None
    return bool(kind == "llama") and not (folder / "model.safetensors.index.json").exists()


def _needs(package: str, what: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise UserError(f"{what} needs the package {package}: pip install {package}")
