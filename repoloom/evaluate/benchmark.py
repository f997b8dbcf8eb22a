"""Run a benchmark by its contract (`tasks.task`): ask a model, judge what it wrote, say how far to trust the score.

Samples are written one by one as they are made, verdicts as they are known: what was killed goes on where it was.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from repoloom import recipe, tasks
from repoloom.errors import UsageError
from repoloom.evaluate import contamination, metrics
from repoloom.evaluate.score import obstacle, score
from repoloom.generate import Sampling, samples
from repoloom.generate.backends import Backend, Prompt
from repoloom.progress import say
from repoloom.sandbox import probe
from repoloom.stage import atomic_write
from repoloom.tasks import Task, Variant

WORK = "work"

_KS = (1, 10, 100)
_MADE_FROM = ("repo_name", "repository", "task_id")
"""Keys of a row that name what its task was made from, where several tasks were made from one thing."""

Found = dict[str, Any]


def named(entry: str) -> tuple[str, str, Variant]:
    """Benchmark, variant's name and variant of `NAME` or `NAME:VARIANT`. Raises UsageError where there is none."""
    benchmark, _, chosen = entry.partition(":")
    way = tasks.variant(benchmark, chosen or None)
    return benchmark, chosen or next(iter(tasks.find(benchmark).variants)), way


def check(settings: recipe.Evaluate) -> None:
    """Raises UsageError for a benchmark whose data is missing, before anything is measured."""
    for entry in settings.benchmarks:
        benchmark, _, _ = named(entry)
        if benchmark not in settings.data and tasks.find(benchmark).data is None:
            tasks.load(benchmark)


