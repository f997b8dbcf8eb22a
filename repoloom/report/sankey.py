"""A Sankey drawing: what came in, and by which rule it left. Ribbons are as thick as the bytes that they carry."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from repoloom.report.svg import chart, shorten, tag, text

_BAR = 9.0
_TOP = 46.0


@dataclass(frozen=True, slots=True)
class Node:
    """A bar of the drawing. The nodes of a column stand in the order given."""

    label: str
    detail: str
    value: float
    column: int
    tone: str
    """CSS class: `accent`, `soft` (held out), `ink` (on the way), `faint` (dropped)."""
    more: str = ""
    """A second detail, beside the first."""


@dataclass(frozen=True, slots=True)
class Link:
    """A ribbon from node `source` to node `target` (positions in the list of nodes)."""

    source: int
    target: int


def sankey(nodes: Sequence[Node], links: Sequence[Link], width: float, label: str) -> Markup:
    """Draw at `width` units. A link carries its target's value; sources pour out their links in the order given."""
    narrow = width < 500
    last = max(node.column for node in nodes)
    label_width = 176.0 if narrow else 340.0
    span = (width - label_width - _BAR) / max(last, 1)
    scale, heights, tops, _ = _layout(nodes, narrow)
    parts: list[Markup] = []
    poured = [0.0] * len(nodes)
    for link in links:
        start, end = nodes[link.source], nodes[link.target]
        thick = heights[link.target]
        x0, x1 = start.column * span + _BAR, end.column * span
        y0, y1 = tops[link.source] + poured[link.source], tops[link.target]
        poured[link.source] += end.value * scale
        title = tag("title", f"{end.label}: {end.detail}")
        parts.append(tag("path", title, d=_ribbon(x0, y0, x1, y1, thick), class_=f"ribbon {end.tone}"))
    for node, top, tall in zip(nodes, tops, heights, strict=True):
        x = node.column * span
        parts.append(tag("rect", x=x, y=top, width=_BAR, height=tall, rx=1, class_=f"bar {node.tone}"))
        if node.column < last:
            parts += [text(x, _TOP - 26, node.label, "strong"), text(x, _TOP - 10, node.detail, "muted")]
        else:
            parts += _outcome(node, x + _BAR + 10, top, tall, width)
    return chart(width, height(nodes, width), label, *parts)


def height(nodes: Sequence[Node], width: float) -> float:
    """How tall the drawing is at `width`."""
    *_, below = _layout(nodes, width < 500)
    return below + 2


def _layout(nodes: Sequence[Node], narrow: bool) -> tuple[float, list[float], list[float], float]:
    """Units a byte, every node's height and top, and the lower end of all.

    In the last column a node stands in the middle of a row that is as tall as its label at least.
    """
    last = max(node.column for node in nodes)
    total = max(sum(node.value for node in nodes if node.column == column) for column in range(last + 1))
    scale = (230.0 if narrow else 270.0) / max(total, 1)
    row = 38.0 if narrow else 23.0
    heights = [max(node.value * scale, 1.2) for node in nodes]
    tops, below = [], [_TOP] * (last + 1)
    for node, tall in zip(nodes, heights, strict=True):
        own = max(tall + 8, row) if node.column == last else tall
        # The first ends level with the bar that it comes from.
        first = node.column == last and below[last] == _TOP
        tops.append(below[node.column] + (0 if first else (own - tall) / 2))
        below[node.column] += own
    return scale, heights, tops, max(below)


def _outcome(node: Node, x: float, top: float, tall: float, width: float) -> list[Markup]:
    """The label of a last node, centred on it where it is tall: a row of a table, or two lines on a narrow page."""
    narrow = width < 500
    css = "strong" if node.tone != "faint" else ""
    middle = top + tall / 2
    if narrow:
        details = [text(x, middle + 13, f"{node.detail} · {node.more}", "muted")]
        return [text(x, middle - 2, shorten(node.label, width - x), css), *details]
    name = shorten(node.label, width - x - 150)
    details = [
        text(width - 82, middle + 4, node.detail, css, "end"),
        text(width, middle + 4, node.more, "muted", "end"),
    ]
    return [text(x, middle + 4, name, css), *details]


def _ribbon(x0: float, y0: float, x1: float, y1: float, thick: float) -> str:
    middle = (x0 + x1) / 2
    a, b = y0 + thick, y1 + thick
    return (
        f"M{x0:.1f} {y0:.1f}C{middle:.1f} {y0:.1f} {middle:.1f} {y1:.1f} {x1:.1f} {y1:.1f}"
        f"V{b:.1f}C{middle:.1f} {b:.1f} {middle:.1f} {a:.1f} {x0:.1f} {a:.1f}Z"
    )
