"""Two folders of samples, compared task by task."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from repoloom.errors import UserError
from repoloom.evaluate.compare import compare


def write(folder: Path, benchmark: str, rows: Iterable[Mapping[str, object]]) -> Path:
    (folder / "samples").mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(row) + "\n" for row in rows)
    (folder / "samples" / f"{benchmark}.jsonl").write_text("".join(lines), "utf-8")
    return folder


def passing(passed: Iterable[bool]) -> list[dict[str, object]]:
    return [{"task_id": f"t{number}", "passed": one} for number, one in enumerate(passed)]


def test_the_difference_is_taken_on_common_tasks(tmp_path: Path) -> None:
    ours = write(tmp_path / "a", "humaneval", passing([True] * 60 + [False] * 40))
    theirs = write(tmp_path / "b", "humaneval", passing([True] * 40 + [False] * 50))
    found = compare(ours, theirs)["humaneval"]
    assert (found["tasks"], found["left_out"]) == (90, 10)
    assert found["ours"] == pytest.approx(60 / 90)
    assert found["theirs"] == pytest.approx(40 / 90)
    assert found["difference"] == pytest.approx(20 / 90)
    assert 0 < found["low"] < found["difference"] < found["high"]
    assert found["chance"] < 0.001


def test_samples_of_a_task_are_averaged_and_measures_known(tmp_path: Path) -> None:
    rows = [{"task_id": "x", "passed": True}, {"task_id": "x", "passed": False}, {"task_id": "y", "passed": False}]
    ours = write(write(tmp_path / "a", "mbpp", rows), "repobench", [{"task_id": "r", "exact_match": 1.0}])
    theirs = write(write(tmp_path / "b", "mbpp", rows), "repobench", [{"task_id": "r", "exact_match": 0.0}])
    found = compare(ours, theirs)
    assert found["mbpp"]["ours"] == found["mbpp"]["theirs"] == 0.25
    assert found["mbpp"]["chance"] == 1.0
    assert found["repobench"]["difference"] == 1.0


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"task_id": "a"}, "line 1: expected a number under one of passed, exact_match"),
        ({"passed": True}, "line 1: expected a text under 'task_id'"),
        ({"task_id": "a", "passed": "yes"}, "line 1: expected a number"),
    ],
)
def test_what_is_no_sample_is_said(tmp_path: Path, row: dict[str, object], says: str) -> None:
    good = write(tmp_path / "a", "mbpp", passing([True]))
    with pytest.raises(UserError, match=says):
        compare(good, write(tmp_path / "b", "mbpp", [row]))


def test_nothing_in_common_is_said(tmp_path: Path) -> None:
    ours = write(tmp_path / "a", "mbpp", passing([True]))
    with pytest.raises(UserError, match="no benchmark in common"):
        compare(ours, write(tmp_path / "b", "humaneval", passing([True])))
    with pytest.raises(UserError, match="no task in common"):
        compare(ours, write(tmp_path / "c", "mbpp", [{"task_id": "z", "passed": True}]))
