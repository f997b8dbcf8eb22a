"""What the stage leaves out on somebody's wish, hides, asks compilers about, and mixes: through the whole chain."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from curated import Curated, package

from repoloom.curate import curate
from repoloom.curate.explain import explain, render
from repoloom.errors import UsageError
from repoloom.recipe import Curate, Mix

Run = Callable[..., Curated]
Collected = Callable[..., Path]


def test_an_opt_out_is_honoured_also_by_a_run_that_reuses_an_earlier_one(collected: Collected, tmp_path: Path) -> None:
    shards = collected({name: package(name) for name in ("h11", "pluggy", "click")})
    out, wishes = tmp_path / "curate", tmp_path / "opt-out.txt"
    wishes.write_text("# nobody yet\n")
    settings = Curate(opt_out=wishes, heldout=0.1)
    everybody = Curated(out, curate(shards, out, settings, 0, processes=1))
    assert {repo for repo, _ in everybody.kept() | everybody.kept(heldout=True)} == {"h11", "pluggy", "click"}
    wishes.write_text("# by mail\nH11\n")
    result = Curated(out, curate(shards, out, settings, 0, processes=1))
    assert "h11" not in {repo for repo, _ in result.kept() | result.kept(heldout=True)}
    assert {row["rule"] for (repo, _), row in result.drops.items() if repo == "h11"} == {"opt-out"}
    assert "opt-out" in render(explain(out, "h11"))
    wishes.write_text("two words\n")
    with pytest.raises(UsageError, match="line 1"):
        curate(shards, out, settings, 0, processes=1)


def test_only_licences_that_the_policy_names_stay(run: Run) -> None:
    files = package("pluggy")
    headed = {
        "gpl.py": "# SPDX-License-Identifier: GPL-3.0-only\n" + files["pluggy/_hooks.py"],
        "mit.py": "# SPDX-License-Identifier: MIT\n" + files["pluggy/_manager.py"].replace("manager", "steward"),
    }
    repositories = {"mixed": {**package("h11", 4), **headed}}
    everything = run(repositories, duplicate_files=False)
    assert {("mixed", name) for name in headed} <= everything.kept()
    result = run(repositories, license="permissive", duplicate_files=False)
    assert ("mixed", "mit.py") in result.kept()
    assert {path: row["rule"] for (_, path), row in result.drops.items()} == {"gpl.py": "license"}
    assert {document["license"] for document in result.documents} <= {None, "MIT"}
    strict = run(repositories, license=("MIT",), unlicensed="drop", duplicate_files=False)
    assert {path for _, path in strict.kept()} == {"mit.py"}
    with pytest.raises(UsageError, match="no SPDX id"):
        run(repositories, license=("MIT OR GPL",))


def test_secrets_are_hidden_in_documents_and_nowhere_else(run: Run) -> None:
    text = "import os\n\n\ndef connect(region):\n    key = 'AKIA3XQ7ZVNB5WLM2TKD'\n    return os.environ[region], key\n"
    mail = "# Written by Jane Doe <jane.doe@corp-mail.com>\n\n\ndef area(width, height):\n    return width * height\n"
    repositories = {"shop": {"connect.py": text, "area.py": mail}}
    result = run(repositories)
    whole = "".join(document["text"] for document in result.documents)
    assert "AKIA3XQ7ZVNB5WLM2TKD" not in whole and "jane.doe@" not in whole
    assert sum(result.counts["redacted"].values()) == 2
    for document in result.documents:
        assert document["files"][-1]["end"] == len(document["text"])
        for file in document["files"]:
            assert document["text"][file["start"] :].startswith(f"# {file['path']}\n")
    assert "AKIA3XQ7ZVNB5WLM2TKD" in "".join(document["text"] for document in run(repositories, redact=False).documents)


@pytest.mark.skipif(not (shutil.which("bwrap") and shutil.which("gcc")), reason="needs bubblewrap and gcc")
def test_compilers_are_asked_and_agree_or_not(run: Run) -> None:
    good = "int area(int width, int height)\n{\n    return width * height;\n}\n"
    bad = "int area(int width, int height)\n{\n    if (width) {\n    return width * height;\n}\n"
    files = {"good.c": good, "bad.c": bad, "more.c": good.replace("area", "size"), "script.py": "print('hello')\n"}
    result = run({"c": files}, compilers=True, duplicate_files=False)
    assert result.counts["compilers"]["c"] == {
        "files": 3,
        "both_pass": 2,
        "both_fail": 1,
        "screen_fails": 0,
        "compiler_fails": 0,
    }
    assert ("c", "bad.c") in result.drops
    assert run({"c": files}, duplicate_files=False).counts["compilers"] == {}


def test_the_mix_comes_to_its_shares_and_everything_adds_up(run: Run) -> None:
    prose = {
        f"docs/{n}.md": f"# Chapter {n}\n\n" + "".join(f"Sentence {n} {k} of a text about code.\n" for k in range(60))
        for n in range(10)
    }
    repositories = {"docs": prose, "h11": package("h11"), "pluggy": package("pluggy")}
    plain = run(repositories, document_megabytes=0.002)
    settings = {"document_megabytes": 0.002, "mix": Mix(shares={"code": 0.9, "text": 0.1}, tokens=30_000)}
    mixed = run(repositories, **settings)
    (code, text) = (row for row in mixed.counts["mix"] if row["group"] in ("code", "text"))
    assert code["share"] == pytest.approx(0.9, abs=0.03) and text["share"] == pytest.approx(0.1, abs=0.03)
    assert {row["rule"] for row in mixed.drops.values()} - {row["rule"] for row in plain.drops.values()} == {"mix"}
    assert len({document["document_id"] for document in mixed.documents}) == len(mixed.documents)
    more = run(repositories, document_megabytes=0.002, mix=Mix(shares={"text": 0.5, "code": 0.5}))
    twice = [document for document in more.documents if "~" in document["document_id"]]
    assert twice
    texts = {document["document_id"]: document["text"] for document in more.documents}
    assert all(texts[document["document_id"].partition("~")[0]] == document["text"] for document in twice)
