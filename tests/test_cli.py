"""The command line as a user meets it: help with examples, one line for what is wrong, the right exit code."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

COMMANDS = (
    *("run", "collect", "curate", "explain", "order", "tokenizer", "pack", "pretrain", "tune", "evaluate", "tasks"),
    *("score", "complete", "chat", "serve", "export", "report"),
)
LATER = ("review", "import", "plan")


def repoloom(*words: object, **options: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "repoloom", *map(str, words)]
    environment = os.environ | {"COLUMNS": "200", "TERM": "dumb"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, **options)  # type: ignore[call-overload]


def together(calls: Iterable[tuple[object, ...]]) -> "list[subprocess.CompletedProcess[str]]":
    """Most of a short command's time goes into imports: two at a time."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda words: repoloom(*words), calls))


def test_help_lists_every_command_that_works_and_no_other():
    said = repoloom("--help")
    assert said.returncode == 0
    listed = [line.split()[1] for line in said.stdout.splitlines() if line.startswith("│ ") and len(line.split()) > 2]
    assert [name for name in listed if not name.startswith("-")] == list(COMMANDS)
    assert not set(LATER) & set(listed)


def test_every_command_explains_itself_with_an_example():
    for name, said in zip(COMMANDS, together((name, "--help") for name in COMMANDS), strict=True):
        assert said.returncode == 0, name
        assert f" repoloom {name} " in said.stdout.partition("Options")[0].partition("Usage")[2].partition("\n")[2], (
            name
        )


@pytest.fixture
def bad(tmp_path: Path) -> dict[str, Path]:
    """Things that are wrong, each in its own way."""
    (tmp_path / "wrong.toml").write_text('name = "r"\n[pretrain]\nstepz = 3\n')
    (tmp_path / "greedy.toml").write_text(
        'name = "r"\n[collect]\nsources = ["installed:click"]\nmegabytes = 1e9\n[pretrain]\nsteps = 1\n'
    )
    (tmp_path / "empty").mkdir()
    (tmp_path / "binary").mkdir()
    (tmp_path / "binary" / "a.py").write_bytes(b"a = 1\0\n")
    (tmp_path / "a.py").write_text("x = 1\n")
    return {place.name: place for place in tmp_path.iterdir()} | {"here": tmp_path}


def test_what_is_wrong_is_said_in_one_line_with_the_right_code(bad: dict[str, Path]):
    here, out = bad["here"], bad["here"] / "out"
    cases: list[tuple[int, str, tuple[object, ...]]] = [
        (2, "pretrain.stepz: no such key", ("run", bad["wrong.toml"])),
        (2, "cannot read the recipe", ("run", here / "none.toml")),
        (2, "collect.sourcez", ("run", bad["greedy.toml"], "--set", "collect.sourcez=[]")),
        (1, "too little disk", ("run", bad["greedy.toml"], "--out", out)),
        (1, "holds no file", ("collect", f"dir:{bad['empty']}", "--out", out)),
        (1, "holds no file that is UTF-8 text", ("collect", f"dir:{bad['binary']}", "--out", here / "out2")),
        (1, "does not exist", ("collect", f"dir:{here / 'none'}", "--out", out)),
        (1, "is no folder", ("collect", f"dir:{bad['a.py']}", "--out", out)),
        (1, "cannot be opened as a git repository", ("collect", f"git+file:{bad['empty']}", "--out", out)),
        (2, "ftp:", ("collect", "ftp:elsewhere", "--out", out)),
        (1, "no manifest.json", ("curate", bad["empty"], "--out", out)),
        (1, "no manifest.json", ("explain", bad["empty"], "click")),
        (1, "cannot list", ("order", here / "none")),
        (2, "vocabulary", ("tokenizer", bad["empty"], "--out", out, "--vocab-size", "3")),
        (1, "holds no documents", ("tokenizer", bad["empty"], "--out", out)),
        (1, "is not a tokenizer's folder", ("pack", bad["empty"], "--tokenizer", bad["empty"], "--out", out)),
        (1, "no config.json", ("evaluate", bad["empty"], "--out", out)),
        (2, "benchmarks", ("evaluate", bad["empty"], "--out", out, "--benchmark", "chess")),
        (2, "chess", ("tasks", "chess")),
        (2, "expected FILE:LINE:COLUMN", ("complete", bad["empty"], "a.py:1")),
        (1, "config.json", ("complete", bad["empty"], f"{bad['a.py']}:1:1")),
        (1, "config.json", ("serve", bad["empty"])),
        (1, "config.json", ("chat", bad["empty"])),
        (2, "huggingface", ("export", bad["empty"], "--to", "onnx", "--out", out)),
        (1, "holds no finished stage", ("report", bad["empty"])),
        (1, "samples", ("score", "humaneval", here / "samples.jsonl")),
    ]
    for (code, says, words), said in zip(cases, together(words for _, _, words in cases), strict=True):
        lines = said.stderr.strip().splitlines()
        assert said.returncode == code, (words, said.stderr)
        assert lines and says in lines[-1] and lines[-1].startswith("repoloom: "), (words, said.stderr)
        assert len([line for line in lines if line.startswith("repoloom: ")]) == 1, words
        assert "Traceback" not in said.stderr and not said.stdout, words


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_without_permission(bad: dict[str, Path]):
    bad["empty"].chmod(0)
    said = repoloom("collect", f"dir:{bad['empty']}", "--out", bad["here"] / "out")
    bad["empty"].chmod(0o700)
    assert said.returncode == 1 and "permission denied" in said.stderr


def test_results_go_to_stdout_and_progress_to_stderr(tmp_path: Path):
    collected = repoloom("collect", "installed:click", "--out", tmp_path / "shards", "--json")
    assert collected.returncode == 0, collected.stderr
    counts = json.loads(collected.stdout)
    assert counts["kept"]["files"] > 10 and counts["repositories"][0]["repo"] == "click"
    curated = repoloom("curate", tmp_path / "shards", "--out", tmp_path / "corpus")
    assert curated.returncode == 0, curated.stderr
    assert "Python" not in curated.stderr and "kept" in curated.stdout and "python" in curated.stdout
    answer = json.loads(repoloom("explain", tmp_path / "corpus", "click/click/core.py", "--json").stdout)
    assert answer["status"] == "kept" and answer["measures"]
    ordered = json.loads(repoloom("order", _package("click"), "--json").stdout)
    assert "core.py" in ordered["files"] and ["core.py", "types.py"] in ordered["edges"]
    unknown = repoloom("explain", tmp_path / "corpus", "click/click/cor.py")
    assert unknown.returncode == 1 and "did you mean" in unknown.stderr
    tasks = [json.loads(line) for line in repoloom("tasks", "humaneval", "--json").stdout.splitlines()]
    assert len(tasks) == 164 and set(tasks[0]) == {"task_id", "prompt", "suffix", "reference"}


def test_a_reader_that_leaves_early_is_no_error():
    command = f"{sys.executable} -m repoloom tasks humaneval --json | head -n 1"
    said = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert said.stdout.count("\n") == 1 and not said.stderr


def test_the_version():
    from repoloom import __version__

    assert repoloom("--version").stdout == f"repoloom {__version__}\n"


def _package(name: str) -> Path:
    import importlib.util

    spec = importlib.util.find_spec(name)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent
