"""Shards that mean harm: curate goes on, and the ledger says what became of each file."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from repoloom import formats, ledger
from repoloom.curate import curate
from repoloom.recipe import Curate
from repoloom.stage import build

Shards = Callable[[list[dict[str, Any]]], Path]
GOOD = "def total(prices, discount):\n    return sum(prices) * (1 - discount)\n\n\nclass Basket:\n    size = 3\n"


@pytest.fixture
def shards(tmp_path: Path) -> Shards:
    """Write rows as the shards of a collect stage: also what collect itself would not let in."""

    def shards(rows: list[dict[str, Any]]) -> Path:
        out = tmp_path / "collect"
        whole = [{"revision": None, "language": "python", "license": None, **row} for row in rows]
        whole = [{"size": len((row["content"] or "").encode()), **row} for row in whole]
        with build(out, "collect", inputs={}, settings={}, code=[]) as work:
            with work.write(formats.part_name("shards", 0)) as partial:
                pq.write_table(pa.Table.from_pylist(whole, formats.SHARD), partial)
            work.finish({})
        return out

    return shards


def rules(out: Path) -> dict[str, str]:
    return {row["path"]: row["rule"] for row in ledger.read(out).to_pylist()}


def kept(out: Path) -> list[str]:
    rows = [row for part in formats.parts(out, "documents") for row in formats.rows(part)]
    return [file["path"] for row in rows for file in row["files"]]


def test_names_texts_and_nulls_of_every_bad_kind(shards: Shards, tmp_path: Path) -> None:
    million = 1_000_000
    contents = {
        "../../up.py": GOOD,
        "new\nline.py": GOOD.replace("total", "other"),
        "/absolute.py": GOOD.replace("Basket", "Cart"),
        "a/" * 500 + "deep.py": GOOD.replace("prices", "costs"),
        "": GOOD.replace("sum", "max"),
        "brackets.py": "(" * million,
        "brackets.c": "{" * million + "\n",
        "brackets.json": "[" * million,
        "lines.js": "\n" * million,
        "nul.c": "int main(void) { return 0; }\n" * 20 + "\0",
        "one-line.java": "x" * 50_000_000,
        "unclosed.html": "<" * million + "<!--" * 1000,
        "quotes.py": '"""' + "'" * million,
        "backslashes.ts": "\\" * million,
        "bom.py": "\ufeff" + GOOD.replace("discount", "rebate"),
        "controls.py": "".join(map(chr, range(1, 32))) * 1000,
        "emails.py": "a@" * million,
        "merge.go": "package a\n<<<<<<< ours\nvar x = 1\n=======\nvar x = 2\n>>>>>>> theirs\n",
    }
    languages = {".c": "c", ".json": "json", ".js": "javascript", ".html": "html", ".ts": "typescript", ".java": "java"}
    rows = [
        {
            "repo": "bad",
            "path": path,
            "content": text,
            "language": languages.get(Path(path).suffix, "go" if path.endswith(".go") else "python"),
        }
        for path, text in contents.items()
    ]
    rows += [
        {"repo": "nulls", "path": "a.py", "content": None},
        {"repo": None, "path": None, "content": GOOD.replace("3", "4"), "language": None, "size": None},
        {"repo": "odd", "path": "no.lang", "content": GOOD, "language": "klingon", "size": -5},
    ]
    out = tmp_path / "curate"
    settings = Curate(duplicate_files=False, duplicate_repositories=False)
    counts = curate(shards(rows), out, settings, 0, processes=2)["counts"]
    total = counts["kept"]["files"] + sum(rule["files"] for rule in counts["dropped"].values())
    assert counts["in"]["files"] == len(rows) == total
    found = rules(out)
    assert {"brackets.py", "brackets.c", "brackets.json", "one-line.java", "merge.go", "quotes.py"} <= set(found)
    assert {"../../up.py", "new\nline.py", "/absolute.py"} <= set(kept(out))
    assert not (tmp_path / "up.py").exists()
    for part in formats.parts(out, "documents"):
        for row in formats.rows(part):
            assert "\n# new\nline.py" not in row["text"]


def test_a_cycle_of_ten_thousand_files(shards: Shards, tmp_path: Path) -> None:
    count = 10_000
    rows = [
        {
            "repo": "ring",
            "path": f"ring/m{n}.py",
            "content": f"from ring import m{(n + 1) % count}\n\nvalue_{n} = m{(n + 1) % count}.value\n",
        }
        for n in range(count)
    ]
    counts = curate(shards(rows), tmp_path / "curate", Curate(document_megabytes=100), 0, processes=1)["counts"]
    assert counts["kept"]["files"] == count
    assert counts["edges"] == {"found": count, "forward": count - 1}
    assert len(counts["document_bytes"]) == 1


PARSER = """
import ctypes, time
from repoloom.curate import weave

real = weave.syntax

def syntax(language, path, text):
    if "crash" in path:
        ctypes.string_at(0)
    if "hang" in path:
        time.sleep(600)
    if "memory" in path:
        eaten = [b"x" * 50_000_000 for _ in range(20)]
        time.sleep(600 * len(eaten))
    return real(language, path, text)

weave.syntax = syntax
weave.SECONDS, weave.MEMORY = 8, 800_000_000
"""


def test_a_parser_that_crashes_hangs_or_eats_memory_costs_one_file_each(shards: Shards, tmp_path: Path) -> None:
    """The parser is ours made bad, in every process, as a grammar with such a defect would be."""
    names = ["a.py", "crash.py", "b.py", "hang.py", "c.py", "memory.py", "d.py"]
    rows = [
        {"repo": f"r{n % 2}", "path": path, "content": GOOD.replace("total", f"total_{n}") + f"n = {n}\n" * 3}
        for n, path in enumerate(names)
    ]
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(PARSER)
    folder, out = shards(rows), tmp_path / "curate"
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("name = 'x'\n[curate]\nduplicate_files = false\nduplicate_repositories = false\n")
    done = subprocess.run(
        [sys.executable, "-m", "repoloom", "curate", folder, "--out", out, "--recipe", recipe],
        env={**os.environ, "PYTHONPATH": f"{tmp_path / 'site'}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert rules(out) == {"crash.py": "parser-crash", "hang.py": "parser-time", "memory.py": "parser-memory"}
    assert sorted(kept(out)) == ["a.py", "b.py", "c.py", "d.py"]
    measures = {row["rule"]: (row["measure"], row["threshold"]) for row in ledger.read(out).to_pylist()}
    assert measures["parser-time"][0] > measures["parser-time"][1] == 8
    assert measures["parser-memory"][0] > measures["parser-memory"][1]
