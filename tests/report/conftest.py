"""A run's folder as the street leaves it, with numbers of the size that a laptop's run has."""

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest

MACHINE = {
    "processor": "Example CPU @ 2.8 GHz",
    "cores": 2,
    "memory_gb": 8.2,
    "system": "Linux-6.1",
    "python": "3.11.9",
}
MB = 1_000_000

COLLECT = {
    "in": {"repositories": 41, "files": 6_920, "bytes": 61_400_000},
    "kept": {"repositories": 39, "files": 6_130, "bytes": 55_900_000},
    "dropped": {
        "binary": {"files": 411, "bytes": 3_900_000},
        "language": {"files": 372, "bytes": 1_200_000},
        "size": {"files": 7, "bytes": 400_000},
    },
    "languages": {"python": {"files": 5_300, "bytes": 45 * MB}},
    "repositories": [],
}
EXAMPLE = [
    "itsdangerous/_json.py", "itsdangerous/exc.py", "itsdangerous/encoding.py", "itsdangerous/signer.py",
    "itsdangerous/serializer.py", "itsdangerous/timed.py", "itsdangerous/url_safe.py", "itsdangerous/__init__.py",
    "tests/test_encoding.py", "tests/test_signer.py", "tests/test_serializer.py", "tests/test_timed.py",
    "tests/test_url_safe.py", "docs/conf.py",
]  # fmt: skip
EDGES = [
    (2, 1), (3, 2), (3, 1), (4, 2), (4, 1), (4, 3), (4, 0), (5, 2), (5, 1), (5, 4), (5, 3), (6, 0), (6, 2), (6, 1),
    (6, 4), (6, 5), (7, 2), (7, 1), (7, 4), (7, 3), (7, 5), (7, 6), (8, 2), (8, 1), (9, 3), (9, 1), (10, 4), (10, 1),
    (11, 5), (11, 1), (11, 9), (12, 6), (12, 10), (13, 7), (1, 2),
]  # fmt: skip
SETTINGS = {
    "collect": {"sources": ["installed:"], "megabytes": 60.0},
    "curate": {
        "rules": "repoloom",
        "thresholds": {"longest-line": 1000.0},
        "heldout": 0.05,
        "readability": 0.5,
        "modularity": 0.34,
    },
    "pretrain": {"pretrain": {"minutes": 5.0, "schedule": "three-step", "steps": None}, "fim": {"rate": 0.5}},
}
SECONDS = {
    "collect": 9.4, "curate": 48.0, "tokenizer": 21.7, "pack": 14.2, "pretrain": 322.0, "tune": 61.0, "model": 1.2,
    "model-instruct": 1.1, "evaluate": 103.0,
}  # fmt: skip


