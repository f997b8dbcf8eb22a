"""The command line: one command a stage. It parses and prints, and imports a room only when it is asked for."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from repoloom import __version__
from repoloom.cli import data, scores, serving, training
from repoloom.cli.options import Changes, Json, RecipeFile, RunFolder, print_json, runs
from repoloom.errors import UserError
from repoloom.progress import say
from repoloom.recipe import load as load_recipe

app = typer.Typer(
    name="repoloom",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Repositories in, code models out: a curated corpus, a tokenizer, a model, its scores and a server.\n\n"
    "repoloom run recipes/laptop.toml",
)


def _version(asked: bool) -> None:
    if asked:
        print(f"repoloom {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    pass


def run(recipe: RecipeFile, changes: Changes = None, out: RunFolder = None, as_json: Json = False) -> None:
    """The whole street, from repositories to a model and its report.

    Stages whose inputs have not changed are skipped; a killed run goes on where it stopped.

    repoloom run recipes/laptop.toml

    repoloom run recipes/laptop.toml --set 'collect.sources=["dir:/home/me/project"]' --out runs/mine
    """
    read = load_recipe(recipe, changes or ())
    from repoloom.run import run as walk

    done = walk(read, out or runs(read))
    if as_json:
        instruct = None if done.instruct is None else str(done.instruct)
        print_json({"report": str(done.report), "model": str(done.model), "model_instruct": instruct})
    else:
        print(f"report    {done.report}\nmodel     {done.model}\ninstruct  {done.instruct or 'none'}")


def report(folder: Annotated[Path, typer.Argument(help="A run's folder.", metavar="DIR")]) -> None:
    """The run as one HTML page.

    repoloom report runs/laptop
    """
    from repoloom.report import report as work

    print(work(folder))


for command in (
    run,
    data.collect, data.curate, data.explain, data.order, data.tokenizer, data.pack, data.tokens,
    training.pretrain, training.plan, training.tune,
    scores.evaluate, scores.compare, scores.tasks, scores.score,
    serving.complete, serving.chat, serving.serve, serving.export,
    report,
):  # fmt: skip
    app.command()(command)


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 the work failed, 2 bad arguments or recipe."""
    # OpenMP's threads spin while they wait for each other, and starve each other where another program has a core:
    # training was seen to fall to a tenth. Spinning shorter costs 3% on an idle machine. Read when torch is loaded.
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    try:
        app(prog_name="repoloom")
    except UserError as error:
        say(f"repoloom: {error}")
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        extra = {"torch": "train", "safetensors": "train", "gguf": "train", "fastapi": "serve", "uvicorn": "serve"}
        needed = extra.get((error.name or "").partition(".")[0])
        if needed is None:
            raise
        say(f"repoloom: this command needs {error.name}: pip install 'repoloom[{needed}]'")
        sys.exit(1)
    except BrokenPipeError:  # the reader of our output left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
