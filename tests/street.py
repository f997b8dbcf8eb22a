"""The command line as a user starts it, and a recipe that walks the whole street in seconds."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMMAND = (sys.executable, "-m", "repoloom")
PACKAGES = ("markupsafe", "pluggy", "tomlkit")

_RECIPE = """\
name = "tiny"
seed = 1

[collect]
sources = [{sources}]
megabytes = 0.5
shard_megabytes = 0.1

[curate]
heldout = 0.1
document_megabytes = 0.05

[tokenizer]
vocabulary = 500
sample_megabytes = 1

[model]
hidden = 64
mlp = 128
layers = 2
heads = 2
kv_heads = 1
context = 256
init_std = 0.02
tied = true

[pretrain]
steps = 30
batch = 4
learning_rate = 4e-3
warmup = 5
schedule = "linear"
precision = "float32"
compile = "no"
checkpoint_minutes = 0.001
validate_every = 10

[tune]
steps = 5
batch = 4
learning_rate = 1e-3
warmup = 1

[evaluate]
benchmarks = []
heldout_tokens = 2_000
infilling_tasks = 4
new_tokens = 16
samples = 2
"""


def environment(**changes: str) -> dict[str, str]:
    """This process's, with one thread for torch: tiny models are no faster on more, and others want the cores."""
    return os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "100"} | changes


def repoloom(*words: object, env: Mapping[str, str] | None = None, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command = [*COMMAND, *map(str, words)]
    return subprocess.run(
        command, cwd=ROOT, env=env or environment(), input=stdin, capture_output=True, text=True, check=False
    )


def at_once(commands: Sequence[Sequence[object]]) -> list[subprocess.CompletedProcess[str]]:
    """Run commands that have nothing to do with each other, as many at a time as there are cores."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return list(pool.map(lambda words: repoloom(*words), commands))


def said(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines on stderr, without those that a bar writes every fifteen seconds where the machine is slow."""
    return [line for line in done.stderr.splitlines() if not line.startswith("  ")]


def refused(done: subprocess.CompletedProcess[str], code: int) -> str:
    """The one line with which a command was refused."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert len(said(done)) == 1, done.stderr
    assert done.stderr.endswith("\n")
    line = said(done)[0]
    assert line.startswith("repoloom: ")
    return line.removeprefix("repoloom: ")


def copies(folder: Path) -> list[Path]:
    """Copies of small packages of this environment: real code, which stays as it is."""
    places = []
    for name in PACKAGES:
        found = importlib.util.find_spec(name)
        assert found is not None and found.origin is not None
        places.append(folder / name)
        shutil.copytree(Path(found.origin).parent, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    return places


def recipe(folder: Path) -> Path:
    """A recipe whose sources lie beside it."""
    sources = ", ".join(f'"dir:{place}"' for place in copies(folder / "sources"))
    place = folder / "tiny.toml"
    place.write_text(_RECIPE.format(sources=sources), "utf-8")
    return place
