"""The whole street on two real packages: it ends with what it promises, stands when called again, and survives SIGKILL.

The unbroken run is made once; each interrupted one must end with its corpus bytes and its loss curve.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import psutil
import pygit2
import pytest

pytestmark = pytest.mark.slow

SITE = Path(sysconfig.get_path("purelib"))
PACKAGES = ("click", "jinja2", "httpx")
RECIPE = """
name = "tiny"
seed = 3
collect = {{ sources = [{sources}], shard_megabytes = 0.2 }}
curate = {{ heldout = 0.3, shard_megabytes = 0.2 }}
tokenizer = {{ vocabulary = 500, sample_megabytes = 0.3 }}
model = {{ hidden = 64, mlp = 128, layers = 2, heads = 2, kv_heads = 1, context = 320, tied = true, init_std = 0.02 }}
tune = {{ steps = 6, batch = 4, learning_rate = 1e-3, warmup = 1, pairs = 60 }}
evaluate = {{ benchmarks = [], heldout_tokens = 3000, infilling_tasks = 3, samples = 3 }}

[pretrain]
steps = 40
batch = 4
learning_rate = 3e-3
warmup = 4
precision = "float32"
checkpoint_minutes = 0.005
validate_every = 20
"""
STAGES = ("collect", "curate", "tokenizer", "pack", "pretrain", "tune", "evaluate")
# One thread a process: tiny matrices are no faster on two, and several runs share the cores.
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("tiny")
    for name in PACKAGES:
        shutil.copytree(SITE / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    (place / "tiny.toml").write_text(RECIPE.format(sources=", ".join(f'"dir:{place / name}"' for name in PACKAGES)))
    return place / "tiny.toml"


def start(recipe: Path, out: Path) -> "subprocess.Popen[str]":
    """A run in a session of its own, so that all of it can be killed, or found afterwards."""
    command = [sys.executable, "-m", "repoloom", "run", str(recipe), "--out", str(out)]
    return subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def finish(recipe: Path, out: Path) -> tuple[str, str]:
    process = start(recipe, out)
    said, progress = process.communicate(timeout=300)
    assert process.returncode == 0, progress
    assert "Traceback" not in progress
    return said, progress


def corpus(out: Path) -> dict[str, str]:
    """Digests of what curation, tokenizer and packing left."""
    files = [file for stage in STAGES[:4] for file in sorted((out / stage).rglob("*")) if file.is_file()]
    kept = [file for file in files if file.name != "manifest.json" and not file.name.startswith(".")]
    return {str(file.relative_to(out)): hashlib.sha256(file.read_bytes()).hexdigest() for file in kept}


def curve(out: Path, stage: str) -> list[tuple[int, float | None, float | None]]:
    lines = [json.loads(line) for line in (out / stage / "metrics.jsonl").read_text().splitlines()]
    return [(line["step"], line.get("loss"), line.get("heldout_loss")) for line in lines]


def stamps(out: Path) -> dict[str, int]:
    return {str(f.relative_to(out)): f.stat().st_mtime_ns for f in out.rglob("*") if f.is_file() and f.name[0] != "."}


@pytest.fixture(scope="module")
def unbroken(recipe: Path) -> Path:
    out = recipe.parent / "unbroken"
    said, _ = finish(recipe, out)
    assert said.split() == [
        *("report", f"{out}/report/index.html", "model", f"{out}/model", "instruct", f"{out}/model-instruct"),
    ]
    return out


def test_a_run_leaves_what_it_promises(unbroken: Path):
    for name in ("model/model.safetensors", "model/model.gguf", "model-instruct/tokenizer.json", "report/preview.svg"):
        assert (unbroken / name).stat().st_size > 0, name
    steps = [loss for _, loss, _ in curve(unbroken, "pretrain") if loss is not None]
    assert len(steps) == 40 and steps[-1] < steps[0] - 0.5
    counts = json.loads((unbroken / "curate" / "manifest.json").read_text())["counts"]
    assert counts["heldout"]["repositories"] == 1
    page = (unbroken / "report" / "index.html").read_text()
    assert all(name in page for name in PACKAGES)
    assert "not among evaluate.benchmarks" in page


def test_called_again_everything_stands(recipe: Path, unbroken: Path):
    before = stamps(unbroken)
    _, progress = finish(recipe, unbroken)
    assert stamps(unbroken) == before
    assert progress.count("stands") == 9  # seven stages and two exports


@pytest.mark.parametrize("whole_group", [False, True], ids=["the parent", "the whole group"])
@pytest.mark.parametrize("stage", STAGES)
def test_killed_in_any_stage_it_ends_with_the_same_corpus_and_curve(
    recipe: Path, unbroken: Path, tmp_path: Path, stage: str, whole_group: bool
):
    out = tmp_path / "run"
    number = STAGES.index(stage)
    for before in STAGES[:number]:  # what earlier stages left is what the unbroken run has: copied, it stands
        shutil.copytree(unbroken / before, out / before)
    for export in ("model", "model-instruct") if stage == "evaluate" else ():
        shutil.copytree(unbroken / export, out / export)
    process = start(recipe, out)
    while not (out / stage / ".building.json").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    time.sleep(random.Random(f"{stage}/{whole_group}").uniform(0.0, 0.8))
    session = [p for p in psutil.process_iter() if p.pid != process.pid and _session(p.pid) == process.pid]
    os.killpg(process.pid, signal.SIGKILL) if whole_group else process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(session, timeout=20)
    assert not alive, "a worker outlived its parent"
    finish(recipe, out)
    assert corpus(out) == corpus(unbroken)
    assert curve(out, "pretrain") == curve(unbroken, "pretrain")
    assert curve(out, "tune") == curve(unbroken, "tune")
    results = [json.loads((run / "evaluate" / "results.json").read_text()) for run in (out, unbroken)]
    assert results[0] == results[1]


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def test_a_clone_gives_the_documents_that_its_folder_gives(recipe: Path, tmp_path: Path):
    source = tmp_path / "click"
    shutil.copytree(recipe.parent / "click", source)
    git = pygit2.init_repository(str(source))
    git.index.add_all()
    git.index.write()
    author = pygit2.Signature("a", "a@example.org", 0, 0)
    git.create_commit("HEAD", author, author, "all", git.index.write_tree(), [])
    bare = tmp_path / "store" / "click.git"
    pygit2.clone_repository(str(source), str(bare), bare=True)
    texts = []
    for name, place in (("dir", f"dir:{source}"), ("work", f"git+file:{source}"), ("bare", f"git+file:{bare}")):
        for command in (["collect", place, "--out", tmp_path / name], ["curate", tmp_path / name, "--out"]):
            more = [tmp_path / f"{name}-curated"] if command[0] == "curate" else []
            words = [sys.executable, "-m", "repoloom", *command, *more]
            subprocess.run(words, env=ENVIRONMENT, check=True, capture_output=True)
        texts.append(_documents(tmp_path / f"{name}-curated"))
    assert texts[0] and texts[0] == texts[1] == texts[2]


def _documents(curated: Path) -> list[tuple[str, str]]:
    from repoloom import formats

    parts = formats.parts(curated, "documents")
    return [(row["document_id"], row["text"]) for part in parts for row in formats.rows(part)]
