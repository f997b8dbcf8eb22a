"""The whole street: every stage in order, skipped while its inputs, settings and code stand as they were."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from repoloom.errors import UserError
from repoloom.progress import say
from repoloom.recipe import Recipe
from repoloom.stage import MANIFEST, Manifest, build, read_manifest


@dataclass(frozen=True, slots=True)
class Finished:
    """What a run leaves in its folder."""

    report: Path
    model: Path
    instruct: Path


def run(recipe: Recipe, out: Path) -> Finished:
    """Walk the street into the folder `out` (a folder a stage). A killed run goes on where it stopped.

    Raises UserError where a stage fails; what stands stays.
    """
    _check_disk(recipe, out)
    for name, stage in stages(recipe, out).items():
        before = _fingerprint(out / name)
        manifest = stage()
        seconds = manifest["run"]["seconds"]
        still = before is not None and before == manifest["fingerprint"]
        say(f"{name:<14} {'stands' if still else f'{seconds:.1f} s'}")
    from repoloom.report import report

    page = report(out)
    say(f"{'report':<14} written")
    return Finished(page, out / "model", out / "model-instruct")


def stages(recipe: Recipe, out: Path) -> dict[str, Callable[[], Manifest]]:
    """The stages from collect to evaluate by their folders' names, in order. Rooms are imported as they are entered."""

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

    def tune() -> Manifest:
        from repoloom.train.tune import tune

        return tune(out / "pretrain" / "model", out / "curate", out / "tune", recipe)

    def evaluate() -> Manifest:
        from repoloom.evaluate import evaluate

        return evaluate(
            out / "model",
            out / "evaluate",
            recipe.evaluate,
            recipe.seed,
            pack=out / "pack",
            curated=out / "curate",
            instruct=out / "model-instruct",
        )

    return {
        "collect": collect,
        "curate": curate,
        "tokenizer": tokenizer,
        "pack": pack,
        "pretrain": pretrain,
        "tune": tune,
        "model": lambda: _publish(out / "pretrain", out / "model"),
        "model-instruct": lambda: _publish(out / "tune", out / "model-instruct"),
        "evaluate": evaluate,
    }


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


def _fingerprint(folder: Path) -> str | None:
    if not (folder / MANIFEST).exists():
        return None
    try:
        return str(read_manifest(folder).get("fingerprint"))
    except UserError:
        return None


def _check_disk(recipe: Recipe, out: Path) -> None:
    """Refuse at the start what would fail for lack of space at the end.

    Reckoned: six copies of the source (shards, documents, tokens, work files), and for each of the two models
    weights, two checkpoints with both Adam moments, and two exports, at 4 bytes a parameter.
    """
    model = recipe.model
    attention = model.hidden * (2 * model.hidden + 2 * model.hidden * model.kv_heads // model.heads)
    embeddings = 2 * model.hidden * recipe.tokenizer.vocabulary
    parameters = model.layers * (attention + 3 * model.hidden * model.mlp) + embeddings
    need = 6e6 * (recipe.collect.megabytes or 100) + 2 * 4 * parameters * (1 + 2 * 3 + 2)
    place = next(folder for folder in [out.resolve(), *out.resolve().parents] if folder.exists())
    free = shutil.disk_usage(place).free
    if free < need:
        raise UserError(
            f"too little disk at {place}: {free / 1e9:.1f} GB free, about {need / 1e9:.1f} GB needed; "
            "free some, or choose another --out"
        )