def curate_counts(generator: random.Random) -> dict[str, Any]:
    repositories = [
        {
            "repo": f"package-{n:02d}",
            "files": 20 + n,
            "bytes": int(math.exp(generator.gauss(12.6, 1.5))),
            "documents": 2,
            "heldout": n % 19 == 3,
        }
        for n in range(37)
    ]
    return {
        "in": COLLECT["kept"],
        "kept": {"repositories": 34, "files": 4_420, "bytes": 37_300_000},
        "heldout": {"repositories": 3, "files": 288, "bytes": 2_600_000},
        "dropped": {
            "near-duplicate": {"repositories": 2, "files": 640, "bytes": 8_100_000},
            "longest-line": {"repositories": 0, "files": 96, "bytes": 3_200_000},
            "alphabetic": {"repositories": 0, "files": 312, "bytes": 1_900_000},
            "average-line": {"repositories": 0, "files": 41, "bytes": 1_100_000},
            "syntax": {"repositories": 0, "files": 60, "bytes": 610_000},
            "data-size": {"repositories": 0, "files": 190, "bytes": 530_000},
            "contamination": {"repositories": 0, "files": 22, "bytes": 420_000},
            "html-visible": {"repositories": 0, "files": 18, "bytes": 110_000},
            "xml": {"repositories": 0, "files": 43, "bytes": 30_000},
        },
        "languages": {
            "python": {"in_files": 5_000, "in_bytes": 46 * MB, "kept_files": 3_900, "kept_bytes": 31_900_000},
            "cpp": {"in_files": 320, "in_bytes": 4 * MB, "kept_files": 260, "kept_bytes": 2_900_000},
            "c": {"in_files": 120, "in_bytes": 2 * MB, "kept_files": 100, "kept_bytes": 1_300_000},
            "json": {"in_files": 90, "in_bytes": 3 * MB, "kept_files": 12, "kept_bytes": 40_000},
            "cuda": {"in_files": 9, "in_bytes": 300_000, "kept_files": 9, "kept_bytes": 300_000},
            "html": {"in_files": 31, "in_bytes": 200_000, "kept_files": 12, "kept_bytes": 90_000},
            "fortran": {"in_files": 15, "in_bytes": 600_000, "kept_files": 15, "kept_bytes": 600_000},
            "java": {"in_files": 0, "in_bytes": 0, "kept_files": 0, "kept_bytes": 0},
        },
        "repositories": repositories,
        "document_bytes": sorted(int(math.exp(generator.gauss(8.6, 1.9))) + 40 for _ in range(420)),
        "edges": {"found": 14_210, "forward": 13_640},
        "redacted": {"email": 812, "ip": 3, "github-token": 1},
        "scores": {
            "readability": [0] * 9 + [4, 11, 20, 90, 300, 500, 900, 800, 700, 400, 200],
            "modularity": [0] * 6 + [9, 40, 60, 200, 80, 90, 100, 120, 200, 300, 400, 600, 800, 900],
        },
        "compilers": {"c": {"files": 40, "both_pass": 36, "both_fail": 2, "screen_fails": 1, "compiler_fails": 1}},
        "mix": [
            {"group": "code", "target": 0.9, "share": 0.91, "bytes_in": 30 * MB, "bytes_out": 31 * MB, "repeats": 1.03},
            {"group": "text", "target": 0.1, "share": 0.09, "bytes_in": 2 * MB, "bytes_out": 3 * MB, "repeats": 1.5},
        ],
        "example": {"repo": "itsdangerous", "files": EXAMPLE, "edges": [[EXAMPLE[a], EXAMPLE[b]] for a, b in EDGES]},
    }


