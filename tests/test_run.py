"""The whole street: what a run leaves, that it is never done twice, and that no kill changes what comes of it."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from repoloom import formats
from repoloom.stage import read_manifest
from tests.conftest import SmallDisk
from tests.street import COMMAND, PACKAGES, ROOT, environment, recipe, refused, repoloom, said

pytestmark = pytest.mark.slow

STAGES = (
    "collect", "curate", "tokenizer", "pack", "pretrain", "tune", "model", "model-instruct", "evaluate", "report",
)  # fmt: skip
MARK = "REPOLOOM_TEST_RUN"
"""In the environment of a run and all that it starts, so that none of it can hide in another session."""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe of all runs here."""
    return recipe(tmp_path_factory.mktemp("recipe"))


@pytest.fixture(scope="module")
def whole(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was left in peace."""
    out = tmp_path_factory.mktemp("whole") / "run"
    done = repoloom("run", tiny, "--out", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"report    {out}/report/index.html",
        f"model     {out}/model",
        f"instruct  {out}/model-instruct",
    ]
    assert [line.split()[0] for line in said(done)] == list(STAGES), "progress is on stderr"
    return out


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of every file but the locks, which are opened for writing."""
    found = {}
    for place in folder.rglob("*"):
        if place.is_file() and place.name not in {".lock", ".source"}:
            status = place.stat()
            found[str(place.relative_to(folder))] = (status.st_size, status.st_mtime_ns)
    return found


def corpus(out: Path) -> dict[str, str]:
    """The digests of everything that must not depend on how often a run was killed."""
    found = {}
    for stage in ("collect", "curate", "tokenizer", "pack", "model", "model-instruct"):
        for name, file in read_manifest(out / stage)["outputs"].items():
            found[f"{stage}/{name}"] = file["blake2b"]
    assert {"curate/documents/part-00000.parquet", "pack/train.bin", "pack/train.idx", "pack/heldout.bin"} < set(found)
    return found


def curve(out: Path, stage: str) -> list[tuple[int, str, float]]:
    """Step and loss, of training and of validation."""
    lines = [json.loads(line) for line in (out / stage / "metrics.jsonl").read_text().splitlines()]
    return [(line["step"], key, line[key]) for line in lines for key in ("loss", "heldout_loss") if key in line]


def same(out: Path, whole: Path) -> None:
    assert corpus(out) == corpus(whole)
    assert curve(out, "pretrain") == curve(whole, "pretrain")
    assert curve(out, "tune") == curve(whole, "tune")
    assert len([line for line in curve(out, "pretrain") if line[1] == "loss"]) == 30
    results, expected = ((run / "evaluate" / "results.json").read_bytes() for run in (out, whole))
    assert results == expected
    assert not [*out.rglob(".partial-*")] and not [*out.rglob(".building.json")]


def start(mark: str, *words: object) -> subprocess.Popen[str]:
    """A run in a session of its own."""
    return subprocess.Popen(
        [*COMMAND, *map(str, words)],
        cwd=ROOT,
        env=environment(**{MARK: mark}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def alive(mark: str, session: int) -> list[psutil.Process]:
    """Every process of a run, whatever became of its parent."""
    found = []
    for process in psutil.process_iter():
        try:
            mine = os.getsid(process.pid) == session or process.environ().get(MARK) == mark
            if mine and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def wait_until(condition: Callable[[], Any], process: subprocess.Popen[str]) -> None:
    while not condition():
        assert process.poll() is None, process.communicate()
        time.sleep(0.001)


def test_a_finished_run_holds_what_it_promises(whole: Path) -> None:
    names = ["model/model.safetensors", "model/model.gguf", "model/tokenizer.json", "model-instruct/model.safetensors"]
    for name in [
        "report/index.html",
        "report/preview.svg",
        "model-instruct/model.gguf",
        "evaluate/results.json",
        *names,
    ]:
        assert (whole / name).stat().st_size > 0, name
    assert (whole / "model/model.gguf").read_bytes()[:4] == b"GGUF"
    assert {stage for stage in STAGES if (whole / stage / "manifest.json").exists()} == set(STAGES)
    base, tuned = ((whole / name / "model.safetensors").read_bytes() for name in ("model", "model-instruct"))
    assert base != tuned
    results = json.loads((whole / "evaluate/results.json").read_text())
    assert results["benchmarks"] == {}
    assert results["bits_per_byte"]["model"] > 0
    losses = [loss for _, key, loss in curve(whole, "pretrain") if key == "heldout_loss"]
    assert losses[-1] < losses[0] - 0.5, "it has learnt something"
    page = (whole / "report/index.html").read_text()
    assert all(name in page for name in (*PACKAGES, "no benchmark was run"))


def test_a_second_run_does_nothing_again(tiny: Path, whole: Path) -> None:
    before = stamps(whole)
    done = repoloom("run", tiny, "--out", whole, "--json")
    assert json.loads(done.stdout) == {
        "report": f"{whole}/report/index.html",
        "model": f"{whole}/model",
        "model_instruct": f"{whole}/model-instruct",
    }
    assert [line.split() for line in said(done)] == [[stage, "stands"] for stage in STAGES]
    assert stamps(whole) == before


def test_a_change_is_made_where_it_matters_and_no_further(tiny: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    sources = tiny.parent / "sources"
    os.utime(next(sources.rglob("*.py")))  # another time of change, the same text
    done = repoloom("run", tiny, "--out", out, "--set", "tune.steps=4")
    again = [line.split()[0] for line in said(done) if not line.endswith("stands")]
    assert again == ["collect", "tune", "model-instruct", "evaluate", "report"]
    tuned = {name for name, digest in corpus(out).items() if digest != corpus(whole)[name]}
    assert tuned == {"model-instruct/model.safetensors", "model-instruct/model.gguf"}
    (out / "pack" / "train.bin").write_bytes(b"")
    (out / "model" / "model.gguf").unlink()
    done = repoloom("run", tiny, "--out", out, "--set", "tune.steps=4")
    again = [line.split()[0] for line in said(done) if not line.endswith("stands")]
    assert again == ["pack", "model", "report"], "and what is damaged is mended"
    assert (out / "pack" / "train.bin").read_bytes() == (whole / "pack" / "train.bin").read_bytes()


@pytest.mark.parametrize("victim", ["the parent alone", "the whole group"])
def test_killed_in_every_stage_it_ends_as_if_it_never_was(tiny: Path, whole: Path, tmp_path: Path, victim: str) -> None:
    out = tmp_path / "run"
    for number, stage in enumerate(STAGES):
        for _ in range(9):
            if killed_inside(tiny, out, stage, victim, 0.03 * (number % 3)):
                break
            shutil.rmtree(out / stage, ignore_errors=True)  # it was faster than we are
        else:
            pytest.fail(f"{stage} was never killed at work")
    done = repoloom("run", tiny, "--out", out)
    assert done.returncode == 0, done.stderr
    same(out, whole)


def killed_inside(tiny: Path, out: Path, stage: str, victim: str, pause: float) -> bool:
    """Start the run, SIGKILL it in this stage, and see that nothing of it goes on. Whether it was killed at work."""
    mark = str(out)
    with start(mark, "run", tiny, "--out", out) as process:
        building = out / stage / ".building.json"
        while not building.exists() and process.poll() is None:
            time.sleep(0.001)
        time.sleep(pause if stage in {"curate", "pack", "pretrain", "tune"} else 0)
        if victim == "the parent alone":
            process.kill()
        else:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    for _ in range(1000):
        if not alive(mark, process.pid):
            break
        time.sleep(0.01)
    assert not alive(mark, process.pid), "an orphan goes on"
    return process.returncode == -signal.SIGKILL and building.exists()


def test_killed_again_and_again_while_it_trains_it_goes_on_from_its_checkpoints(
    tiny: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    shutil.rmtree(out / "pretrain")
    metrics = out / "pretrain" / "metrics.jsonl"
    for lines in (4, 12, 25):
        process = start(str(tmp_path), "run", tiny, "--out", out)
        wait_until(lambda lines=lines: metrics.exists() and metrics.read_text().count("\n") >= lines, process)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert not (out / "pretrain" / "manifest.json").exists()
    done = repoloom("run", tiny, "--out", out)
    assert done.returncode == 0, done.stderr
    assert read_manifest(out / "pretrain")["run"]["resumed"]
    same(out, whole)


def test_a_second_run_into_the_same_folder_is_refused_while_the_first_goes_on(tiny: Path, tmp_path: Path) -> None:
    process = start(str(tmp_path), "run", tiny, "--out", tmp_path / "run")
    wait_until((tmp_path / "run" / "curate" / ".building.json").exists, process)
    line = refused(repoloom("run", tiny, "--out", tmp_path / "run", "--set", "seed=2"), 1)
    assert line.startswith(f"another repoloom is writing {tmp_path / 'run'}: wait for it")
    assert process.poll() is None, "and the first is not disturbed"
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_a_disk_that_runs_full_under_a_run_is_one_line_and_with_space_it_goes_on(
    tiny: Path, whole: Path, tmp_path: Path, small_disk: SmallDisk
) -> None:
    out = small_disk.place / "run"
    process = start(str(tmp_path), "run", tiny, "--out", out)
    wait_until((out / "curate" / ".building.json").exists, process)
    small_disk.fill(0)
    _, told = process.communicate()
    assert process.returncode == 1
    assert told.splitlines()[-1].startswith("repoloom: ") and "no space left on the disk of" in told.splitlines()[-1]
    assert "Traceback" not in told
    small_disk.empty()
    for stage in ("tokenizer", "curate", "pack"):
        if (out / stage).exists():
            shutil.rmtree(out / stage)
        shutil.copytree(whole / stage, out / stage)
    small_disk.fill(700_000)  # enough for the metrics, not for a checkpoint: torch then hides the reason
    line = refused(repoloom("pretrain", tiny, "--out", out), 1)
    assert line.startswith(f"pretrain: no space left on the disk of {out / 'pretrain'}")
    small_disk.empty()
    done = repoloom("run", tiny, "--out", out)
    assert done.returncode == 0, done.stderr
    same(out, whole)


def test_a_clone_and_its_folder_give_the_same_documents(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tomlkit"
    shutil.copytree(tiny.parent / "sources" / "tomlkit", folder)
    git = ["git", "-C", str(folder), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *words], check=True)
    bare = tmp_path / "store" / "tomlkit.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(folder), str(bare)], check=True)
    texts = []
    for number, source in enumerate((f"dir:{folder}", f"git+file:{folder}", f"git+file:{bare}")):
        out = tmp_path / str(number)
        for words in (["collect", source, "--out", out / "a"], ["curate", out / "a", "--out", out / "b"]):
            done = repoloom(*words)
            assert done.returncode == 0, done.stderr
        rows = [row for part in formats.parts(out / "b", "documents") for row in formats.rows(part)]
        texts.append([(row["repo"], row["text"], row["files"]) for row in rows])
    assert texts[0] == texts[1] == texts[2]
    assert sum(len(text) for _, text, _ in texts[0]) > 50_000


def test_one_folder_without_a_python_function_has_a_model_and_says_what_it_has_not(tiny: Path, tmp_path: Path) -> None:
    """C headers of an installed package: no other repository to hold out, nothing to tune on."""
    import numpy

    source = f'collect.sources=["dir:{numpy.get_include()}"]'
    done = repoloom("run", tiny, "--out", tmp_path / "run", "--set", source, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model_instruct"] is None
    (line,) = [line for line in said(done) if line.startswith("tune")]
    assert line.startswith("tune: left out, and with it the instruct model: no documented Python function")
    assert (tmp_path / "run" / "model" / "model.gguf").exists()
    page = (tmp_path / "run" / "report" / "index.html").read_text("utf-8")
    assert "nothing is held out" in page and "Not in this run" in page
