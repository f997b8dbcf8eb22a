"""Plots: lines over steps, horizontal bars, a histogram of sizes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from repoloom.report.axes import Axis, Label
from repoloom.report.numerals import size
from repoloom.report.svg import chart, shorten, tag, text, text_width

_POINTS = 480
"""A line keeps at most so many points: a page of an hour's training must stay small."""


@dataclass(frozen=True, slots=True)
class Series:
    """Points (x, y) drawn as `raw` (a thin line), `main` (the line to look at) or `dots`."""

    name: str
    points: Sequence[tuple[float, float]]
    style: str


def lines(
    series: Sequence[Series],
    width: float,
    height: float,
    label: str,
    *,
    x_title: str,
    y_title: str,
    x_label: Label,
    y_label: Label,
    log_x: bool = False,
    log_y: bool = False,
    from_zero: bool = False,
) -> Markup:
    """Series over a common x. `y_title` stands above the axis; ticks are round numbers."""
    points = [point for one in series for point in one.points]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    low, high = (0.0 if from_zero else min(ys)), max(ys)
    log_y = log_y and low > 0
    pad = 1.04 if log_y else 1.0
    low, high = low / pad, high * pad
    if high <= low:
        high = low + 1
    top, bottom = 26.0, height - 24.0
    up = Axis(low, high, bottom, top, log_y)
    left = 8 + max(text_width(y_label(tick)) for tick in (low, *up.ticks(5)))
    across = Axis(min(xs), max(xs), left, width - 10, log_x)
    parts = [text(0, 12, y_title, "muted"), text(left, height - 6, x_title, "muted")]
    for tick in up.ticks(5):
        y = up.place(tick)
        parts.append(tag("line", x1=left, x2=width - 10, y1=y, y2=y, class_="grid"))
        parts.append(text(left - 6, y + 4, y_label(tick), "muted", "end"))
    for tick in across.ticks(5 if width > 500 else 3):
        x = across.place(tick)
        if x < left + text_width(x_title) + 24:
            continue
        parts.append(tag("line", x1=x, x2=x, y1=bottom, y2=bottom + 4, class_="axis"))
        parts.append(text(x, height - 6, x_label(tick), "muted", "middle" if x < width - 24 else "end"))
    parts.append(tag("line", x1=left, x2=width - 10, y1=bottom, y2=bottom, class_="axis"))
    for one in series:
        placed = [(across.place(x), up.place(y)) for x, y in _thin(one.points)]
        if one.style == "dots":
            parts += [
                tag(
                    "circle", tag("title", f"{one.name}: {y_label(y)} at {x_label(x)}"), cx=px, cy=py, r=4, class_="dot"
                )
                for (px, py), (x, y) in zip(placed, _thin(one.points), strict=True)
            ]
        else:
            path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in placed)
            parts.append(tag("path", d=path, class_=f"line {one.style}"))
    return chart(width, height, label, *parts)


def _thin(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    every = max(1, math.ceil(len(points) / _POINTS))
    return points if every == 1 else [*points[:-1:every], points[-1]]


@dataclass(frozen=True, slots=True)
class Bar:
    """A row of a bar chart: its value, the value as words, and the published value to lay beside it."""

    label: str
    value: float
    words: str
    tone: str = "faint"
    beside: float | None = None
    beside_words: str = ""


def bars(rows: Sequence[Bar], width: float, label: str) -> Markup:
    """Horizontal bars from zero; the label stands left of its bar, or above it where the page is narrow."""
    narrow = width < 500
    most = max([*(row.value for row in rows), *(row.beside or 0 for row in rows)]) or 1
    left = 0.0 if narrow else min(300.0, 22 + max(text_width(row.label) for row in rows))
    tail = 0.0 if narrow else 20 + max(text_width(row.words + row.beside_words) for row in rows)
    double = any(row.beside is not None for row in rows)
    pitch = (44.0 if narrow else 34.0) if double else (40.0 if narrow else 30.0)
    parts: list[Markup] = []
    for number, row in enumerate(rows):
        top = number * pitch + (22.0 if narrow else 6.0)
        long = max((width - left - tail) * row.value / most, 1.5)
        css = "strong" if row.tone == "accent" else "name"
        parts.append(tag("rect", x=left, y=top, width=long, height=11.0, rx=1, class_=f"bar {row.tone}"))
        if row.beside:
            beside = max((width - left - tail) * row.beside / most, 1.0)
            parts.append(tag("rect", x=left, y=top + 13, width=beside, height=4.0, rx=1, class_="bar published"))
        if narrow:
            words = text(width, top - 6, row.words, "value", "end")
            if row.beside_words:
                words = text(width - 62, top - 6, row.words, "value", "end") + text(
                    width, top - 6, row.beside_words, "muted", "end"
                )
            parts += [text(0, top - 6, row.label, css), words]
        else:
            parts += [text(0, top + 10, shorten(row.label, left), css)]
            longest = max(long, (width - left - tail) * (row.beside or 0) / most)
            parts.append(text(left + longest + 8, top + 11, row.words, "value"))
            if row.beside_words:
                parts.append(text(left + longest + 18 + text_width(row.words), top + 11, row.beside_words, "muted"))
    return chart(width, len(rows) * pitch + 4, label, *parts)


def histogram(sizes: Sequence[float], width: float, label: str, *, what: str) -> Markup:
    """How many `what` have which size in bytes: bins that double (a logarithmic axis), and the median marked."""
    ordered = sorted(value for value in sizes if value > 0)
    low = math.floor(math.log2(ordered[0]))
    high = max(math.floor(math.log2(ordered[-1])) + 1, low + 3)
    counts = [0] * (high - low)
    for value in ordered:
        counts[math.floor(math.log2(value)) - low] += 1
    height, left, top, bottom = 200.0, 34.0, 42.0, 168.0
    across = Axis(2.0**low, 2.0**high, left, width - 8, log=True)
    up = Axis(0, max(counts), bottom, top)
    parts = [text(0, 12, f"number of {what}", "muted")]
    for tick in up.ticks(3):
        if tick == int(tick):
            y = up.place(tick)
            parts.append(tag("line", x1=left, x2=width - 8, y1=y, y2=y, class_="grid"))
            parts.append(text(left - 6, y + 4, f"{tick:,.0f}", "muted", "end"))
    for number, count in enumerate(counts):
        x0, x1 = across.place(2.0 ** (low + number)), across.place(2.0 ** (low + number + 1))
        title = tag("title", f"{count} from {size(2.0 ** (low + number))} to {size(2.0 ** (low + number + 1))}")
        y = up.place(count)
        if count:
            parts.append(tag("rect", title, x=x0 + 1, y=y, width=x1 - x0 - 2, height=bottom - y, class_="bar hist"))
    for tick in across.ticks(4):
        half = text_width(size(tick, 1)) / 2
        x = min(max(across.place(tick), half), width - half)
        parts.append(text(x, bottom + 18, size(tick, 1), "muted", "middle"))
    parts.append(tag("line", x1=left, x2=width - 8, y1=bottom, y2=bottom, class_="axis"))
    median = ordered[len(ordered) // 2]
    x = across.place(median)
    parts.append(tag("line", x1=x, x2=x, y1=top - 8, y2=bottom, class_="median"))
    anchor = "end" if x > width * 0.6 else "start"
    parts.append(text(x, top - 12, f"median {size(median)}", "strong", anchor))
    return chart(width, height, label, *parts)
