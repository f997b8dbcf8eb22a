"""Tokens to weights."""

import os
from typing import Annotated

import typer

from repoloom.cli.options import Changes, Json, RecipeFile, RunFolder, print_json, run_of
from repoloom.recipe import load as load_recipe
from repoloom.stage import forget


def pretrain(
    recipe: RecipeFile,
    changes: Changes = None,
    out: RunFolder = None,
    resume: Annotated[bool, typer.Option(help="Go on with an interrupted run (the default), or start anew.")] = True,
) -> None:
    """Train a model on the packed tokens of a run.

    repoloom pretrain recipes/laptop.toml --set pretrain.minutes=60

    torchrun --nproc-per-node 8 -m repoloom pretrain recipes/laptop.toml
    """
    read, folder = run_of(recipe, changes, out)
    from repoloom.train.pretrain import pretrain as work

    first = os.environ.get("RANK", "0") == "0"  # of the processes that torchrun starts
    if not resume and first:
        forget(folder / "pretrain")
    work(folder / "pack", folder / "tokenizer", folder / "pretrain", read)
    if first:
        print(f"model  {folder / 'pretrain' / 'model'}")


def plan(
    recipe: RecipeFile,
    changes: Changes = None,
    on: Annotated[str, typer.Option("--on", help="here, or a number and one of A100, H100, H800, H200.")] = "here",
    mfu: Annotated[
        float | None, typer.Option(min=0.01, max=1.0, help="The share of the peak that training will reach.")
    ] = None,
    price: Annotated[float | None, typer.Option(min=0, help="Dollars for one device and hour.")] = None,
    as_json: Json = False,
) -> None:
    """What pretraining takes: parameters, operations, memory a rank, tokens/s, days and cost.

    repoloom plan recipes/laptop.toml

    repoloom plan recipes/laptop.toml --on 8xH100 --mfu 0.45 --price 2.5
    """
    from repoloom.plan import plan as work
    from repoloom.plan import show

    found = work(load_recipe(recipe, changes or ()), on, mfu, price)
    if as_json:
        print_json(found)
    else:
        print(show(found))


def tune(recipe: RecipeFile, changes: Changes = None, out: RunFolder = None) -> None:
    """Tune a run's model on instruction pairs taken from its own corpus.

    repoloom tune recipes/laptop.toml
    """
    read, folder = run_of(recipe, changes, out)
    from repoloom.train.tune import tune as work

    work(folder / "pretrain" / "model", folder / "curate", folder / "tune", read)
    if os.environ.get("RANK", "0") == "0":  # the first of the processes that torchrun starts
        print(f"model  {folder / 'tune' / 'model'}")
