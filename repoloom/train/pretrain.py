"""Pretraining: next-token prediction, with fill-in-the-middle in the batches, from random weights."""

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch

from repoloom import stage
from repoloom.errors import UsageError, UserError
from repoloom.model import huggingface
from repoloom.model.config import Config
from repoloom.model.transformer import Transformer
from repoloom.recipe import Recipe
from repoloom.stage import Manifest
from repoloom.tokens.batches import Batches
from repoloom.tokens.levels import FimCounts
from repoloom.tokens.pack import Packed, identity
from repoloom.tokens.tokenizer import Tokenizer
from repoloom.train import heldout, loggers, ranks, scaling
from repoloom.train.job import Job
from repoloom.train.loop import train
from repoloom.train.metrics import Line
from repoloom.train.ranks import Ranks

APART = ("checkpoint_minutes", "statistics_every", "loggers", "on_nonfinite")
"""Settings that change no weight of a run that they let end: they may be changed while it is interrupted."""

CODE = (
    "model",
    "tokens",
    *(f"train/{name}.py" for name in ("pretrain", "loop", "trainer", "optimizer", "schedule", "scaling", "heldout")),
    *(f"train/{name}.py" for name in ("measure", "plan", "nonfinite", "parallel", "ranks", "rows")),
)
"""The source that the curve depends on."""

LOOKED_AT = 1_000_000
"""Tokens in which an id that the tokenizer does not have is looked for."""


def pretrain(pack: Path, tokenizer: Path, out: Path, recipe: Recipe) -> Manifest:
    """Train the recipe's model on the pack stage's folder into `out`: model/, metrics.jsonl, plan.json, manifest.json.

    With `checkpoints.best`, model-best/ beside it is as it was where the held-out loss was least. `pack` may also hold
    a dataset that Megatron-Core wrote (train.bin, train.idx), and `tokenizer` any Hugging Face tokenizer.

    An interrupted run goes on from its last checkpoint. Raises UsageError where the recipe says neither steps nor
    minutes, UserError where training cannot go on.
    """
    started = time.monotonic()
    settings = recipe.pretrain
    if settings.steps is None and settings.minutes is None:
        raise UsageError("pretrain.steps: say how long to train, in pretrain.steps or pretrain.minutes")
    loggers.check(settings.loggers)
    with ranks.joined(recipe.parallel) as group:
        manifest = group.agree(_pretrain(pack, tokenizer, out, recipe, group, started))
    assert manifest is not None
    return manifest


def _pretrain(pack: Path, tokenizer: Path, out: Path, recipe: Recipe, group: Ranks, started: float) -> Manifest | None:
    """What one process does; the first one's manifest, None in the others."""
    settings = recipe.pretrain
    read = Tokenizer.load(tokenizer)
    of_tokenizer = (tokenizer / name for name in huggingface.TOKENIZER_FILES)
    with group.build(
        out,
        "pretrain",
        inputs={
            "pack": identity(pack),
            "tokenizer": {file.name: stage.digest_file(file) for file in of_tokenizer if file.exists()},
        },
        settings={
            "seed": recipe.seed,
            "model": recipe.model.model_dump(),
            "fim": recipe.fim.model_dump(),
            "batches": recipe.batches.model_dump(),
            "pretrain": settings.model_dump(exclude=set(APART)),
        },
        code=CODE,
        libraries=["torch"],
    ) as work:
        if work.finished is None:
            context = recipe.model.context
            config = Config.from_recipe(recipe.model, read.size)
            batch, rate = scaling.resolve(settings, config)
            batches = Batches(
                _train_split(pack, read),
                read,
                context=context,
                fim=recipe.fim,
                seed=recipe.seed,
                batch=batch,
                settings=recipe.batches,
                copying=recipe.batches.copying,
            )
            watched = heldout.whole(pack, read, context, recipe.seed, recipe.batches)
            with torch.device("meta" if group.count > 1 else "cpu"):  # each process then makes its own part
                model = Transformer(config)
            job = Job(
                name="pretrain",
                model=model,
                reset=lambda model: model.initialise(recipe.seed),
                data=batches.share(group.share, group.shares),
                heldout=watched,
                heldout_bytes=heldout.text_bytes(read, watched),
                heldout_parts=heldout.parts(pack, read, context, recipe.seed, recipe.batches),
                batch=batch,
                learning_rate=rate,
                context=context,
                ranks=group,
                checkpoints=recipe.checkpoints,
                **settings.model_dump(exclude={"batch", "learning_rate"}),
            )
            trained = train(job, out, started)
            if group.first:
                with work.write("model") as partial:
                    huggingface.save(trained.model, tokenizer, partial)
                of_data = {"fim": fim_counts(trained.lines).rates(), "utilisation": batches.utilisation}
                work.finish(trained.counts(job) | of_data | tokens_by(trained.lines))
            best = trained.best()
            if group.first and best is not None:
                with work.write("model-best") as partial:
                    huggingface.save(best, tokenizer, partial)
    return work.manifest


def _train_split(pack: Path, tokenizer: Tokenizer) -> Packed:
    """The tokens to train on. Raises UserError where they are clearly another tokenizer's: a look at the first."""
    packed = Packed.open(pack, "train")
    largest = int(packed.ids[:LOOKED_AT].max(initial=0))
    if largest >= tokenizer.size:
        raise UserError(
            f"{pack} holds the id {largest:,}, and the tokenizer {tokenizer.folder} has {tokenizer.size:,} entries: it"
            " was packed with another one"
        )
    return packed


def fim_counts(lines: Sequence[Line]) -> FimCounts:
    """What became of the pieces of every step in metrics.jsonl, those before an interruption too."""
    total = FimCounts()
    for line in lines:
        if "fim" in line:
            total.add(FimCounts(**line["fim"]))
    return total


def tokens_by(lines: Sequence[Line]) -> dict[str, dict[str, int]]:
    """The corpus' tokens that were shown: as `languages`, and by each key of `batches.weights` as `sources`.

    A name is left out where the lines do not say it.
    """
    found: dict[str, dict[str, int]] = {}
    for name in ("languages", "sources"):
        total: Counter[str] = Counter()
        for line in lines:
            total.update(line.get(name, {}))
        if total:
            found[name] = dict(total)
    return found
