"""Holes are drawn by seed and put back whole; similarity is what its definition says."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repoloom.evaluate import infilling
from repoloom.formats import DOCUMENT

PYTHON = "# pkg/a.py\nimport os\n\n\n# a comment of words\ndef one(x):\n    return [\n        x,\n    ]\n"
OTHER = "# pkg/b.py\nvalue = 3\nclass Thing:\n    size = 4\n"
C = "// c.c\nint main(void) { return 0; }\n"


@pytest.fixture
def curated(tmp_path: Path) -> Path:
    text = PYTHON + C + OTHER
    spans = [(0, len(PYTHON)), (len(PYTHON), len(PYTHON + C)), (len(PYTHON + C), len(text))]
    names = [("pkg/a.py", "python"), ("c.c", "c"), ("pkg/b.py", "python")]
    row = {
        "document_id": "d",
        "repo": "r",
        "revision": "",
        "language": "python",
        "license": None,
        "files": [
            {"path": path, "language": language, "start": start, "end": end}
            for (path, language), (start, end) in zip(names, spans, strict=True)
        ],
        "text": text,
    }
    (tmp_path / "heldout").mkdir()
    pq.write_table(pa.Table.from_pylist([row], DOCUMENT), tmp_path / "heldout" / "part-00000.parquet")
    return tmp_path


def test_holes_put_back_give_the_file(curated: Path) -> None:
    found = infilling.holes(curated, 100, seed=0)
    assert {hole.title for hole in found} == {"r/pkg/a.py", "r/pkg/b.py"}
    for hole in found:
        assert hole.prefix + hole.line + hole.suffix in (PYTHON, OTHER)
        assert hole.prefix.startswith("# pkg/")
        assert hole.prefix.endswith("\n")
        assert hole.suffix.startswith("\n")
        assert "\n" not in hole.line
    assert sorted(hole.line.strip() for hole in found) == sorted(
        ["import os", "def one(x):", "return [", "value = 3", "class Thing:", "size = 4"]
    )


def test_one_line_a_file_before_a_second(curated: Path) -> None:
    for seed in range(5):
        titles = [hole.title for hole in infilling.holes(curated, 4, seed)]
        assert sorted(titles[:2]) == sorted(titles[2:]) == ["r/pkg/a.py", "r/pkg/b.py"]


def test_drawn_by_seed_and_purpose(curated: Path) -> None:
    draws = [tuple(h.line for h in infilling.holes(curated, 2, seed)) for seed in range(20)]
    assert draws == [tuple(h.line for h in infilling.holes(curated, 2, seed)) for seed in range(20)]
    assert len(set(draws)) > 3
    assert infilling.holes(curated, 0, 0) == []
    heads = infilling.holes(curated, 9, 0, "function", infilling.opens_function)
    assert [hole.line for hole in heads] == ["def one(x):"]


def plain_lcs(a: str, b: str) -> int:
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


@given(st.text("abc", max_size=80), st.text("abc", max_size=80))
def test_edit_similarity(a: str, b: str) -> None:
    found = infilling.edit_similarity(a, b)
    assert found == infilling.edit_similarity(b, a)
    if a or b:
        assert found == pytest.approx(2 * plain_lcs(a, b) / (len(a) + len(b)))
    assert (found == 1.0) == (a == b)
