"""The small drawing functions: axes, numbers as words, the shapes of charts."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as some

from repoloom.report.axes import Axis
from repoloom.report.graph import graph, layers
from repoloom.report.numerals import compact, duration, percent, significant, size
from repoloom.report.plots import Bar, Series, bars, histogram, lines
from repoloom.report.sankey import Link, Node, sankey
from repoloom.report.svg import shorten, tag, text_width, visible


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (size(0), "0 bytes"), (size(999), "999 bytes"), (size(999_950), "1.00 MB"), (size(68_349_000), "68.3 MB"),
        (size(1e6, 1), "1 MB"), (compact(9_999), "9,999"), (compact(4_194_560), "4.19M"), (compact(999_999), "1.00M"),
        (duration(0.42), "0.4 s"), (duration(59.4), "59 s"), (duration(680), "11 min 20 s"),
        (duration(7_500), "2 h 05 min"), (percent(0.328), "32.8%"), (percent(0.0001), "<0.1%"), (percent(0), "0.0%"),
        (percent(1), "100%"), (significant(0.012345), "0.0123"), (significant(12_345), "12,300"),
    ],
)  # fmt: skip
def test_numbers_as_words(shown: str, expected: str) -> None:
    assert shown == expected


POSITIVE = some.floats(1e-6, 1e12)


@given(POSITIVE, POSITIVE, some.booleans(), some.integers(2, 8))
def test_ticks_lie_within_the_axis_in_order_and_are_few(one: float, other: float, log: bool, about: int) -> None:
    low, high = sorted((one, other))
    if high < low * 1.001:
        return
    axis = Axis(low, high, 0, 700, log)
    ticks = axis.ticks(about)
    assert ticks == sorted(set(ticks))
    slack = (high - low) * 1e-6
    assert all(low - slack <= tick <= high + slack for tick in ticks)
    assert len(ticks) <= 3 * about
    places = [axis.place(tick) for tick in ticks]
    assert places == sorted(places)
    assert axis.place(low) == pytest.approx(0, abs=1e-6)
    assert axis.place(high) == pytest.approx(700)


def test_layers_follow_the_longest_chain_and_ignore_what_closes_a_cycle() -> None:
    assert layers(5, [(1, 0), (2, 1), (3, 0), (4, 3), (4, 2), (0, 4)]) == [0, 1, 2, 1, 3]


@pytest.mark.parametrize("width", [760, 350])
def test_a_graph_draws_every_file_and_edge(width: int) -> None:
    files = [f"package/module_{number}.py" for number in range(40)]
    edges = [(user, used) for user in range(40) for used in range(0, user, 7)] + [(0, 39)]
    drawn = graph(files, edges, width, "A graph")
    assert drawn.count("<circle") == 40
    assert drawn.count('class="edge"') == len(edges) - 1
    assert drawn.count('class="edge back"') == 1
    assert graph(["alone.py"], [], width, "One file").count("<circle") == 1


def test_ribbons_are_as_thick_as_their_bytes() -> None:
    nodes = [
        Node("found", "", 100, 0, "ink"), Node("kept", "", 60, 1, "accent"), Node("gone", "", 30, 1, "faint"),
        Node("rest", "", 10, 1, "faint"),
    ]  # fmt: skip
    drawn = sankey(nodes, [Link(0, 1), Link(0, 2), Link(0, 3)], 760, "Flow")
    heights = [float(height) for height in re.findall(r'<rect [^>]*?height="([\d.]+)"', drawn)]
    assert heights == pytest.approx([270, 162, 81, 27])
    starts = [(float(a), float(b)) for a, b in re.findall(r'd="M[\d.]+ ([\d.]+)C.*? ([\d.]+)Z"', drawn)]
    assert [end - start for start, end in starts] == pytest.approx([162, 81, 27])
    assert [start for start, _ in starts[1:]] == pytest.approx([end for _, end in starts[:-1]])


@given(some.lists(some.integers(1, 10**12), min_size=1, max_size=60))
def test_a_histogram_counts_every_value_once(sizes: list[int]) -> None:
    drawn = histogram(sizes, 350, "Sizes", what="files")
    assert sum(int(count) for count in re.findall(r"<title>(\d+) from", drawn)) == len(sizes)
    assert f"median {size(sorted(sizes)[len(sizes) // 2])}" in drawn


def test_lines_of_one_point_and_of_many() -> None:
    def draw(points: list[tuple[float, float]]) -> str:
        return lines(
            [Series("loss", points, "main"), Series("held out", points[:1], "dots")], 350, 200, "Loss",
            x_title="step", y_title="loss", x_label=compact, y_label=str, log_y=True,
        )  # fmt: skip

    assert "nan" not in draw([(1, 3.0)])
    assert "nan" not in draw([(1, 0.0), (2, 3.0)])
    long = draw([(step, 5 - step / 30_000) for step in range(100_000)])
    path = re.search(r'd="(M[^"]*)"', long)
    assert path is not None
    assert path.group(1).count("L") < 500


def test_bars_scale_with_their_values() -> None:
    drawn = bars([Bar("a", 10, "10"), Bar("b", 5, "5"), Bar("c", 0, "0")], 760, "Bars")
    first, second, third = (float(width) for width in re.findall(r'<rect [^>]*?width="([\d.]+)"', drawn))
    assert first == pytest.approx(2 * second, abs=0.2)
    assert third < 2


def test_hostile_text_is_visible_and_escaped() -> None:
    assert visible("a\u202eb\x00\ud800\r\nc\td") == "a\\u202eb\\u0000\\ud800\nc\td"
    assert tag("text", "<&>", aria_label="\"'<") == '<text aria-label="&#34;&#39;&lt;">&lt;&amp;&gt;</text>'


@given(some.text(max_size=300), some.floats(40, 400))
def test_shortened_text_fits(words: str, width: float) -> None:
    wide = shorten(words, width)
    assert text_width(wide) <= width or len(wide) <= 8 or any(ord(character) > 0x10FF for character in words)
