"""Repositories to packed tokens."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from repoloom.cli.options import Json, Out, Seed, checked, print_counts, print_json
from repoloom.errors import UsageError
from repoloom.recipe import Collect, Curate, TokenizerSettings
from repoloom.recipe import load as load_recipe


def collect(
    sources: Annotated[list[str], typer.Argument(help="installed: | installed:NAME,... | dir:PATH | git+file:PATH")],
    out: Out,
    seed: Seed = 0,
    megabytes: Annotated[float | None, typer.Option(help="At most this much in all, repositories by seed.")] = None,
    as_json: Json = False,
) -> None:
    """Sources to shards: one row a file, nothing executed.

    repoloom collect dir:/home/me/project git+file:/srv/git/other.git --out shards
    """
    from repoloom.collect import collect as work

    manifest = work(out, checked(Collect, sources=tuple(sources), megabytes=megabytes), seed)
    print_counts(manifest["counts"], as_json)


def curate(
    shards: Annotated[Path, typer.Argument(help="The folder that `collect` wrote.")],
    out: Annotated[Path | None, typer.Option(help="The folder to write; an interrupted run in it is resumed.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="A recipe whose [curate] table holds.")] = None,
    rules: Annotated[str | None, typer.Option(help="repoloom, deepseek, starcoder2 or opencoder.")] = None,
    compilers: Annotated[bool, typer.Option("--compilers", help="Ask the installed compilers too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what the rules would drop; write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Filter, deduplicate, screen, decontaminate and order: shards to training documents, with a ledger.

    repoloom curate shards --out corpus

    repoloom curate shards --rules starcoder2 --dry-run
    """
    read = load_recipe(recipe) if recipe else None
    given = {"rules": rules, "compilers": compilers or None}
    settings = checked(
        Curate, **{**(dict(read.curate) if read else {}), **{k: v for k, v in given.items() if v is not None}}
    )
    if dry_run:
        from repoloom.curate.dry import dry_run as judge

        print_counts(judge(shards, settings), as_json)
        return
    if out is None:
        raise UsageError("curate: give --out DIR, or --dry-run")
    from repoloom.curate import curate as work

    manifest = work(shards, out, settings, read.seed if read else 0)
    print_counts(manifest["counts"], as_json)


def explain(
    folder: Annotated[Path, typer.Argument(help="A run's or a curate stage's folder.", metavar="DIR")],
    target: Annotated[str, typer.Argument(help="A repository, or a file in it.", metavar="REPO[/PATH]")],
    as_json: Json = False,
) -> None:
    """Why a file or repository was kept or dropped, with measures; its place in the order.

    repoloom explain runs/laptop sympy/sympy/core/add.py
    """
    from repoloom.curate import explain as answers

    answer = answers.explain(folder, target)
    if as_json:
        print_json(answer)
    else:
        print(answers.render(answer).rstrip("\n"))


def order(
    folder: Annotated[Path, typer.Argument(help="A folder that holds one repository.", metavar="DIR")],
    by: Annotated[str, typer.Option(help="topological, deepseek (as published) or shuffle.")] = "topological",
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """The files of a repository in dependency order, and the edges found.

    repoloom order ~/project

    repoloom order ~/project --json | jq '.edges[]'
    """
    method = checked(Curate, order=by).order
    from repoloom.curate.order import order_folder

    found = order_folder(folder, method, seed)
    if as_json:
        print_json({"files": found.files, "edges": [list(edge) for edge in found.edges]})
    else:
        uses: dict[str, int] = {}
        for user, _ in found.edges:
            uses[user] = uses.get(user, 0) + 1
        for path in found.files:
            print(f"{uses.get(path, 0):>5}  {json.dumps(path)[1:-1]}")
        place = {path: n for n, path in enumerate(found.files)}
        forward = sum(place[used] < place[user] for user, used in found.edges if user in place and used in place)
        print(
            f"{len(found.files)} files, {len(found.edges)} edges, {forward} of them honoured by this order; "
            "the number before a file: files it uses"
        )


def tokenizer(
    documents: Annotated[Path, typer.Argument(help="The folder that `curate` wrote.")],
    out: Out,
    vocab_size: Annotated[int, typer.Option(help="Entries learnt, without the special tokens.")] = 32_000,
    seed: Seed = 0,
) -> None:
    """Train a byte-level BPE tokenizer on documents.

    repoloom tokenizer corpus --vocab-size 16000 --out tokenizer
    """
    from repoloom.tokens.tokenizer import train

    manifest = train(documents, out, checked(TokenizerSettings, vocabulary=vocab_size), seed)
    print_counts(manifest["counts"], as_json=True)


def pack(
    documents: Annotated[Path, typer.Argument(help="The folder that `curate` wrote.")],
    tokenizer: Annotated[Path, typer.Option(help="A tokenizer's folder.")],
    out: Out,
) -> None:
    """Encode documents into a Megatron-Core indexed dataset (.bin/.idx).

    repoloom pack corpus --tokenizer tokenizer --out tokens
    """
    from repoloom.tokens.pack import pack as work

    print_counts(work(documents, tokenizer, out)["counts"], as_json=True)


def tokens(
    corpus: Annotated[Path, typer.Argument(help="The folder that `curate` wrote; what it held out is encoded.")],
    tokenizers: Annotated[
        list[str],
        typer.Argument(
            help="A tokenizer's folder or tokenizer.json, a file such as cl100k_base.tiktoken, or a name that tiktoken "
            "knows, such as gpt2.",
            metavar="TOKENIZER...",
        ),
    ],
    as_json: Json = False,
) -> None:
    """Bytes a token by language, of tokenizers side by side.

    repoloom tokens runs/laptop/curate runs/laptop/tokenizer gpt2 cl100k_base
    """
    from repoloom.tokens.compare import compare

    found = compare(corpus, tokenizers)
    if as_json:
        print_json(found)
        return
    table = Table("bytes a token", "MB", box=None, header_style="bold")
    for name in found["tokenizers"]:
        table.add_column(name, overflow="fold")
    each = [tokenizer["bytes_per_token"] for tokenizer in found["tokenizers"].values()]
    for language, size in {**found["bytes"], "all": sum(found["bytes"].values())}.items():
        table.add_row(language, f"{size / 1e6:.2f}", *(f"{of[language]:.3f}" for of in each))
    table.add_row("entries", "", *(f"{tokenizer['entries']:,}" for tokenizer in found["tokenizers"].values()))
    Console(highlight=False).print(table)
