"""The whole street: every stage in order, skipped while its inputs, settings and code stand as they were."""

import contextlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from repoloom.errors import UsageError, UserError
from repoloom.progress import say
from repoloom.recipe import Recipe
from repoloom.stage import MANIFEST, Manifest, build, locked, read_manifest


@dataclass(frozen=True, slots=True)
class Finished:
    """What a run leaves in its folder."""

    report: Path
    model: Path
    instruct: Path | None
    """None where the corpus holds nothing to tune on."""


def run(recipe: Recipe, out: Path) -> Finished:
    """Walk the street into the folder `out` (a folder a stage). A killed run goes on where it stopped.

    Raises UsageError where the recipe does not say how long to train, UserError where a stage fails; what stands stays.
    """
    if recipe.pretrain.steps is None and recipe.pretrain.minutes is None:
        raise UsageError("pretrain.steps: say how long to train, in pretrain.steps or pretrain.minutes")
    _check_disk(recipe, out)
    with locked(out):  # a second run would change under the first what it reads
        for name, stage in stages(recipe, out).items():
            before = _written(out / name)
            manifest = stage()
            if manifest is None:
                continue
            seconds = manifest["run"]["seconds"]
            say(f"{name:<14} {'stands' if before == _written(out / name) else f'{seconds:.1f} s'}")
        from repoloom.report import report

        before = _written(out / "report")
        page = report(out)
        say(f"{'report':<14} {'stands' if before == _written(out / 'report') else 'written'}")
    return Finished(page, out / "model", out / "model-instruct" if _tuned(out) else None)


def stages(recipe: Recipe, out: Path) -> dict[str, Callable[[], Manifest | None]]:
    """The stages from collect to evaluate by their folders' names, in order. Rooms are imported as they are entered.

    One answers None where it has nothing to do: a corpus without instruction pairs has a model and no instruct model.
    """

    def collect() -> Manifest:
        from repoloom.collect import collect

        return collect(out / "collect", recipe.collect, recipe.seed)

    def curate() -> Manifest:
        from repoloom.curate import curate

        return curate(out / "collect", out / "curate", recipe.curate, recipe.seed)

    def tokenizer() -> Manifest:
        from repoloom.tokens.tokenizer import train

        return train(out / "curate", out / "tokenizer", recipe.tokenizer, recipe.seed)

    def pack() -> Manifest:
        from repoloom.tokens.pack import pack

        return pack(out / "curate", out / "tokenizer", out / "pack")

    def pretrain() -> Manifest:
        from repoloom.train.pretrain import pretrain

        return pretrain(out / "pack", out / "tokenizer", out / "pretrain", recipe)

    def tune() -> Manifest | None:
        from repoloom.train.tune import NothingToTuneOnError, tune

        try:
            return tune(out / "pretrain" / "model", out / "curate", out / "tune", recipe)
        except NothingToTuneOnError as reason:
            say(f"tune: left out, and with it the instruct model: {reason}")
            return None

    def evaluate() -> Manifest:
        from repoloom.evaluate import evaluate

        return evaluate(
            str(out / "model"),
            out / "evaluate",
            recipe.evaluate,
            recipe.seed,
            pack=out / "pack",
            curated=out / "curate",
            instruct=out / "model-instruct" if _tuned(out) else None,
        )

    return {
        "collect": collect,
        "curate": curate,
        "tokenizer": tokenizer,
        "pack": pack,
        "pretrain": pretrain,
        "tune": tune,
        "model": lambda: _publish(out / "pretrain", out / "model"),
        "model-instruct": lambda: _publish(out / "tune", out / "model-instruct") if _tuned(out) else None,
        "evaluate": evaluate,
    }


def _tuned(out: Path) -> bool:
    return (out / "tune" / MANIFEST).exists()


def _publish(trained: Path, out: Path) -> Manifest:
    """The trained model as others load it: the Hugging Face folder, and the same weights as `model.gguf` in it."""
    from repoloom.model import gguf, huggingface

    inputs = {"trained": read_manifest(trained)["content"]}
    with build(out, "export", inputs=inputs, settings={}, code=["model"], libraries=["gguf"]) as work:
        if work.finished is None:
            for name in huggingface.FILES:
                if (trained / "model" / name).exists():
                    with work.write(name) as partial:
                        shutil.copyfile(trained / "model" / name, partial)
            with work.write("model.gguf") as partial:
                gguf.save(trained / "model", partial)
            work.finish({})
        manifest = work.manifest
    assert manifest is not None
    return manifest


def _written(folder: Path) -> int | None:
    """When the stage's manifest was written; None where there is none."""
    try:
        return (folder / MANIFEST).stat().st_mtime_ns
    except OSError:
        return None


def _size(folder: Path) -> int:
    """Bytes of the files below a folder, which another process may be changing; 0 where there is none."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += Path(place, name).lstat().st_size
    return total


def _check_disk(recipe: Recipe, out: Path) -> None:
    """Refuse at the start what would fail for lack of space at the end.

    Reckoned: six copies of the source (shards, documents, tokens, work files), and for each of the two models
    weights, two checkpoints with both Adam moments, and two exports, at 4 bytes a parameter; less what stands already.
    """
    model = recipe.model
    attention = model.hidden * (2 * model.hidden + 2 * model.hidden * model.kv_heads // model.heads)
    embeddings = 2 * model.hidden * recipe.tokenizer.vocabulary
    parameters = model.layers * (attention + 3 * model.hidden * model.mlp) + embeddings
    need = 6e6 * (recipe.collect.megabytes or 100) + 2 * 4 * parameters * (1 + 2 * 3 + 2)
    need -= _size(out)
    place = next(folder for folder in [out.resolve(), *out.resolve().parents] if folder.exists())
    free = shutil.disk_usage(place).free
    if free < need:
        raise UserError(
            f"too little disk at {place}: {free / 1e9:.1f} GB free, about {need / 1e9:.1f} GB needed; "
            "free some, or choose another --out"
        )
