"""The command line: one command a stage. It parses and prints, and imports a room only when it is asked for."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from repoloom import __version__
from repoloom.errors import UsageError, UserError
from repoloom.recipe import Collect, Curate, Evaluate, Recipe, Section, TokenizerSettings
from repoloom.recipe import load as load_recipe
from repoloom.stage import forget

Settings = TypeVar("Settings", bound=Section)

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

RecipeFile = Annotated[Path, typer.Argument(help="A recipe (TOML), such as recipes/laptop.toml.", metavar="RECIPE")]
Changes = Annotated[
    list[str] | None, typer.Option("--set", help="Change one key: pretrain.minutes=20.", metavar="KEY=VALUE")
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


@app.command()
def run(recipe: RecipeFile, changes: Changes = None, out: RunFolder = None, as_json: Json = False) -> None:
    """The whole street, from repositories to a model and its report.

    Stages whose inputs have not changed are skipped; a killed run goes on where it stopped.

    repoloom run recipes/laptop.toml

    repoloom run recipes/laptop.toml --set 'collect.sources=["dir:/home/me/project"]' --out runs/mine
    """
    read = load_recipe(recipe, changes or ())
    from repoloom.run import run as walk

    done = walk(read, out or _runs(read))
    if as_json:
        instruct = None if done.instruct is None else str(done.instruct)
        _print_json({"report": str(done.report), "model": str(done.model), "model_instruct": instruct})
    else:
        print(f"report    {done.report}\nmodel     {done.model}\ninstruct  {done.instruct or 'none'}")


@app.command()
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

    manifest = work(out, _checked(Collect, sources=tuple(sources), megabytes=megabytes), seed)
    _print_counts(manifest["counts"], as_json)


@app.command()
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
    settings = _checked(
        Curate, **{**(dict(read.curate) if read else {}), **{k: v for k, v in given.items() if v is not None}}
    )
    if dry_run:
        from repoloom.curate.dry import dry_run as judge

        _print_counts(judge(shards, settings), as_json)
        return
    if out is None:
        raise UsageError("curate: give --out DIR, or --dry-run")
    from repoloom.curate import curate as work

    manifest = work(shards, out, settings, read.seed if read else 0)
    _print_counts(manifest["counts"], as_json)


@app.command()
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
        _print_json(answer)
    else:
        print(answers.render(answer).rstrip("\n"))


@app.command()
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
    method = _checked(Curate, order=by).order
    from repoloom.curate.order import order_folder

    found = order_folder(folder, method, seed)
    if as_json:
        _print_json({"files": found.files, "edges": [list(edge) for edge in found.edges]})
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


@app.command()
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

    manifest = train(documents, out, _checked(TokenizerSettings, vocabulary=vocab_size), seed)
    _print_counts(manifest["counts"], as_json=True)


@app.command()
def pack(
    documents: Annotated[Path, typer.Argument(help="The folder that `curate` wrote.")],
    tokenizer: Annotated[Path, typer.Option(help="A tokenizer's folder.")],
    out: Out,
) -> None:
    """Encode documents into a Megatron-Core indexed dataset (.bin/.idx).

    repoloom pack corpus --tokenizer tokenizer --out tokens
    """
    from repoloom.tokens.pack import pack as work

    _print_counts(work(documents, tokenizer, out)["counts"], as_json=True)


@app.command()
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
        _print_json(found)
        return
    table = Table("bytes a token", "MB", box=None, header_style="bold")
    for name in found["tokenizers"]:
        table.add_column(name, overflow="fold")
    each = [tokenizer["bytes_per_token"] for tokenizer in found["tokenizers"].values()]
    for language, size in {**found["bytes"], "all": sum(found["bytes"].values())}.items():
        table.add_row(language, f"{size / 1e6:.2f}", *(f"{of[language]:.3f}" for of in each))
    table.add_row("entries", "", *(f"{tokenizer['entries']:,}" for tokenizer in found["tokenizers"].values()))
    Console(highlight=False).print(table)


@app.command()
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
    read, folder = _run_of(recipe, changes, out)
    from repoloom.train.pretrain import pretrain as work

    first = os.environ.get("RANK", "0") == "0"  # of the processes that torchrun starts
    if not resume and first:
        forget(folder / "pretrain")
    work(folder / "pack", folder / "tokenizer", folder / "pretrain", read)
    if first:
        print(f"model  {folder / 'pretrain' / 'model'}")


@app.command()
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
        _print_json(found)
    else:
        print(show(found))


@app.command()
def tune(recipe: RecipeFile, changes: Changes = None, out: RunFolder = None) -> None:
    """Tune a run's model on instruction pairs taken from its own corpus.

    repoloom tune recipes/laptop.toml
    """
    read, folder = _run_of(recipe, changes, out)
    from repoloom.train.tune import tune as work

    work(folder / "pretrain" / "model", folder / "curate", folder / "tune", read)
    if os.environ.get("RANK", "0") == "0":  # the first of the processes that torchrun starts
        print(f"model  {folder / 'tune' / 'model'}")


@app.command()
def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            help="A model's folder, a .gguf file, or an endpoint: http://HOST/v1#MODEL (key: OPENAI_API_KEY).",
            metavar="MODEL",
        ),
    ],
    out: Out,
    benchmark: Annotated[
        list[str] | None,
        typer.Option(help="NAME or NAME:VARIANT, such as humaneval, mbpp, humaneval:instruct. Give it once for each."),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(help="NAME=PATH or NAME=hf:OWNER/NAME/FILE: a benchmark's data, where none comes with it."),
    ] = None,
    n: Annotated[int, typer.Option("--samples", help="Samples a task.")] = 1,
    temperature: Annotated[float, typer.Option(help="0 is greedy.")] = 0.0,
    top_p: Annotated[float, typer.Option(help="Share of the chances that is drawn from.")] = 1.0,
    run_folder: Annotated[
        Path | None,
        typer.Option("--run", help="A run's folder: measure on its held-out repositories and for contamination too."),
    ] = None,
    shards: Annotated[
        Path | None, typer.Option(help="A folder of collect or curate: bits per byte and infilling loss of its text.")
    ] = None,
    unsafe: Unsafe = False,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Measure a model: bits per byte, infilling, benchmarks in the sandbox; with a page of every sample.

    repoloom evaluate runs/laptop/model --benchmark humaneval --benchmark infilling-single-line --out scores

    repoloom evaluate model.gguf --benchmark humaneval-cpp --data humaneval-cpp=cpp.jsonl --samples 10 --temperature 0.2
    --out scores
    """
    pairs = [entry.partition("=") for entry in data or ()]
    if wrong := next((name for name, _, place in pairs if not name or not place), None):
        raise UsageError(f"--data {wrong}: expected NAME=PATH, such as humaneval-cpp=cpp.jsonl")
    settings = _checked(
        Evaluate,
        benchmarks=tuple(benchmark or ("humaneval",)),
        data={name: place for name, _, place in pairs},
        n=n,
        temperature=temperature,
        top_p=top_p,
    )
    from repoloom.evaluate import evaluate as work
    from repoloom.report import report as page

    manifest = work(
        model,
        out,
        settings,
        seed,
        pack=run_folder / "pack" if run_folder else None,
        curated=run_folder / "curate" if run_folder else None,
        shards=shards,
        unsafe=unsafe,
    )
    shown = page(out)
    if as_json:
        _print_json(manifest["counts"])
        return
    for line in _scores(manifest["counts"]):
        print(line)
    print(f"page  {shown}")


