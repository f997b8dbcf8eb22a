"""Weights to scores."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from repoloom.cli.options import BenchmarkName, Json, Out, Seed, TaskData, Unsafe, checked, print_json
from repoloom.errors import UsageError
from repoloom.recipe import Evaluate


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
    settings = checked(
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
        print_json(manifest["counts"])
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
        print_json(found)
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
        print_json(summary)
    else:
        for name, value in summary.items():
            print(f"{name:<16} {value:.4f}" if isinstance(value, float) else f"{name:<16} {value}")
