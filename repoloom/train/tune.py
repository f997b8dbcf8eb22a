"""Instruction tuning: the pretrained model learns to answer, on pairs taken from the corpus itself [P 3.7].

No fill-in-the-middle here [DeepSeek-Coder issue 80]. What is not in the recipe's `tune` table (the optimizer,
clipping, precision, checkpoints, processes) is as in pretraining.
"""

import json
import math
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from safetensors import safe_open

from repoloom import stage
from repoloom.errors import UserError
from repoloom.model import huggingface
from repoloom.model.transformer import Transformer
from repoloom.recipe import Recipe
from repoloom.stage import Manifest
from repoloom.tokens.tokenizer import Tokenizer
from repoloom.train import ranks, turns
from repoloom.train.job import Batch, Job
from repoloom.train.loop import train
from repoloom.train.pairs import Pair, collect
from repoloom.train.pretrain import CODE
from repoloom.train.ranks import Ranks
from repoloom.train.turns import Turns


class NothingToTuneOnError(UserError):
    """The corpus holds no instruction pair: there can be no instruct model, all else stands."""


def tune(model: Path, documents: Path, out: Path, recipe: Recipe) -> Manifest:
    """Tune the Hugging Face folder `model` on pairs from the curate stage's folder `documents`, into `out`.

    Leaves model/ (with the chat template), pairs.jsonl, metrics.jsonl, plan.json, manifest.json; with
    `checkpoints.best` also model-best/, as it was where the watched pairs' loss was least. Raises NothingToTuneOnError
    where the corpus holds no pair, UserError where training cannot go on.
    """
    started = time.monotonic()
    with ranks.joined(recipe.parallel) as group:
        manifest = group.agree(_tune(model, documents, out, recipe, group, started))
    assert manifest is not None
    return manifest


def _tune(model: Path, documents: Path, out: Path, recipe: Recipe, group: Ranks, started: float) -> Manifest | None:
    """What one process does; the first one's manifest, None in the others."""
    settings, base = recipe.tune, recipe.pretrain
    with group.build(
        out,
        "tune",
        inputs={
            "model": {name: stage.digest_file(model / name) for name in huggingface.FILES if (model / name).exists()},
            "documents": stage.read_manifest(documents)["content"],
        },
        settings={
            "seed": recipe.seed,
            "tune": settings.model_dump(),
            "pretrain": base.model_dump(include={"optimizer", "betas", "weight_decay", "clip", "precision", "compile"}),
        },
        code=(*CODE, *(f"train/{name}.py" for name in ("tune", "pairs", "functions", "turns"))),
        libraries=["torch"],
    ) as work:
        if work.finished is None:
            tokenizer = Tokenizer.load(model)
            network = huggingface.load(model)
            if group.count > 1:
                network = network.to("meta")  # each process then reads its own part
            context = network.config.context
            pairs, watched = group.agree(collect(documents, settings.pairs, recipe.seed) if group.first else ([], []))
            rows, watched_rows = (turns.encode(some, tokenizer, context) for some in (pairs, watched))
            if not rows:
                raise NothingToTuneOnError(
                    "no documented Python function of the training documents fits into the context: nothing to tune on"
                )
            if group.first:
                with work.write("pairs.jsonl") as place:
                    place.write_text(_listed(pairs, "train") + _listed(watched, "watched"), "utf-8")
            padding = tokenizer.pad if tokenizer.pad is not None else 0  # never a target, so any id serves
            multiple = math.lcm(turns.WIDTH_MULTIPLE, group.copies)  # so that processes can divide a row's tokens
            data = Turns(rows, batch=settings.batch, pad=padding, seed=recipe.seed, context=context, multiple=multiple)
            job = Job(
                name="tune",
                model=network,
                reset=partial(_load, model),
                data=data.share(group.share, group.shares),
                heldout=_batches(watched_rows, data.batch, padding, context, multiple),
                heldout_bytes=None,
                batch=data.batch,
                context=context,
                steps=settings.steps,
                minutes=settings.minutes,
                learning_rate=settings.learning_rate,
                warmup=settings.warmup,
                schedule="cosine",
                optimizer=base.optimizer,
                betas=base.betas,
                weight_decay=base.weight_decay,
                clip=base.clip,
                precision=base.precision,
                compile=base.compile,
                checkpoint_minutes=base.checkpoint_minutes,
                validate_every=base.validate_every,
                ranks=group,
                checkpoints=recipe.checkpoints,
            )
            trained = train(job, out, started)
            if group.first:
                with work.write("model") as place:
                    huggingface.save(trained.model, model, place, instruct=True)
                work.finish(trained.counts(job) | {"pairs": len(rows), "watched": len(watched_rows)})
            best = trained.best()
            if group.first and best is not None:
                with work.write("model-best") as place:
                    huggingface.save(best, model, place, instruct=True)
    return work.manifest


@torch.no_grad()
def _load(folder: Path, model: Transformer) -> None:
    """Put the weights of a Hugging Face folder into `model`, one matrix after the other."""
    with safe_open(folder / huggingface.WEIGHTS, framework="pt") as file:
        for name, parameter in model.named_parameters():
            parameter.copy_(file.get_tensor(name))


def _batches(rows: list[turns.Turn], size: int, padding: int, context: int, multiple: int) -> list[Batch]:
    """The watched pairs, short ones together."""
    ordered = sorted(rows, key=lambda turn: len(turn.ids))
    starts = range(0, len(ordered), size)
    return [turns.pad(ordered[start : start + size], padding, context, multiple) for start in starts]


def _listed(pairs: list[Pair], split: str) -> str:
    return "".join(json.dumps({"split": split} | asdict(pair), ensure_ascii=False) + "\n" for pair in pairs)
