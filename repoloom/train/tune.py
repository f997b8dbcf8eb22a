"""Instruction tuning: the pretrained model learns to answer, on pairs taken from the corpus itself [P 3.7].

No fill-in-the-middle here [DeepSeek-Coder issue 80]. What is not in the recipe's `tune` table (AdamW's constants,
clipping, precision, checkpoints) is as in pretraining.
"""

import json
import os
import time
from dataclasses import asdict
from pathlib import Path

from repoloom import stage
from repoloom.errors import UsageError, UserError
from repoloom.model import huggingface
from repoloom.recipe import Recipe
from repoloom.stage import Manifest
from repoloom.tokens.tokenizer import Tokenizer
from repoloom.train import turns
from repoloom.train.job import Batch, Job
from repoloom.train.loop import train
from repoloom.train.pairs import Pair, collect
from repoloom.train.pretrain import CODE
from repoloom.train.turns import Turns


class NothingToTuneOnError(UserError):
    """The corpus holds no instruction pair: there can be no instruct model, all else stands."""


def tune(model: Path, documents: Path, out: Path, recipe: Recipe) -> Manifest:
    """Tune the Hugging Face folder `model` on pairs from the curate stage's folder `documents`, into `out`.

    Leaves model/ (with the chat template), pairs.jsonl, metrics.jsonl, plan.json, manifest.json. Raises
    NothingToTuneOnError where the corpus holds no pair, UserError where training cannot go on.
    """
    started = time.monotonic()
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise UsageError("tune runs in one process: start it without torchrun")
    settings, base = recipe.tune, recipe.pretrain
    with stage.build(
        out,
        "tune",
        inputs={
            "model": {name: stage.digest_file(model / name) for name in huggingface.FILES if (model / name).exists()},
            "documents": stage.read_manifest(documents)["content"],
        },
        settings={
            "seed": recipe.seed,
            "tune": settings.model_dump(),
            "pretrain": base.model_dump(include={"betas", "weight_decay", "clip", "precision", "compile"}),
        },
        code=(*CODE, *(f"train/{name}.py" for name in ("tune", "pairs", "functions", "turns"))),
        libraries=["torch"],
    ) as work:
        if work.finished is None:
            tokenizer = Tokenizer.load(model)
            network = huggingface.load(model)
            weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
            context = network.config.context
            pairs, watched = collect(documents, settings.pairs, recipe.seed)
            rows, watched_rows = (turns.encode(some, tokenizer, context) for some in (pairs, watched))
            if not rows:
                raise NothingToTuneOnError(
                    "no documented Python function of the training documents fits into the context: nothing to tune on"
                )
            with work.write("pairs.jsonl") as partial:
                partial.write_text(_listed(pairs, "train") + _listed(watched, "watched"), "utf-8")
            padding = tokenizer.pad if tokenizer.pad is not None else 0  # never a target, so any id serves
            data = Turns(rows, batch=settings.batch, pad=padding, seed=recipe.seed, context=context)
            job = Job(
                name="tune",
                model=network,
                reset=lambda model: model.load_state_dict(weights),
                data=data,
                heldout=_batches(watched_rows, data.batch, padding, context),
                heldout_bytes=None,
                batch=data.batch,
                context=context,
                steps=settings.steps,
                minutes=settings.minutes,
                learning_rate=settings.learning_rate,
                warmup=settings.warmup,
                schedule="cosine",
                betas=base.betas,
                weight_decay=base.weight_decay,
                clip=base.clip,
                precision=base.precision,
                compile=base.compile,
                checkpoint_minutes=base.checkpoint_minutes,
                validate_every=base.validate_every,
            )
            trained = train(job, out, started)
            with work.write("model") as partial:
                huggingface.save(trained.model, model, partial, instruct=True)
            work.finish(trained.counts(job) | {"pairs": len(rows), "watched": len(watched_rows)})
    assert work.manifest is not None
    return work.manifest


def _batches(rows: list[turns.Turn], size: int, padding: int, context: int) -> list[Batch]:
    """The watched pairs, short ones together."""
    ordered = sorted(rows, key=lambda turn: len(turn.ids))
    return [turns.pad(ordered[start : start + size], padding, context) for start in range(0, len(ordered), size)]


def _listed(pairs: list[Pair], split: str) -> str:
    return "".join(json.dumps({"split": split} | asdict(pair), ensure_ascii=False) + "\n" for pair in pairs)