def run(
    backend: Backend,
    entry: str,
    settings: recipe.Evaluate,
    seed: int,
    out: Path,
    curated: Path | None,
    *,
    unsafe: bool = False,
) -> Found:
    """Ask, judge and count; `out` gets `samples/ENTRY.jsonl` and, in its folder `WORK`, what was made so far.

    `curated` is the corpus that the model was trained on, for contamination. What keeps a benchmark from being run (no
    sandbox, a model without sentinels) is in `not_run`. Raises UsageError where the benchmark's data is not given.
    """
    benchmark, chosen, way = named(entry)
    data = settings.data.get(benchmark)
    asked = tasks.load(benchmark, data)
    reason = obstacle(asked, unsafe)
    if reason is not None:
        say(f"{entry}: not run: {reason}")
        return {"not_run": reason}
    name = entry.replace(":", "-")
    raw, judged = out / WORK / f"{name}.jsonl", out / WORK / f"{name}.verdicts.jsonl"
    try:
        prompts = {task.task_id: _prompt(backend, task, way, settings) for task in asked}
        made = _samples(backend, asked, prompts, way, settings, seed, raw)
    except UsageError as error:
        say(f"{entry}: not run: {error}")
        return {"not_run": str(error)}
    atomic_write(raw, "".join(json.dumps(row) + "\n" for row in made))
    verdicts = score(benchmark, raw, data, judged, chosen, unsafe=unsafe).rows
    shared = {} if curated is None else contamination.longest(_texts(asked), curated)
    by_id = {task.task_id: task for task in asked}
    rows = [
        _row(by_id[row["task_id"]], prompts[row["task_id"]], row, verdict, shared.get(row["task_id"]))
        for row, verdict in zip(made, verdicts, strict=True)
    ]
    (out / "samples").mkdir(exist_ok=True)
    atomic_write(out / "samples" / f"{name}.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    touched = {task for task, one in shared.items() if one.words >= contamination.TOUCHED}
    clean = [row for row in rows if row["task_id"] not in touched]
    counted: Found = {
        "variant": chosen,
        "tasks": len(asked),
        "samples": len(rows),
        "n": settings.n,
        "temperature": settings.temperature,
        "scores": scores(rows, seed),
        "untouched": None
        if curated is None
        else {"tasks": len(asked) - len(touched), "scores": scores(clean, seed) if clean else {}},
    }
    if "outcome" in rows[0]:
        outcomes = Counter(row["outcome"] for row in rows)
        counted |= {"outcomes": dict(sorted(outcomes.items())), "sandbox": probe(unsafe).level}
    return counted


def scores(rows: Sequence[Mapping[str, Any]], seed: int) -> dict[str, dict[str, float]]:
    """pass@k for every k of 1, 10 and 100 that all tasks have samples for, and the means of the measures; intervals."""
    groups = {row["task_id"]: row["group"] for row in rows}
    found: dict[str, Mapping[str, float]] = {}
    if "passed" in rows[0]:
        fewest = min(Counter(row["task_id"] for row in rows).values())
        found |= {f"pass@{k}": metrics.passes(rows, k) for k in _KS if k <= fewest}
    for name in ("exact_match", "edit_similarity", "identifier_match"):
        if name in rows[0]:
            found[name] = _means(rows, name)
    return {name: asdict(metrics.estimate(of, groups, seed)) for name, of in found.items()}


def _prompt(backend: Backend, task: Task, way: Variant, settings: recipe.Evaluate) -> Prompt:
    """The fullest prompt that fits into the model's context, or the last, which is cut."""
    new_tokens = settings.new_tokens or way.new_tokens
    for text in (texts := way.prompts(task)):
        prompt = (
            Prompt(messages=({"role": "user", "content": text},)) if way.chat else Prompt(text, task.suffix or None)
        )
        if text is texts[-1] or backend.fits(prompt, new_tokens):
            return prompt
    raise AssertionError("a variant asks nothing")


def _samples(
    backend: Backend,
    asked: Sequence[Task],
    prompts: Mapping[str, Prompt],
    way: Variant,
    settings: recipe.Evaluate,
    seed: int,
    raw: Path,
) -> list[Found]:
    """The samples of all tasks, in their order. Tasks that stop at other texts have files of their own."""
    made: dict[str, list[Found]] = {}
    for number, stop in enumerate(dict.fromkeys(task.stop for task in asked)):
        sampling = Sampling(
            max_tokens=settings.new_tokens or way.new_tokens,
            temperature=settings.temperature,
            top_p=settings.top_p,
            seed=seed,
            stop=(*way.stop, *stop),
        )
        alike = [(task.task_id, prompts[task.task_id]) for task in asked if task.stop == stop]
        place = raw.with_name(f"{raw.stem}.{number}.jsonl")
        for row in samples.write(backend, alike, settings.n, sampling, place):
            made.setdefault(row["task_id"], []).append(row)
    return [row for task in asked for row in made[task.task_id]]


def _row(task: Task, prompt: Prompt, made: Found, verdict: Found, shared: contamination.Shared | None) -> Found:
    asked = prompt.messages[-1]["content"] if prompt.messages else prompt.prefix
    row: Found = {"task_id": task.task_id, "sample": made["sample"], "group": _group(task), "prompt": asked}
    row |= {"completion": made["completion"], "suffix": task.suffix, "reference": task.reference}
    row |= {"finish": made["finish"], "tokens": len(made["tokens"])}
    row |= {name: value for name, value in verdict.items() if name not in ("task_id", "sample", "seconds")}
    return row if shared is None else row | {"shared": shared.words, "shared_with": f"{shared.repo}/{shared.path}"}


def _group(task: Task) -> str:
    return next((str(task.row[key]) for key in _MADE_FROM if key in task.row), task.task_id)


def _texts(asked: Sequence[Task]) -> dict[str, list[str]]:
    """What training should not have seen of a task: its question and its solution."""
    return {task.task_id: [task.prompt, task.reference] for task in asked}


def _means(rows: Sequence[Mapping[str, Any]], name: str) -> dict[str, float]:
    of_task: dict[str, list[float]] = {}
    for row in rows:
        of_task.setdefault(row["task_id"], []).append(row[name])
    return {task: sum(of) / len(of) for task, of in of_task.items()}
