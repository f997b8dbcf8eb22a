"""A job small enough to be trained in a second, and, run as a program, one to be killed: `tiny.py OUT [STEPS]`."""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from repoloom.model.config import Config
from repoloom.model.transformer import Transformer
from repoloom.train.job import Job
from repoloom.train.loop import train

CONTEXT = 32


@dataclass
class Walk:
    """Eight walks in steps of 0 to 2: the next token can be learnt to 1.1 nats, the entropy of a step."""

    tokens: np.ndarray
    targets: np.ndarray
    notes: dict = field(default_factory=dict)


class Walks:
    def __getitem__(self, step):
        steps = np.random.default_rng(step).integers(0, 3, (8, CONTEXT + 1))
        walks = (np.cumsum(steps, 1) % 50).astype(np.int64)
        return Walk(walks[:, :-1], walks[:, 1:].copy())

    def prefetch(self, first, last):
        return (self[step] for step in range(first, last))


def job(**changes):
    settings = {
        "name": "pretrain",
        "model": Transformer(Config(vocabulary=64, hidden=32, mlp=64, layers=2, heads=2, kv_heads=1, context=CONTEXT)),
        "reset": lambda model: model.initialise(0),
        "data": Walks(),
        "heldout": [Walks()[10**6]],
        "heldout_bytes": 512,
        "batch": 8,
        "context": CONTEXT,
        "steps": 40,
        "minutes": None,
        "learning_rate": 1e-2,
        "warmup": 5,
        "schedule": "three-step",
        "betas": (0.9, 0.95),
        "weight_decay": 0.1,
        "clip": 1.0,
        "precision": "float32",
        "compile": "no",
        "checkpoint_minutes": 1e-3,
        "validate_every": 10,
    }
    return Job(**(settings | changes))


if __name__ == "__main__":
    train(job(steps=int(sys.argv[2])), Path(sys.argv[1]), time.monotonic())
