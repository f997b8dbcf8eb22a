"""The tables' statistics, by their definitions and by worked examples."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "science"))

import table
from arms import ARMS, data

ROOT = Path(__file__).parents[2]


def test_students_t_leaves_a_twentieth_outside():
    """By its density, added up between minus and plus."""
    for freedom, value in enumerate(table.T, start=1):
        x = np.linspace(-value, value, 200_001)
        log = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - math.log(freedom * math.pi) / 2
        density = np.exp(log - (freedom + 1) / 2 * np.log1p(x**2 / freedom))
        assert np.trapezoid(density, x) == pytest.approx(0.95, abs=1e-4)


def test_means_and_differences_of_a_worked_example():
    assert table.mean([1.0, 2.0, 3.0]) == "2.0000 ± 0.5774"
    assert table.difference([0.1, 0.2, 0.3]) == "+0.2000 ± 0.2484"
    assert table.difference([-0.3, -0.2, -0.3]) == "-0.2667 ± 0.1434 *"
    assert (table.mean([]), table.difference([]), table.mean([1.5]), table.difference([0.5])) == (
        "-",
        "-",
        "1.5000",
        "+0.5000",
    )


def test_differences_are_taken_by_seed_and_unfinished_seeds_are_left_out():
    runs = {"base": {1: {"x": 1.0}, 2: {"x": 5.0}, 3: {"x": 2.0}}, "arm": {2: {"x": 5.5}, 1: {"x": 1.5}}}
    assert list(table.lines(runs, ["arm"], ["x"]))[2:] == [
        "| base | 3 | 2.6667 ± 1.2019 |",
        "| arm | 2 | 3.5000 ± 2.0000 |",
        "| arm - base | 2 | +0.5000 ± 0.0000 * |",
    ]


def test_the_fit_of_all_arms_is_a_worked_analysis_of_variance():
    """Two arms beside the base with three seeds: residuals -1, 0, 1 / 1, 0, -1 / 0, 0, 0 leave 4 over 4 degrees."""
    runs = {
        "base": {1: {"x": 9.0}, 2: {"x": 20.0}, 3: {"x": 31.0}},
        "a": {1: {"x": 16.0}, 2: {"x": 25.0}, 3: {"x": 34.0}},
        "b": {1: {"x": 12.0}, 2: {"x": 22.0}, 3: {"x": 32.0}},
    }
    half = 2.776 * (2 / 3) ** 0.5
    assert list(table.together(runs, ["x"]))[2:] == [
        f"| a | +5.0000 ± {half:.4f} * |",
        f"| b | +2.0000 ± {half:.4f} |",
        "| scatter of a run | 1.0000 |",
    ]


def test_every_arm_is_in_a_table_and_is_a_recipe_that_changes_one_thing():
    from corpus import settings

    shown = {arm for arms, _ in table.TABLES.values() for arm in arms}
    assert shown == ARMS.keys() - {"base"}
    base = settings("base").model_dump()
    for arm in ARMS:
        changed = {name for name, value in settings(arm).model_dump().items() if value != base[name]}
        assert changed == (set() if arm == "base" else {"curate"} if data(arm) == arm else {"fim"})


def test_what_context_is_worth_is_taken_within_a_run():
    less, more = {"names": 2.0, "names, files alone": 3.0}, {"names": 1.5, "names, files alone": 4.5}
    runs = {
        "base": {seed: dict.fromkeys(sum(table.USES.values(), ()), 1.0) | of for seed, of in enumerate((less, more))}
    }
    assert list(table.uses(runs))[2].split(" | ")[5] == "-2.0000 ± 1.0000"


def test_the_page_holds_the_tables_of_all_runs(capsys):
    results = ROOT / "benchmarks" / "science" / "results-copying.jsonl"
    runs = table.read(results)
    assert runs.keys() == ARMS.keys() and all(sorted(of_arm) == [1, 2, 3] for of_arm in runs.values())
    table.main(results)
    page = (ROOT / "docs" / "science.md").read_text("utf-8")
    blocks = [block for block in capsys.readouterr().out.strip().split("\n\n") if block.startswith("|")]
    assert len(blocks) == len(table.TABLES) + 2
    assert all(block in page for block in blocks)
