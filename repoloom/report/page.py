"""What the page is made of: sections of blocks. The template knows how each kind of block looks, and nothing else."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

WIDE, NARROW = 760.0, 350.0
"""The two widths a drawing is made at; the style sheet shows the one that fits."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """A table: the first `words` columns are text, the rest are numbers, set right."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = "The numbers"
    folded: bool = True
    words: int = 1


@dataclass(frozen=True, slots=True)
class Figure:
    """One sentence that says what to see, a drawing, its key, its numbers."""

    takeaway: str
    drawing: Markup | None = None
    key: Sequence[tuple[str, str]] = ()
    """(CSS class of the swatch, what it stands for)."""
    numbers: Numbers | None = None
    note: str = ""
    listing: Sequence[str] = ()
    """A numbered list in columns: the files of a repository in their order."""
    links: Sequence[tuple[str, str]] = ()
    """(page beside this one, what it shows)."""
    kind: str = field(default="figure", init=False)


@dataclass(frozen=True, slots=True)
class Sample:
    """What the model wrote. `before` and `after` were given to it; `reference` is what stood there."""

    title: str
    task: str
    before: str
    output: str
    after: str
    reference: str
    verdict: str
    kind: str = field(default="sample", init=False)


@dataclass(frozen=True, slots=True)
class Commands:
    """Lines to type: (what it does, the line)."""

    lines: Sequence[tuple[str, str]]
    kind: str = field(default="commands", init=False)


Block = Figure | Sample | Commands


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and its blocks, and a line for each that this run cannot show."""

    slug: str
    title: str
    blocks: Sequence[Block]
    absent: Sequence[str]


def both(draw: Callable[[float], Markup]) -> Markup:
    """A drawing made wide and narrow: text stays legible on a phone, where a scaled-down figure would not."""
    return Markup('<div class="wide">{}</div><div class="narrow">{}</div>').format(draw(WIDE), draw(NARROW))
