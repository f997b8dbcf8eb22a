"""Weights to whoever uses them."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from repoloom.cli.options import ModelFolder
from repoloom.errors import UsageError


def complete(
    model: ModelFolder,
    place: Annotated[str, typer.Argument(help="The cursor, counted from 1.", metavar="FILE:LINE:COLUMN")],
    repo: Annotated[Path | None, typer.Option(help="The repository's root.")] = None,
) -> None:
    """Fill in at a place of a file.

    repoloom complete runs/laptop/model src/app.py:42:9
    """
    file, line, column = [*place.rsplit(":", 2), "", ""][:3]
    if not (line.isdecimal() and column.isdecimal()):
        raise UsageError(f"{place}: expected FILE:LINE:COLUMN, such as src/app.py:42:9")
    from repoloom.generate import Generator
    from repoloom.serve.complete import complete_at

    print(complete_at(Generator.load(model), Path(file), int(line), int(column), repo))


def chat(
    model: ModelFolder,
    max_tokens: Annotated[int, typer.Option(min=1, help="At most so many tokens an answer.")] = 256,
    temperature: Annotated[float, typer.Option(min=0, help="0 is greedy.")] = 0.0,
) -> None:
    """Talk to an instruct model, a line at a time; end with Ctrl-D.

    repoloom chat runs/laptop/model-instruct

    echo 'Write a function that adds two numbers.' | repoloom chat runs/laptop/model-instruct
    """
    from repoloom.generate import Generator
    from repoloom.serve.chat import converse

    converse(Generator.load(model), sys.stdin, max_tokens=max_tokens, temperature=temperature)


def serve(
    model: ModelFolder,
    repo: Annotated[Path | None, typer.Option(help="The repository that is edited.")] = None,
    host: Annotated[str, typer.Option(help="0.0.0.0 opens it to the network.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8000,
) -> None:
    """Answer OpenAI's /v1/completions (with suffix) and /v1/chat/completions.

    repoloom serve runs/laptop/model --port 8000
    """
    from repoloom.serve.app import serve as work

    work(model, repo, host, port)


def export(
    model: ModelFolder,
    to: Annotated[str, typer.Option(help="huggingface (a folder) or gguf (a file for llama.cpp).")],
    out: Annotated[Path, typer.Option(help="Where to write.")],
) -> None:
    """Write a model as another program wants it.

    repoloom export runs/laptop/model --to gguf --out model.gguf
    """
    from repoloom.model.export import export as work

    work(model, to, out)
    print(out)
