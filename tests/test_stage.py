"""A stage's folder: skipped when nothing changed, whole files only, one writer, nothing of others touched."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from repoloom import stage
from repoloom.errors import UserError


def make(folder: Path, *, text: str = "made\n", name: str = "out/part.txt", **changes: Any) -> stage.Manifest:
    """One stage of one file; says in `counts` whether it had to work."""
    settings: dict[str, Any] = {"inputs": {"source": 1}, "settings": {"rate": 0.5}, "code": ["ledger.py"]} | changes
    with stage.build(folder, "test", **settings) as work:
        if work.finished is None:
            with work.write(name) as place:
                place.write_text(text)
            work.finish({"worked": True})
    assert work.manifest is not None
    return work.manifest


def stamps(folder: Path) -> dict[str, int]:
    return {str(f.relative_to(folder)): f.stat().st_mtime_ns for f in folder.rglob("*") if f.is_file()}


def test_nothing_changed_nothing_done(tmp_path: Path):
    first = make(tmp_path / "s")
    before = stamps(tmp_path / "s")
    assert make(tmp_path / "s") == first
    assert stamps(tmp_path / "s") == before


@pytest.mark.parametrize(
    "changes",
    [{"inputs": {"source": 2}}, {"settings": {"rate": 0.6}}, {"code": ["engine.py"]}, {"libraries": ["numpy"]}],
    ids=["an input", "a setting", "the code", "a library"],
)
def test_it_is_made_anew_when_something_changed(tmp_path: Path, changes: dict[str, Any]):
    make(tmp_path / "s", name="old.txt")
    again = make(tmp_path / "s", name="new.txt", **changes)
    assert list(again["outputs"]) == ["new.txt"]
    assert not (tmp_path / "s" / "old.txt").exists()


@pytest.mark.parametrize("harm", ["cut short", "removed"])
def test_an_output_that_is_no_longer_whole_is_made_anew(tmp_path: Path, harm: str):
    make(tmp_path / "s")
    place = tmp_path / "s" / "out" / "part.txt"
    if harm == "removed":
        place.unlink()
    else:
        place.write_text("ma")
    make(tmp_path / "s")
    assert place.read_text() == "made\n"


def test_the_content_is_a_function_of_the_outputs_alone(tmp_path: Path):
    first = make(tmp_path / "a")
    second = make(tmp_path / "b", settings={"rate": 0.9}, code=["engine.py"])
    assert first["fingerprint"] != second["fingerprint"]
    assert first["content"] == second["content"]
    assert make(tmp_path / "c", text="other\n")["content"] != first["content"]


def test_an_interrupted_stage_keeps_whole_files_and_loses_partial_ones(tmp_path: Path):
    folder = tmp_path / "s"
    settings: dict[str, Any] = {"inputs": {}, "settings": {}, "code": []}
    with contextlib.suppress(KeyboardInterrupt), stage.build(folder, "test", **settings) as work:
        with work.write("whole.txt") as place:
            place.write_text("whole")
        with work.write("half.txt") as place:
            place.write_text("ha")
            raise KeyboardInterrupt
    assert not (folder / stage.MANIFEST).exists() and not (folder / "half.txt").exists()
    with stage.build(folder, "test", **settings) as work:
        assert work.resumed and work.finished is None
        assert work.path("whole.txt").read_text() == "whole"
        assert not list(folder.rglob(".partial-*"))
        work.finish({})
    assert work.manifest is not None and work.manifest["run"]["resumed"]
    with stage.build(folder, "test", **(settings | {"inputs": {"other": 1}})) as work:
        assert not work.resumed and not work.path("whole.txt").exists()


def test_two_writers_the_second_is_refused(tmp_path: Path):
    program = (
        "import sys, time; from pathlib import Path; from repoloom import stage\n"
        "with stage.build(Path(sys.argv[1]), 'test', inputs={}, settings={}, code=[]):\n"
        "    print('open', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", program, tmp_path / "s"], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None and other.stdout.readline() == "open\n"
        with pytest.raises(UserError, match="another repoloom is writing"):
            make(tmp_path / "s")
    finally:
        other.kill()
        other.wait()
    make(tmp_path / "s")  # the lock went with its holder


def test_a_folder_that_is_no_stage_s_is_left_alone(tmp_path: Path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match=r"holds files that no stage made \(thesis.tex\)"):
        make(tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write to"):
        make(tmp_path / "file" / "s")


def test_a_disk_that_is_full_is_one_line_and_the_stage_goes_on_later(tmp_path: Path):
    """/dev/full refuses every write as a full disk does."""
    with (
        pytest.raises(UserError, match="No space left on device"),
        stage.build(tmp_path / "s", "test", inputs={"source": 1}, settings={"rate": 0.5}, code=["ledger.py"]),
        open("/dev/full", "w") as full,
    ):
        full.write("x" * 100_000)
    assert make(tmp_path / "s")["counts"] == {"worked": True}


def test_forgotten_it_is_made_anew(tmp_path: Path):
    make(tmp_path / "s")
    stage.forget(tmp_path / "s")
    assert make(tmp_path / "s", text="again\n")["outputs"]["out/part.txt"]["bytes"] == 6


def test_a_manifest_that_cannot_be_read(tmp_path: Path):
    with pytest.raises(UserError, match=r"holds no manifest\.json"):
        stage.read_manifest(tmp_path)
    (tmp_path / stage.MANIFEST).write_text("{")
    with pytest.raises(UserError, match="cannot read"):
        stage.read_manifest(tmp_path)


def test_the_manifest_says_machine_time_and_memory_outside_of_the_fingerprint(tmp_path: Path):
    manifest = make(tmp_path / "s")
    on_disk = json.loads((tmp_path / "s" / stage.MANIFEST).read_text())
    assert on_disk == manifest
    assert manifest["run"]["peak_memory_mb"] > 1 and manifest["run"]["machine"]["cores"] >= 1
    assert manifest["outputs"]["out/part.txt"] == {
        "bytes": 5,
        "blake2b": stage.digest_file(tmp_path / "s" / "out" / "part.txt"),
    }