def _scores(counts: dict[str, Any]) -> Iterator[str]:
    """What evaluate measured, a line each."""
    for name, keys in {
        "bits_per_byte": ("model", "bigram", "xz"),
        "text": ("bits_per_byte", "psm", "prefix_only"),
    }.items():
        if "not_run" not in counts[name]:
            values = (f"{key} {counts[name][key]:.3f}" for key in keys if counts[name].get(key) is not None)
            yield f"{name.replace('_', ' '):<26} {', '.join(values)}"
    for name, found in counts["benchmarks"].items():
        if "not_run" in found:
            yield f"{name:<26} not run: {found['not_run']}"
        for measure, one in found.get("scores", {}).items():
            yield f"{name:<26} {measure:<16} {one['mean']:>6.1%}  ({one['low']:.1%} to {one['high']:.1%})"


@app.command()
def compare(
    ours: Annotated[Path, typer.Argument(help="A folder of evaluate.", metavar="SCORES")],
    theirs: Annotated[Path, typer.Argument(help="Another, with the same benchmarks.", metavar="SCORES")],
    as_json: Json = False,
) -> None:
    """Two models on the same tasks: the difference of their scores, its 95% interval, and how likely it is chance.

    repoloom compare scores-a scores-b
    """
    from repoloom.evaluate.compare import compare as work

    found = work(ours, theirs)
    if as_json:
        _print_json(found)
        return
    print(
        f"{'benchmark':<24} {'tasks':>6} {'first':>7} {'second':>7} {'difference':>11}  {'95% interval':<18} by chance"
    )
    for name, row in found.items():
        interval = f"{row['low']:+.1%} to {row['high']:+.1%}"
        print(
            f"{name:<24} {row['tasks']:>6,} {row['ours']:>7.1%} {row['theirs']:>7.1%} {row['difference']:>+11.1%}"
            f"  {interval:<18} {row['chance']:.4f}"
        )


