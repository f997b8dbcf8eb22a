"""What several commands share: arguments, settings read from them, and how a result is printed."""

import json
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from repoloom.errors import UsageError
from repoloom.recipe import Recipe, Section
from repoloom.recipe import load as load_recipe

Settings = TypeVar("Settings", bound=Section)

RecipeFile = Annotated[Path, typer.Argument(help="A recipe (TOML), such as recipes/laptop.toml.", metavar="RECIPE")]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change one key: pretrain.minutes=20. As often as needed.", metavar="KEY=VALUE"),
]
Out = Annotated[Path, typer.Option("--out", help="The folder to write; an interrupted run in it is resumed.")]
RunFolder = Annotated[Path | None, typer.Option("--out", help="The run's folder. Default: runs/NAME of the recipe.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for scripts.")]
ModelFolder = Annotated[Path, typer.Argument(help="A model's folder, such as runs/laptop/model.", metavar="MODEL")]
BenchmarkName = Annotated[str, typer.Argument(help="Such as humaneval, humaneval-cpp, mbpp, infilling-single-line.")]
TaskData = Annotated[
    str | None,
    typer.Option(help="The benchmark's tasks from this file, or hf:OWNER/NAME/FILE of the hub.", metavar="PATH"),
]
Unsafe = Annotated[
    bool, typer.Option("--unsafe-no-sandbox", help="Run programs where there is no sandbox, on your own account.")
]
Seed = Annotated[int, typer.Option(help="What is random is keyed by it.")]


def runs(recipe: Recipe) -> Path:
    """Where a run goes if nobody says where."""
    return Path("runs") / recipe.name


def run_of(recipe: Path, changes: list[str] | None, out: Path | None) -> tuple[Recipe, Path]:
    """A recipe, changed as `--set` says, and the folder of its run."""
    read = load_recipe(recipe, changes or ())
    return read, out or runs(read)


def checked(kind: type[Settings], **values: object) -> Settings:
    """Settings from the command line, with the recipe's own messages for what is wrong."""
    from pydantic import ValidationError

    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{first['loc'][0] if first['loc'] else kind.__name__}: {first['msg']}") from None


def print_json(value: object) -> None:
    """One line for a script to read."""
    print(json.dumps(value, ensure_ascii=False))


def print_counts(counts: dict[str, Any], as_json: bool) -> None:
    """A stage's counts: as JSON, or totals, drops by rule and languages as tables."""
    if as_json or "in" not in counts:
        print_json(counts)
        return
    console = Console(highlight=False)
    totals = Table("", "repositories", "files", "MB", box=None, header_style="bold")
    for name in ("in", "kept", "heldout"):
        if name in counts:
            totals.add_row(name, *_row(counts[name]))
    console.print(totals)
    for title, key in (("dropped by", "dropped"), ("language", "languages")):
        table = Table(title, "files", "MB", box=None, header_style="bold")
        for name, of in sorted(counts[key].items(), key=lambda item: -_bytes(item[1])):
            files = of.get("kept_files", of.get("files", 0))
            table.add_row(name, f"{files:,}", f"{_bytes(of) / 1e6:.2f}")
        console.print(table)


def _row(of: dict[str, int]) -> tuple[str, str, str]:
    return f"{of['repositories']:,}" if "repositories" in of else "", f"{of['files']:,}", f"{of['bytes'] / 1e6:.2f}"


def _bytes(of: dict[str, int]) -> int:
    return of.get("kept_bytes", of.get("bytes", 0))
