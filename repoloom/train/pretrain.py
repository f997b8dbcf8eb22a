"""Pretraining: next-token prediction, with fill-in-the-middle in the batches, from random weights."""

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from repoloom import stage
from repoloom.errors import UsageError
from repoloom.model import huggingface
from repoloom.model.config import Config
from repoloom.model.transformer import IGNORED, Transformer
from repoloom.recipe import Fim, Recipe
from repoloom.stage import Manifest
from repoloom.tokens.batches import Batches, FimCounts
from repoloom.tokens.pack import Packed
from repoloom.tokens.tokenizer import Tokenizer
from repoloom.train.job import Batch, Job
from repoloom.train.loop import train
from repoloom.train.metrics import Line

HELDOUT_TOKENS = 65_536
"""Tokens of the fixed set of held-out windows: their mean loss moves far less from one to the next than training's, and
they cost seconds. The evaluate stage scores a larger set once."""

HELDOUT_ROWS = 16
"""Windows of a held-out batch."""

CODE = (
    "model",
    "tokens",
    *(f"train/{name}.py" for name in ("pretrain", "loop", "trainer", "optimizer", "schedule", "measure", "plan")),
)
"""The source that the curve depends on."""


def pretrain(pack: Path, tokenizer: Path, out: Path, recipe: Recipe) -> Manifest:
    """Train the recipe's model on the pack stage's folder into `out`: model/, metrics.jsonl, plan.json, manifest.json.

    An interrupted run goes on from its last checkpoint. Raises UsageError where the recipe says neither steps nor
    minutes, UserError where training cannot go on.
    """
    started = time.monotonic()
    settings = recipe.pretrain
    if settings.steps is None and settings.minutes is None:
        raise UsageError("pretrain.steps: say how long to train, in pretrain.steps or pretrain.minutes")
    with stage.build(
        out,
        "pretrain",
        inputs={"pack": stage.read_manifest(pack)["content"], "tokenizer": stage.read_manifest(tokenizer)["content"]},
        settings={
            "seed": recipe.seed,
            "model": recipe.model.model_dump(),
            "fim": recipe.fim.model_dump(),
            "pretrain": settings.model_dump(exclude={"checkpoint_minutes"}),
        },
        code=CODE,
        libraries=["torch"],
    ) as work:
        if work.finished is None:
            read = Tokenizer.load(tokenizer)
            context = recipe.model.context
            batches = Batches(
                Packed.open(pack, "train"),
                read,
                context=context,
                fim=recipe.fim,
                seed=recipe.seed,
                batch=settings.batch,
            )
            heldout = heldout_batches(pack, read, context, recipe.seed)
            model = Transformer(Config.from_recipe(recipe.model, read.size))
            job = Job(
                name="pretrain",
                model=model,
                reset=lambda model: model.initialise(recipe.seed),
                data=batches,
                heldout=heldout,
                heldout_bytes=text_bytes(read, heldout),
                batch=settings.batch,
                context=context,
                **settings.model_dump(exclude={"batch"}),
            )
            trained = train(job, out, started)
            with work.write("model") as partial:
                huggingface.save(model, tokenizer, partial)
            work.finish(trained.counts(job) | {"fim": fim_counts(trained.lines).rates()})
    assert work.manifest is not None
    return work.manifest


def fim_counts(lines: Sequence[Line]) -> FimCounts:
    """What became of the pieces of every step in metrics.jsonl, those before an interruption too."""
    total = FimCounts()
    for line in lines:
        if "fim" in line:
            total.add(FimCounts(**line["fim"]))
    return total


def heldout_batches(pack: Path, tokenizer: Tokenizer, context: int, seed: int) -> list[Batch]:
    """A fixed set of windows of the held-out repositories, left to right, each once; empty where none are set aside."""
    if not (pack / "heldout.bin").exists():
        return []
    packed = Packed.open(pack, "heldout")
    windows = Batches(packed, tokenizer, context=context, fim=Fim(rate=0.0), seed=seed, batch=HELDOUT_ROWS)
    rows = min(math.ceil(HELDOUT_TOKENS / context), windows.rows)
    batches = [windows[number] for number in range(math.ceil(rows / HELDOUT_ROWS))]
    left = rows - (len(batches) - 1) * HELDOUT_ROWS
    last = replace(batches[-1], tokens=batches[-1].tokens[:left], targets=batches[-1].targets[:left])
    return [*batches[:-1], last]


def text_bytes(tokenizer: Tokenizer, batches: list[Batch]) -> int:
    """Bytes of the text that the batches' targets spell: what a loss in nats is divided by for bits per byte."""
    rows = (row[row != IGNORED].tolist() for batch in batches for row in batch.targets)
    return sum(len(tokenizer.decode(row).encode("utf-8")) for row in rows)
