"""Holes in HumanEval's solutions, against OpenAI's published files."""

import hashlib
import json
from collections import defaultdict
from pathlib import Path

import pytest

from repoloom.tasks import find, load, variant

PUBLISHED = {
    "infilling-single-line": (1033, "9b238ff0a63930858fb1bb6cfa5ecdca19bd2b562599127acd10a53b26405c20"),
    "infilling-multi-line": (5815, "25c46a52e9d691aebb2a8a6ceb25b8002031b38f00bd19853fbe6acb26be5dfc"),
}
"""Of openai/human-eval-infilling at 88062ff, data/HumanEval-{Single,Multi}LineInfilling.jsonl.gz: how many rows, and
the SHA-256 of their [task_id, prompt, suffix, canonical_solution] as `json.dumps` writes them, a line each."""


@pytest.mark.parametrize("benchmark", PUBLISHED)
def test_lines_are_the_published_ones_in_every_byte(benchmark: str) -> None:
    tasks = load(benchmark)
    digest = hashlib.sha256()
    for task in tasks:
        digest.update(json.dumps([task.task_id, task.prompt, task.suffix, task.reference]).encode() + b"\n")
    assert (len(tasks), digest.hexdigest()) == PUBLISHED[benchmark]


def test_spans_are_ten_a_task_and_uniform() -> None:
    solutions = {task.task_id: (task.prompt, task.reference) for task in load("humaneval")}
    tasks = load("infilling-random-span")
    assert len(tasks) == 1640
    assert tasks == load("infilling-random-span")
    spans = defaultdict(set)
    starts, lengths = 0.0, 0.0
    for task in tasks:
        name = task.task_id.removeprefix("RandomSpanInfilling/").rpartition("/")[0]
        prompt, solution = solutions[name]
        assert task.prompt + task.reference + task.suffix == prompt + solution
        start = len(task.prompt) - len(prompt)
        assert start >= 0
        spans[name].add((start, len(task.reference)))
        starts += start / len(solution) / len(tasks)
        lengths += len(task.reference) / len(solution) / len(tasks)
    assert {len(of) for of in spans.values()} == {10}, "no span twice"
    # Two uniform cuts leave a third before, between and behind; three standard errors of the mean are 0.017.
    assert starts == pytest.approx(1 / 3, abs=0.02)
    assert lengths == pytest.approx(1 / 3, abs=0.02)


def test_a_single_line_ends_at_its_line_break() -> None:
    task = load("infilling-single-line")[0]
    way, plain = variant("infilling-single-line"), variant("infilling-single-line", samples=True)
    answer = way.answer(task, task.reference.rstrip("\n"))
    assert answer == task.reference
    assert way.program(task, answer) == task.prompt + task.reference + task.suffix
    assert way.answer(task, "    x\n    y\n") == "    x\n"
    assert plain.answer(task, "    x\n    y\n") == "    x\n    y\n"
    compare = find("infilling-single-line").compare
    assert compare is not None
    assert compare(task, task.reference.strip()) == {"exact_match": 1.0, "edit_similarity": 1.0}
    assert compare(task, "x")["exact_match"] == 0.0


def test_published_rows_and_santacoders(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    row = {"prompt": "def f():\n", "suffix": "    return x\n", "canonical_solution": "    x = 1\n"}
    published = {**row, "task_id": "SingleLineInfilling/a/L0", "entry_point": "f", "test": "def check(c): pass\n"}
    santacoder = {**row, "name": "HumanEval_0_f", "language": "js", "tests": "never run"}
    path.write_text(json.dumps(published) + "\n" + json.dumps(santacoder) + "\n")
    one, other = load("infilling-single-line", path)
    assert (one.task_id, one.test, one.language) == (
        "SingleLineInfilling/a/L0",
        "def check(c): pass\n\ncheck(f)\n",
        "python",
    )
    assert (other.task_id, other.test, other.language) == ("HumanEval_0_f", "", "javascript")
    assert (other.prompt, other.suffix, other.reference) == tuple(row.values())
