"""Tasks that need another file: the published forms, and those made of a corpus."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from repoloom.errors import UserError
from repoloom.formats import DOCUMENT
from repoloom.tasks import Task, crosscodeeval, find, load, repobench, variant

PYTHON = {
    "shapes/area.py": "PI = 3\n\n\ndef circle_area(radius):\n    return PI * radius * radius\n\n\ndef go(): 0\n",
    "shapes/twice.py": "def unrelated(): pass\n",
    "main.py": (
        '"""circle_area in a docstring."""\nfrom shapes.area import circle_area, go\nfrom os import path\n\n\n'
        "def show(radius):\n    # circle_area in a comment\n    go()\n    print('circle_area')\n"
        "    print(circle_area(radius))\n    unrelated = 1\n"
    ),
}
JAVA = {
    "p/Shape.java": "package p;\npublic class Shape {\n    int sides;\n}\n",
    "p/Main.java": "package p;\nclass Main {\n    int count(Shape shape) { return shape.sides; }\n}\n",
    "q/Other.java": "package q;\nclass Other {\n    Shape none;\n}\n",
}


def corpus(folder: Path, language: str, files: dict[str, str]) -> Path:
    text, spans = "", []
    for path, content in files.items():
        start = len(text)
        text += f"# {path}\n{content}\n"
        spans.append({"path": path, "language": language, "start": start, "end": len(text)})
    row = {"document_id": "d", "repo": "r", "revision": "", "language": language, "files": spans, "text": text}
    (folder / "heldout").mkdir()
    pq.write_table(pa.Table.from_pylist([row], DOCUMENT), folder / "heldout" / "part-00000.parquet")
    return folder


def test_a_line_that_names_something_of_another_file_is_taken_out(tmp_path: Path) -> None:
    (task,) = load("repobench", corpus(tmp_path, "python", PYTHON))
    assert task.reference == "    print(circle_area(radius))"
    assert task.task_id.startswith("r/main.py/")
    assert task.language == "python"
    fullest, barest = variant("repobench").prompts(task)
    head = "# Repo Name: r\n"
    snippet = "# Path: shapes/area.py\ndef circle_area(radius):\n    return PI * radius * radius\n\n"
    before, _, _ = PYTHON["main.py"].partition(task.reference)
    assert barest == task.prompt == f"{head}# Path: main.py\n\n{before.rstrip()}\n"
    assert fullest == f"{head}{snippet}# Path: main.py\n\n{before.rstrip()}\n"
    assert variant("repobench", "in-file").prompts(task) == (barest,)


def test_files_of_a_java_package_need_no_import(tmp_path: Path) -> None:
    (task,) = load("repobench", corpus(tmp_path, "java", JAVA))
    assert task.reference == "    int count(Shape shape) { return shape.sides; }"
    assert "// Path: p/Shape.java\npublic class Shape" in variant("repobench").prompts(task)[0]


def test_a_corpus_without_anything_held_out(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no heldout/part-\*\.parquet"):
        load("repobench", tmp_path)
    lone = corpus(tmp_path, "python", {"a.py": "x = 1\n"})
    with pytest.raises(UserError, match="holds no task"):
        load("repobench", lone)


REPOBENCH = {
    "repo_name": "o/r",
    "file_path": "a/b.py",
    "context": [
        {"identifier": "f", "path": "a/c.py", "snippet": "def f():\n    pass"},
        {"identifier": "g", "path": "a/d.py", "snippet": "def g():\n    pass"},
    ],
    "import_statement": "from a.c import f",
    "cropped_code": "\n\n\n\n\ndef h():\n    x = 1\n",
    "next_line": "    return f(x)",
}


def test_repobench_as_published() -> None:
    """The prompt is what the benchmark's own `construct_prompt` (data/utils.py) gives for this row."""
    task, way = repobench.task(REPOBENCH), variant("repobench")
    in_file = "# Path: a/b.py\nfrom a.c import f\n\ndef h():\n    x = 1\n"
    one = "# Path: a/c.py\ndef f():\n    pass\n\n"
    both = one + "# Path: a/d.py\ndef g():\n    pass\n\n"
    head = "# Repo Name: o/r\n"
    assert way.prompts(task) == tuple(head + text + in_file for text in (both, one, ""))
    assert way.answer(task, "\n\n    # so\n    return f( x)\n    more") == "    return f( x)"
    compare = find("repobench").compare
    assert compare is not None
    assert compare(task, "return  f(x)") == {
        "exact_match": 1.0,  # of the words
        "edit_similarity": pytest.approx(2 * 11 / (12 + 15)),
        "identifier_match": 1.0,
        "identifier_f1": 1.0,
    }
    assert compare(task, "    return g(x)")["identifier_f1"] == 0.5


