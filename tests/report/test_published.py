"""The published figures are those of the collected facts, where these are at hand."""

import re
from pathlib import Path

import pytest

from repoloom.report import published
from repoloom.tasks import BENCHMARKS

FACTS = Path(__file__).parents[3] / "shared" / "facts" / "published-scores.md"
COLUMNS = ("humaneval", *(f"humaneval-{name}" for name in ("cpp", "java", "php", "ts", "cs", "sh", "js")))


def test_every_published_benchmark_is_one_of_ours() -> None:
    assert {*published.BASE, *published.INSTRUCT} <= set(BENCHMARKS)


@pytest.mark.parametrize(("kind", "figures"), [("base", published.BASE), ("instruct", published.INSTRUCT)])
def test_humaneval_is_table_3(kind: str, figures: dict[str, tuple[str, tuple[float, float, float]]]) -> None:
    if not FACTS.exists():
        pytest.skip("the collected facts are not here")
    text = FACTS.read_text("utf-8")
    for place, size in enumerate(published.SIZES):
        row = re.search(rf"^\| {re.escape(size)} {kind} \|(.*)\|$", text, re.MULTILINE)
        assert row is not None
        cells = [float(cell.split()[0]) for cell in row[1].split("|")]
        assert [figures[name][1][place] for name in COLUMNS] == cells[:8]
