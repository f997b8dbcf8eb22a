"""A stage's folder: one writer, whole files, skipped when nothing changed, safe to kill at any instant."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from repoloom import stage
from repoloom.errors import UserError
from tests.conftest import SmallDisk

ROOT = Path(__file__).parents[1]

HOLDS = """
import sys
from pathlib import Path
from repoloom.stage import build
with build(Path(sys.argv[1]), "one", inputs={}, settings={}, code=["ledger.py"]) as work:
    print("inside", flush=True)
    sys.stdin.readline()
"""
BUILDS = """
import sys
from pathlib import Path
from repoloom.stage import build
with build(Path(sys.argv[1]), "one", inputs={}, settings={}, code=sys.argv[2:]) as work:
    print("stands" if work.finished else "built")
    work.finish({})
"""
MAKES_MANY = """
import sys
from pathlib import Path
from repoloom.stage import build
with build(Path(sys.argv[1]), "one", inputs={}, settings={"round": sys.argv[2]}, code=[]) as work:
    for number in range(2000):
        work.path(f"file-{number}").write_text(sys.argv[2])
    work.finish({})
"""


def make(folder: Path, text: str = "text", **changes: Any) -> stage.Work:
    """A stage of one file; `work.finished` of what is returned tells whether it stood already."""
    asked: dict[str, Any] = {"inputs": {"shards": "a"}, "settings": {"seed": 0}, "code": ["ledger.py"]} | changes
    with stage.build(folder, "one", **asked) as work:
        if work.finished is None:
            with work.write("documents/part-00000.txt") as partial:
                partial.write_text(text)
            work.finish({"documents": 1})
    return work


def files(folder: Path) -> set[str]:
    return {str(place.relative_to(folder)) for place in folder.rglob("*") if place.is_file()}


def content(folder: Path) -> str:
    return str(stage.read_manifest(folder)["content"])


def test_nothing_is_done_where_nothing_changed(tmp_path: Path) -> None:
    assert make(tmp_path / "a").finished is None
    first = {name: (tmp_path / "a" / name).stat().st_mtime_ns for name in files(tmp_path / "a")}
    assert set(first) == {".lock", "documents/part-00000.txt", "manifest.json"}
    again = make(tmp_path / "a", text="another text that is not written")
    assert again.finished is not None
    assert again.finished["counts"] == {"documents": 1}
    del first[".lock"]
    assert first == {name: (tmp_path / "a" / name).stat().st_mtime_ns for name in first}


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"seed": 1}},
        {"inputs": {"shards": "b"}},
        {"inputs": {"shards": "a", "more": None}},
        {"code": ["ledger.py", "engine.py"]},
        {"libraries": ["numpy"]},
    ],
    ids=["a setting", "an input", "one input more", "more code", "a library"],
)
def test_it_is_made_anew_where_something_changed(tmp_path: Path, change: dict[str, Any]) -> None:
    folder = tmp_path / "a"
    make(folder)
    (folder / "documents" / "of-the-old-one.txt").write_text("stale")
    work = make(folder, "new", **change)
    assert (work.finished, work.resumed) == (None, False)
    assert files(folder) == {".lock", "documents/part-00000.txt", "manifest.json"}
    assert (folder / "documents/part-00000.txt").read_text() == "new"
    assert make(folder, **change).finished is not None
    assert make(folder).finished is None, "and back again"


def test_it_is_made_anew_where_the_source_of_its_rooms_changed(tmp_path: Path) -> None:
    """In a copy of the ground floor and one room, whose files are really changed."""
    package = tmp_path / "repoloom"
    shutil.copytree(ROOT / "repoloom" / "collect", package / "collect")
    for file in (ROOT / "repoloom").glob("*.py"):
        shutil.copy(file, package)

    def build() -> str:
        command = [sys.executable, "-c", BUILDS, str(tmp_path / "out"), "collect", "languages.py"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.strip()

    assert [build(), build()] == ["built", "stands"]
    for name in ("collect/git.py", "languages.py", "stage.py", "formats.py"):
        with (package / name).open("a") as file:
            file.write("# changed\n")
        assert [build(), build()] == ["built", "stands"], name
    with (package / "run.py").open("a") as file:
        file.write("# changed\n")
    assert build() == "stands", "what the stage does not stand on may change"


def test_an_output_that_changed_its_size_or_is_gone_is_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    make(folder)
    output = folder / "documents/part-00000.txt"
    output.write_text("shorter"[:2])
    assert make(folder).finished is None
    assert output.read_text() == "text"
    output.unlink()
    assert make(folder).finished is None
    assert output.read_text() == "text"


@pytest.mark.parametrize("manifest", ["", "[]", "{", '{"outputs": 3}', "\0"])
def test_a_manifest_that_is_damaged_is_made_anew(tmp_path: Path, manifest: str) -> None:
    make(tmp_path)
    (tmp_path / "manifest.json").write_text(manifest)
    assert make(tmp_path).finished is None
    assert make(tmp_path).finished is not None


def test_an_interrupted_stage_keeps_whole_files_and_loses_partial_ones(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"inputs": {}, "settings": {}, "code": []}
    with pytest.raises(RuntimeError), stage.build(tmp_path, "one", **asked) as work:
        assert not work.resumed
        with work.write("a/whole.txt") as partial:
            partial.write_text("whole")
        with work.write("a/half.txt") as partial:
            partial.write_text("half of i")
            raise RuntimeError
    assert any(name.startswith("a/.partial-") for name in files(tmp_path))
    (tmp_path / "a" / ".partial-folder").mkdir()
    (tmp_path / "a" / ".partial-folder" / "inner").write_text("x")
    with stage.build(tmp_path, "one", **asked) as work:
        assert (work.resumed, work.finished) == (True, None)
        assert files(tmp_path) == {".lock", ".building.json", "a/whole.txt"}
        work.finish({})
    manifest = stage.read_manifest(tmp_path)
    assert manifest["run"]["resumed"] is True
    assert set(manifest["outputs"]) == {"a/whole.txt"}


def test_an_interrupted_stage_of_other_settings_is_begun_anew(tmp_path: Path) -> None:
    with stage.build(tmp_path, "one", inputs={}, settings={"seed": 0}, code=[]) as work, work.write("a") as partial:
        partial.write_text("of seed 0")
    assert files(tmp_path) == {".lock", ".building.json", "a"}
    with stage.build(tmp_path, "one", inputs={}, settings={"seed": 1}, code=[]) as work:
        assert not work.resumed
        assert files(tmp_path) == {".lock", ".building.json"}


def test_a_folder_is_written_whole_over_the_one_before(tmp_path: Path) -> None:
    with stage.build(tmp_path, "one", inputs={}, settings={}, code=[]) as work:
        for name in ("old", "new"):
            with work.write("model") as partial:
                partial.mkdir()
                (partial / name).write_text(name)
    assert files(tmp_path / "model") == {"new"}


def test_the_content_is_a_function_of_the_outputs_alone(tmp_path: Path) -> None:
    make(tmp_path / "a")
    make(tmp_path / "b", settings={"seed": 7}, inputs={"shards": "b"}, code=[])
    make(tmp_path / "c", text="another")
    assert content(tmp_path / "a") == content(tmp_path / "b") != content(tmp_path / "c")
    one, two = (stage.read_manifest(tmp_path / name) for name in "ab")
    assert one["fingerprint"] != two["fingerprint"]
    with stage.build(tmp_path / "d", "two", inputs={}, settings={}, code=[]) as work:
        for name in ("documents/part-00000.txt", ".notes/seconds", "documents/.place"):
            work.path(name).parent.mkdir(exist_ok=True)
            work.path(name).write_text("text" if "part" in name else str(time.time()))
        work.finish({"counted": "otherwise"})
    assert content(tmp_path / "d") == content(tmp_path / "a"), "notes to itself are no outputs"
    (tmp_path / "a" / "documents/part-00000.txt").rename(tmp_path / "a" / "documents/part-00001.txt")
    with stage.build(tmp_path / "e", "one", inputs={}, settings={}, code=[]) as work:
        with work.write("documents/part-00001.txt") as partial:
            partial.write_text("text")
        work.finish({})
    assert content(tmp_path / "e") != content(tmp_path / "b"), "a name is part of it"


def test_the_manifest_says_what_where_and_how_long(tmp_path: Path) -> None:
    make(tmp_path)
    manifest = stage.read_manifest(tmp_path)
    output = {"bytes": 4, "blake2b": stage.digest_file(tmp_path / "documents/part-00000.txt")}
    assert manifest["outputs"] == {"documents/part-00000.txt": output}
    assert manifest["stage"] == "one" and manifest["settings"] == {"seed": 0}
    run = manifest["run"]
    assert run["seconds"] >= 0 and run["peak_memory_mb"] > 10
    assert run["machine"]["cores"] == len(os.sched_getaffinity(0))


def test_a_second_writer_is_refused_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDS, str(tmp_path / "a")]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None and first.stdout.readline() == "inside\n"
        with pytest.raises(UserError, match="another repoloom is writing") as error:
            make(tmp_path / "a")
        assert "\n" not in str(error.value) and str(tmp_path / "a") in str(error.value)
        with pytest.raises(UserError, match="another repoloom is writing"):
            stage.forget(tmp_path / "a")
        first.kill()
    assert make(tmp_path / "a").finished is None, "a killed writer leaves no lock behind"


@pytest.mark.parametrize("name", ["thesis.tex", ".git/config", "folder/x"])
def test_a_folder_with_strangers_files_is_refused_and_left_alone(tmp_path: Path, name: str) -> None:
    mine = tmp_path / "a" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(UserError, match="holds files that no stage made") as error:
        make(tmp_path / "a")
    assert "\n" not in str(error.value)
    assert mine.read_text() == "mine"
    assert files(tmp_path / "a") == {name, ".lock"}


def test_killed_before_its_first_file_stood_it_begins_again(tmp_path: Path) -> None:
    """What SIGKILL leaves between writing `.building.json` beside its place and renaming it."""
    (tmp_path / ".lock").touch()
    (tmp_path / ".partial-4711-.building.json").write_text('{"finger')
    assert make(tmp_path).finished is None
    assert files(tmp_path) == {".lock", "documents/part-00000.txt", "manifest.json"}


@pytest.mark.parametrize("building", ["", "[]", "{}", "null"])
def test_a_damaged_note_of_an_interrupted_run_begins_it_again(tmp_path: Path, building: str) -> None:
    (tmp_path / ".building.json").write_text(building)
    (tmp_path / "old").write_text("old")
    assert not make(tmp_path).resumed
    assert files(tmp_path) == {".lock", "documents/part-00000.txt", "manifest.json"}


def test_killed_while_an_outdated_stage_is_removed_it_is_still_a_stages_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MAKES_MANY, str(tmp_path)]
    subprocess.run([*command, "old"], cwd=ROOT, check=True)
    with subprocess.Popen([*command, "new"], cwd=ROOT) as process:
        while (tmp_path / "manifest.json").exists() and process.poll() is None:
            time.sleep(0.0002)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    subprocess.run([*command, "new"], cwd=ROOT, check=True)
    assert {file.read_text() for file in tmp_path.glob("file-*")} == {"new"}
    assert len(stage.read_manifest(tmp_path)["outputs"]) == 2000


def test_what_was_forgotten_starts_anew(tmp_path: Path) -> None:
    make(tmp_path / "a")
    stage.forget(tmp_path / "a")
    work = make(tmp_path / "a")
    assert (work.finished, work.resumed) == (None, False)
    stage.forget(tmp_path / "nothing")
    assert make(tmp_path / "nothing").finished is None


def test_what_the_system_refuses_is_one_line_and_a_bug_is_not(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"inputs": {}, "settings": {}, "code": []}
    line = r"^one: No such file or directory \(.*nothing\)$"
    with pytest.raises(UserError, match=line), stage.build(tmp_path / "a", "one", **asked):
        (tmp_path / "nothing").read_text()
    with pytest.raises(ZeroDivisionError), stage.build(tmp_path / "a", "one", **asked):
        _ = 1 / 0
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write to"):
        make(tmp_path / "file" / "a")


def test_a_full_disk_is_one_line_and_the_stage_goes_on_later(tmp_path: Path) -> None:
    """/dev/full refuses every write as a full disk does, whoever asks."""
    with (
        pytest.raises(UserError, match=r"^one: no space left on the disk of .*: free some, then"),
        stage.build(tmp_path, "one", inputs={"shards": "a"}, settings={"seed": 0}, code=["ledger.py"]),
        Path("/dev/full").open("w") as full,
    ):
        full.write("x" * 100_000)
    assert make(tmp_path).resumed


def test_a_full_disk_is_one_line_also_where_a_library_hides_it(small_disk: SmallDisk) -> None:
    small_disk.fill(0)
    folder = small_disk.place / "a"
    with pytest.raises(UserError, match=r"^one: no space left on the disk of .*: free some, then"):
        make(folder)
    small_disk.fill(40_000)
    with (
        pytest.raises(UserError, match=r"^one: no space left on the disk"),
        stage.build(folder, "one", inputs={}, settings={}, code=[]) as work,
    ):
        work.path("whole").write_bytes(bytes(10_000))
        try:
            work.path("large").write_bytes(bytes(100_000))
        except OSError:
            raise RuntimeError("unexpected pos 704 vs 598") from None
    small_disk.empty()
    with stage.build(folder, "one", inputs={}, settings={}, code=[]) as work:
        assert work.resumed and work.path("whole").stat().st_size == 10_000


def test_a_folder_that_is_no_stage_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no manifest\.json"):
        stage.read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(UserError, match="cannot read"):
        stage.read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(UserError, match="cannot read"):
        stage.read_manifest(tmp_path)
    assert not stage.is_stage(tmp_path)
    make(tmp_path / "a")
    assert stage.is_stage(tmp_path / "a")
    assert json.loads((tmp_path / "a" / "manifest.json").read_text())["stage"] == "one"