CROSSCODEEVAL: dict[str, Any] = {
    "prompt": "import a\n\ndef f(x):\n    y = ",
    "groundtruth": "a.g(x)  # the other file's",
    "metadata": {"task_id": "python/1", "repository": "o/r", "file": "b.py"},
    "crossfile_context": {
        "text": "",
        "list": [
            {"retrieved_chunk": "def g(x):\n\n    return x", "filename": "a.py", "score": 1.5},
            {"retrieved_chunk": "z = 1", "filename": "c.py", "score": 0.5},
        ],
    },
}


def test_crosscodeeval_as_published() -> None:
    task, way = crosscodeeval.task(CROSSCODEEVAL), variant("crosscodeeval")
    opening = "# Here are some relevant code fragments from other files of the repo:\n\n"
    one = "# the below code fragment is found in a.py\n# def g(x):\n#     return x\n\n"
    two = "# the below code fragment is found in c.py\n# z = 1\n\n"
    assert way.prompts(task) == (opening + one + two + task.prompt, opening + one + task.prompt, task.prompt)
    assert variant("crosscodeeval", "in-file").prompts(task) == (task.prompt,)
    compare = find("crosscodeeval").compare
    assert compare is not None
    answer = way.answer(task, "a.g(x)\n    return y\n")
    assert answer == "a.g(x)"
    assert compare(task, answer) == {
        "exact_match": 1.0,
        "edit_similarity": 1.0,
        "identifier_match": 1.0,
        "identifier_f1": 1.0,
    }
    assert compare(task, "a.h(x)")["identifier_f1"] == pytest.approx(2 / 3)
    bare = {key: value for key, value in CROSSCODEEVAL.items() if key != "crossfile_context"}
    assert way.prompts(crosscodeeval.task(bare)) == (task.prompt,)


@pytest.mark.parametrize(
    ("file", "completion", "statement"),
    [
        ("b.py", "[a.g(x),\n  2]\n    z", "[a.g(x),\n  2]"),
        ("b.py", "a.g(x", "a.g(x"),
        ("B.java", "a.g(x); b();", "a.g(x);"),
        ("B.cs", "new() { 1 }", "new() {"),
        ("b.ts", "a.g(x)", "a.g(x)"),
    ],
)
def test_the_first_statement_counts(file: str, completion: str, statement: str) -> None:
    row = {**CROSSCODEEVAL, "metadata": {"task_id": "1", "file": file}, "crossfile_context": None}
    assert crosscodeeval.statement(crosscodeeval.task(row), completion) == statement


@pytest.mark.parametrize(("task", "row"), [(repobench.task, REPOBENCH), (crosscodeeval.task, CROSSCODEEVAL)])
def test_missing_keys_are_named(task: Callable[[Any], Task], row: dict[str, Any]) -> None:
    for key in [key for key in row if key != "crossfile_context"]:
        with pytest.raises(ValueError, match=f"under '{key}'"):
            task({**row, key: None})


def test_rows_in_parquet_and_lines(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist([REPOBENCH]), tmp_path / "rows.parquet")
    assert load("repobench", tmp_path / "rows.parquet") == [repobench.task(REPOBENCH)]
    (tmp_path / "rows.jsonl").write_text(json.dumps(CROSSCODEEVAL) + "\n")
    assert load("crosscodeeval", tmp_path / "rows.jsonl") == [crosscodeeval.task(CROSSCODEEVAL)]