def metrics(generator: random.Random, steps: int, first: float, last: float, peak: float) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for step in range(1, steps + 1):
        loss = last + (first - last) * math.exp(-3.2 * (step / steps) ** 0.32) + generator.gauss(0, 0.09)
        rate = peak * (min(1, step / 60) if step < steps * 0.8 else 0.316 if step < steps * 0.9 else 0.1)
        rows.append({
            "step": step, "loss": loss, "learning_rate": rate, "tokens": step * 8192, "seconds": step * 0.3,
            "tokens_per_second": 26_000.0, "gradient_norm": 0.7,
        })  # fmt: skip
        if step % max(1, steps // 6) == 0:
            rows.append({"step": step, "heldout_loss": loss + 0.12, "heldout_bits_per_byte": (loss + 0.12) / 2.2})
    return rows


RESULTS: dict[str, Any] = {
    "bits_per_byte": {
        "model": 1.914,
        "unigram": 3.412,
        "bigram": 2.251,
        "xz": 2.388,
        "tokens": 498_000,
        "bytes": 1_606_000,
        "by_language": {
            "python": {"model": 1.87, "unigram": 3.3, "bigram": 2.2, "tokens": 400_000, "bytes": 1_300_000},
            "cpp": {"model": 2.21, "unigram": 3.8, "bigram": 2.6, "tokens": 98_000, "bytes": 306_000},
        },
    },
    "infilling": {
        "tasks": 200,
        "with_suffix": {"exact_match": 0.125, "edit_similarity": 0.471},
        "prefix_only": {"exact_match": 0.065, "edit_similarity": 0.383},
    },
    "benchmarks": {
        "humaneval": {
            "variant": "deepseek",
            "tasks": 164,
            "samples": 164,
            "n": 1,
            "temperature": 0.0,
            "scores": {"pass@1": {"mean": 0.0061, "low": 0.0, "high": 0.0183}},
            "untouched": {"tasks": 160, "scores": {"pass@1": {"mean": 0.0, "low": 0.0, "high": 0.0}}},
            "outcomes": {"wrong answer": 101, "exception": 57, "time limit": 5, "passed": 1},
            "sandbox": "bubblewrap: no network",
        },
        "infilling-single-line": {
            "variant": "psm",
            "tasks": 1033,
            "samples": 1033,
            "n": 1,
            "temperature": 0.0,
            "scores": {"exact_match": {"mean": 0.125, "low": 0.1, "high": 0.15}},
            "untouched": None,
        },
        "mbpp": {"not_run": "the model's context of 512 tokens is too short"},
    },
    "samples": [
        {
            "kind": "infill",
            "title": "itsdangerous/encoding.py",
            "prompt": "def want_bytes(s, encoding='utf-8', errors='strict'):\n    if isinstance(s, str):\n        ",
            "suffix": "\n\n    return s\n\n\ndef base64_encode(string):\n    string = want_bytes(string)\n",
            "output": "s = s.encode(encoding, errors)",
            "reference": "s = s.encode(encoding, errors)",
        },
        {
            "kind": "infill",
            "title": "package-03/core/table.py",
            "prompt": "class Table:\n    def __init__(self, rows):\n        self.rows = rows\n\n"
            "    def __len__(self):\n        ",
            "suffix": "\n\n    def __iter__(self):\n        return iter(self.rows)\n",
            "output": "return len(self.name)",
            "reference": "return len(self.rows)",
        },
        {
            "kind": "complete",
            "title": "package-03/core/cli.py",
            "prompt": "import argparse\n\ndef main():\n    parser = ",
            "suffix": "",
            "output": "argparse.ArgumentParser(description=__doc__)\n    parser.parse_args()\n",
            "reference": "",
        },
        {
            "kind": "instruct",
            "title": "Write a function `clamp(value, low, high)`.",
            "prompt": "Write a function `clamp(value, low, high)`.",
            "suffix": "",
            "output": "def clamp(value, low, high):\n    return max(low, value)\n",
            "reference": "",
        },
    ],
}


def write_run(folder: Path, seed: int = 0) -> Path:
    """All stages of a finished run."""
    generator = random.Random(seed)
    counts: dict[str, Any] = {
        "collect": COLLECT,
        "curate": curate_counts(generator),
        "tokenizer": {"learnt": 8192, "size": 8199},
        "pack": {
            "train": {"documents": 420, "files": 4_420, "tokens": 11_570_000, "bytes": 37_400_000, "languages": {}},
            "heldout": {
                "documents": 31,
                "files": 288,
                "tokens": 812_000,
                "bytes": 2_600_000,
                "languages": {
                    "python": {"files": 240, "tokens": 700_000, "bytes": 2_310_000},
                    "c": {"files": 48, "tokens": 112_000, "bytes": 290_000},
                },
            },
            "bytes_per_token": 3.231,
        },
        "pretrain": {
            "steps": 1040,
            "tokens": 1040 * 8192,
            "parameters": 4_194_560,
            "loss": 3.01,
            "heldout_bits_per_byte": 1.914,
            "tokens_per_second": 26_410.0,
            "precision": "bfloat16",
            "compiled": True,
            "peak_share": 0.431,
            "fim": {"rate": 0.499},
        },
        "tune": {
            "steps": 120,
            "tokens": 400_000,
            "parameters": 4_194_560,
            "loss": 2.2,
            "precision": "bfloat16",
            "compiled": False,
        },
        "model": {},
        "model-instruct": {},
        "evaluate": {},
    }
    for stage, counted in counts.items():
        run = {
            "seconds": SECONDS[stage],
            "resumed": False,
            "peak_memory_mb": 900 + len(stage) * 120,
            "machine": MACHINE,
        }
        manifest = {
            "counts": counted,
            "stage": stage,
            "settings": SETTINGS.get(stage, {}),
            "content": stage,
            "run": run,
        }
        (folder / stage).mkdir(parents=True)
        (folder / stage / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    write_metrics(folder / "pretrain", metrics(generator, 1040, 8.9, 2.86, 2e-3))
    write_metrics(folder / "tune", metrics(generator, 120, 2.9, 2.2, 3e-4))
    (folder / "evaluate" / "results.json").write_text(json.dumps(RESULTS), "utf-8")
    return folder


def write_metrics(folder: Path, rows: list[dict[str, Any]]) -> None:
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a finished run named `laptop`."""
    return write_run(tmp_path / "laptop")
