"""preview.svg: the run on one card, for a README or a post. It stands alone: its colours are inside."""

from pathlib import Path

from markupsafe import Markup

from repoloom.report import about, corpus
from repoloom.report.inputs import AbsentError, Run
from repoloom.report.sankey import height as tall
from repoloom.report.sankey import sankey
from repoloom.report.svg import tag, text

_WIDTH, _MARGIN = 1000.0, 60.0


def card(run: Run) -> str:
    """The strip of figures and the flow of bytes, as one SVG."""
    parts = [
        text(_MARGIN, 72, run.folder.resolve().name, "title"),
        text(_MARGIN, 102, about.summary(run), "muted lead"),
    ]
    for number, (figure, what) in enumerate(about.headline(run)):
        x, y = _MARGIN + (number % 4) * 228, 168 + (number // 4) * 76
        parts += [text(x, y, figure, "figure"), text(x, y + 21, what, "muted")]
    height = 290.0
    try:
        nodes, links = corpus.threads(run)
        drawing = sankey(nodes, links, _WIDTH - 2 * _MARGIN, "Where the bytes went")
        parts.append(tag("g", drawing, transform=f"translate({_MARGIN:.0f} {height + 16:.0f})"))
        height += tall(nodes, _WIDTH) + 48
    except AbsentError:
        pass
    # Our own file: it holds nothing of a run.
    style = Markup((Path(__file__).parent / "chart.css").read_text("utf-8"))  # noqa: S704
    return str(
        tag(
            "svg",
            tag("style", style),
            tag("rect", width=_WIDTH, height=height, class_="paper"),
            *parts,
            xmlns="http://www.w3.org/2000/svg",
            width=f"{_WIDTH:.0f}",
            height=f"{height:.0f}",
            viewBox=f"0 0 {_WIDTH:.0f} {height:.0f}",
            role="img",
            aria_label=about.summary(run),
        )
    )
