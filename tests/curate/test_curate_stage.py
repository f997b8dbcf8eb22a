"""The stage's folder: the same bytes however it is made, and documents that hold each file whole and in order."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from curated import Curated, package

from repoloom import formats
from repoloom.curate import curate, source, weave
from repoloom.curate.order import order_folder
from repoloom.errors import UserError
from repoloom.languages import LANGUAGES, header
from repoloom.recipe import Curate

Run = Callable[..., Curated]
Collected = Callable[..., Path]

PACKAGES = ("click", "h11", "httpcore", "jinja2", "pluggy", "starlette")
KINDS = ("documents", "heldout", "ledger")


def bytes_of(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for kind in KINDS for path in (out / kind).iterdir()}


def texts(result: Curated) -> dict[tuple[str, str], str]:
    """What the documents hold of each file."""
    return {
        (document["repo"], file["path"]): document["text"][file["start"] : file["end"]]
        for document in result.documents
        for file in document["files"]
    }


def test_the_same_bytes_for_any_number_of_processes(
    collected: Collected, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (source, weave):
        monkeypatch.setattr(module, "PIECE", 100_000)  # several pieces of work
    shards = collected({name: package(name, 12) for name in PACKAGES}, shard_megabytes=0.2)
    assert len(formats.parts(shards, "shards")) > 3
    settings = Curate(heldout=0.3, document_megabytes=0.05, shard_megabytes=0.2)
    outs = [tmp_path / f"of-{processes}" for processes in (1, 2, 3)]
    manifests = [curate(shards, out, settings, 5, processes=n) for n, out in enumerate(outs, start=1)]
    first = bytes_of(outs[0])
    assert {name.partition("/")[0] for name in first} == set(KINDS)
    for out, manifest in zip(outs[1:], manifests[1:], strict=True):
        assert bytes_of(out) == first
        assert manifest["counts"] == manifests[0]["counts"]
        assert manifest["content"] == manifests[0]["content"]


def test_a_second_run_skips_and_a_changed_setting_does_not(collected: Collected, tmp_path: Path) -> None:
    shards = collected({"h11": package("h11"), "pluggy": package("pluggy")})
    out = tmp_path / "curate"

    def run(**settings: Any) -> dict[str, tuple[int, bytes]]:
        curate(shards, out, Curate(**settings), 0, processes=1)
        files = {str(path.relative_to(out)): path for path in out.rglob("*") if path.is_file()}
        return {
            name: (path.stat().st_mtime_ns, path.read_bytes())
            for name, path in files.items()
            if not name.startswith(".")
        }

    first = run()
    assert run() == first
    changed = run(document_megabytes=0.01)
    assert changed["documents/part-00000.parquet"][1] != first["documents/part-00000.parquet"][1]
    assert changed["ledger/part-00000.parquet"][1] == first["ledger/part-00000.parquet"][1]


def test_documents_are_cut_at_file_borders_above_the_limit(run: Run) -> None:
    files = package("jinja2")
    whole = run({"jinja2": files})
    order = [file["path"] for document in whole.documents for file in document["files"]]
    limit = 30_000
    assert any(len(document["text"].encode()) > limit for document in whole.documents)
    cut = run({"jinja2": files}, document_megabytes=limit / 1e6)
    assert [file["path"] for document in cut.documents for file in document["files"]] == order
    assert texts(cut) == texts(whole)
    assert [document["document_id"] for document in cut.documents] == [f"jinja2#{n}" for n in range(len(cut.documents))]
    sizes = [len(document["text"].encode()) for document in cut.documents]
    assert any(size > limit for size in sizes)  # one file alone
    for document, size in zip(cut.documents, sizes, strict=True):
        assert size <= limit or len(document["files"]) == 1
    component = {file["path"]: n for n, document in enumerate(whole.documents) for file in document["files"]}
    for before, after in pairwise(cut.documents):
        last, following = before["files"][-1]["path"], after["files"][0]["path"]
        if component[last] == component[following]:  # cut where it had to be
            assert len((before["text"] + texts(cut)["jinja2", following]).encode()) > limit


def test_a_slice_of_a_document_is_the_header_and_the_content(run: Run) -> None:
    files = {
        **package("rich", 10),
        "ends.py": "name = 'ü漢\U0001f600'",  # no line break at its end
        "windows.py": "first = 1\r\nsecond = 2\r\n",
        "style.css": "a:hover { color: red; }\n",
        "page.md": "# A title\n\nSome words.\n\n\n",
        "data.json": '{"a key that is long enough": ["to be", "kept by the rule"]}\n',
    }
    result = run({"mixed": files})
    found = texts(result)
    assert {path for _, path in found} == set(files) - {path for _, path in result.drops}
    assert {"ends.py", "windows.py", "style.css", "page.md", "data.json"} <= {path for _, path in found}
    for document in result.documents:
        ends = [0, *(file["end"] for file in document["files"])]
        assert [file["start"] for file in document["files"]] == ends[:-1]
        assert ends[-1] == len(document["text"])
        for file in document["files"]:
            content = files[file["path"]]
            content += "" if content.endswith("\n") else "\n"
            assert found["mixed", file["path"]] == header(file["path"], LANGUAGES[file["language"]]) + content
    assert found["mixed", "ends.py"] == "# ends.py\nname = 'ü漢\U0001f600'\n"


def test_files_stand_in_the_order_that_the_command_order_gives(run: Run, tmp_path: Path) -> None:
    result = run({"click": package("click")})
    assert not result.drops
    ordering = order_folder(tmp_path / "source" / "click")
    assert [file["path"] for document in result.documents for file in document["files"]] == ordering.files
    place = {path: n for n, path in enumerate(ordering.files)}
    assert result.counts["edges"] == {
        "found": len(ordering.edges),
        "forward": sum(place[used] < place[user] for user, used in ordering.edges),
    }


USER = "import mdurl\n\nparsed = mdurl.parse('https://example.org/a?b')\n"


@pytest.mark.parametrize(
    ("spoilt", "rule", "joined"),
    [("", None, True), ("\n# " + "x" * 1001 + "\n", "longest-line", True), ("\ndef f(:\n", "syntax", False)],
)
def test_a_file_that_a_filter_dropped_still_joins_those_that_import_through_it(
    run: Run, spoilt: str, rule: str | None, joined: bool
) -> None:
    files = package("mdurl") | {"example.py": USER}
    files["mdurl/__init__.py"] += spoilt
    result = run({"mdurl": files})
    assert {path: row["rule"] for (_, path), row in result.drops.items()} == (
        {"mdurl/__init__.py": rule} if rule else {}
    )
    documents = [[file["path"] for file in document["files"]] for document in result.documents]
    (mine,) = [paths for paths in documents if "example.py" in paths]
    if joined:
        assert mine[-1] == "example.py" and set(mine) == set(files) - {path for _, path in result.drops}
    else:
        assert mine == ["example.py"]


def test_a_file_without_a_byte_joins_those_that_import_it(run: Run) -> None:
    users = {f"{name}.py": f"import package\n\n{name} = package\n" for name in ("first", "second")}
    result = run({"project": {"package/__init__.py": "", **users}})
    assert [[file["path"] for file in document["files"]] for document in result.documents] == [sorted(users)]
    assert {path: row["rule"] for (_, path), row in result.drops.items()} == {"package/__init__.py": "empty"}


def test_a_corpus_of_which_nothing_passes_leaves_an_empty_part(run: Run) -> None:
    result = run({"data": {"data.json": "[" + "1, " * 3000 + "1]"}}, heldout=0.5)
    assert not result.documents and not result.heldout
    assert [path.name for path in formats.parts(result.out, "documents")] == ["part-00000.parquet"]
    assert result.counts["dropped"] and not result.counts["document_bytes"]


def test_what_is_no_shard_is_said_in_one_line(collected: Collected, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no manifest\.json"):
        curate(tmp_path, tmp_path / "curate", Curate(), 0, processes=1)
    shards = collected({"h11": package("h11")})
    (part,) = formats.parts(shards, "shards")
    part.write_bytes(part.read_bytes()[:-100])
    with pytest.raises(UserError, match="cannot read the shard") as failure:
        curate(shards, tmp_path / "curate", Curate(), 0, processes=1)
    assert "\n" not in str(failure.value)