@app.command()
def tasks(
    benchmark: BenchmarkName,
    data: TaskData = None,
    variant: Annotated[
        str | None, typer.Option(help="Prompts as this variant asks; default: as for samples made elsewhere.")
    ] = None,
    as_json: Json = False,
) -> None:
    """The tasks of a benchmark: task_id, prompt, suffix, reference, language, stop.

    repoloom tasks humaneval --json > tasks.jsonl

    repoloom tasks repobench --data runs/laptop/curate
    """
    from repoloom.tasks import load
    from repoloom.tasks import variant as way_of

    way = way_of(benchmark, variant, samples=True)
    for task in load(benchmark, data):
        prompt = way.prompts(task)[0]
        if as_json:
            row = {"task_id": task.task_id, "prompt": prompt, "suffix": task.suffix, "reference": task.reference}
            how = {"language": task.language, "stop": [*way.stop, *task.stop], "chat": way.chat}
            print(json.dumps(row | how | {"new_tokens": way.new_tokens}, ensure_ascii=False))
        else:
            print(f"== {task.task_id}\n{prompt}" + (f"\n-- suffix\n{task.suffix}" if task.suffix else ""))


@app.command()
def score(
    benchmark: BenchmarkName,
    samples: Annotated[Path, typer.Argument(help="JSON Lines: task_id, completion.", metavar="SAMPLES.jsonl")],
    data: TaskData = None,
    out: Annotated[
        Path | None, typer.Option(help="Write a row a sample here, in the same order; verdicts in it are kept.")
    ] = None,
    variant: Annotated[
        str | None, typer.Option(help="Read completions as this variant does; default: as of samples made elsewhere.")
    ] = None,
    unsafe: Unsafe = False,
    as_json: Json = False,
) -> None:
    """Judge samples made elsewhere: programs in the sandbox, texts beside the reference.

    repoloom score humaneval samples.jsonl --out verdicts.jsonl
    """
    from repoloom.evaluate.score import score as work

    summary = work(benchmark, samples, data, out, variant, unsafe=unsafe).summary
    if as_json:
        _print_json(summary)
    else:
        for name, value in summary.items():
            print(f"{name:<16} {value:.4f}" if isinstance(value, float) else f"{name:<16} {value}")


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
def report(folder: Annotated[Path, typer.Argument(help="A run's folder.", metavar="DIR")]) -> None:
    """The run as one HTML page.

    repoloom report runs/laptop
    """
    from repoloom.report import report as work

    print(work(folder))


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 the work failed, 2 bad arguments or recipe."""
    # OpenMP's threads spin while they wait for each other, and starve each other where another program has a core:
    # training was seen to fall to a tenth. Spinning shorter costs 3% on an idle machine. Read when torch is loaded.
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    # Activations in pages of 2 MB: a step was seen to fault 30,000 times in pages of 4 KB, a tenth of its time.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    try:
        app(prog_name="repoloom")
    except UserError as error:
        print(f"repoloom: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        extra = {"torch": "train", "safetensors": "train", "gguf": "train", "fastapi": "serve", "uvicorn": "serve"}
        needed = extra.get((error.name or "").partition(".")[0])
        if needed is None:
            raise
        print(f"repoloom: this command needs {error.name}: pip install 'repoloom[{needed}]'", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:  # the reader of our output left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _runs(recipe: Recipe) -> Path:
    return Path("runs") / recipe.name


def _run_of(recipe: Path, changes: list[str] | None, out: Path | None) -> tuple[Recipe, Path]:
    read = load_recipe(recipe, changes or ())
    return read, out or _runs(read)


def _checked(kind: type[Settings], **values: object) -> Settings:
    """Settings from the command line, with the recipe's own messages for what is wrong."""
    from pydantic import ValidationError

    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{first['loc'][0] if first['loc'] else kind.__name__}: {first['msg']}") from None


def _print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False))


def _print_counts(counts: dict[str, Any], as_json: bool) -> None:
    """A stage's counts: as JSON, or totals, drops by rule and languages as tables."""
    if as_json or "in" not in counts:
        _print_json(counts)
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
