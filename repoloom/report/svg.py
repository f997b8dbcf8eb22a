"""SVG elements as escaped strings. Colours come from the page's CSS classes, so that light and dark share a drawing.

Text of the corpus (paths, repositories, code) is hostile: it reaches the page through `visible` and an escape, here and
in the template alike.
"""

import re
import unicodedata

from markupsafe import Markup, escape

# Control characters, bidirectional overrides, invisible format characters and lone surrogates: shown as \u202e, so that
# a name cannot reorder or hide what stands around it. Tabs and line breaks stay: samples are code.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff]"
)


def visible(text: str) -> str:
    """`text` with every character that cannot be seen, or that moves its neighbours, written as an escape."""
    return _INVISIBLE.sub(lambda found: f"\\u{ord(found.group()):04x}", text.replace("\r\n", "\n"))


def tag(name: str, *children: str, **attributes: object) -> Markup:
    """One element. Children and attribute values are escaped unless they are Markup; `class_` and `stroke_width` become
    `class` and `stroke-width`; numbers keep one decimal; an attribute that is None is left out.
    """
    words = [name]
    for key, value in attributes.items():
        if value is None:
            continue
        text = f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
        shown = key.rstrip("_") if key in {"viewBox", "preserveAspectRatio"} else key.rstrip("_").replace("_", "-")
        words.append(f'{shown}="{escape(visible(text))}"')
    inside = Markup().join(child if isinstance(child, Markup) else escape(visible(child)) for child in children)
    # Built from fixed names and from values escaped just above.
    return Markup(f"<{' '.join(words)}>{inside}</{name}>")  # noqa: S704


def chart(width: float, height: float, label: str, *children: str) -> Markup:
    """A drawing of so many units; one unit is one CSS pixel where the figure has its full width."""
    return tag(
        "svg",
        *children,
        xmlns="http://www.w3.org/2000/svg",
        width=f"{width:.0f}",
        height=f"{height:.0f}",
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        role="img",
        aria_label=label,
        class_="chart",
    )


def text(x: float, y: float, words: str, css: str = "", anchor: str | None = None) -> Markup:
    """A line of text whose baseline starts (or ends, `anchor="end"`) at x, y."""
    return tag("text", words, x=x, y=y, class_=css or None, text_anchor=anchor)


def text_width(words: str, size: float = 12.5) -> float:
    """About how wide a line is, in units: fonts are the reader's, so this errs to the wide side."""
    wide = sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in words)
    return wide * size * 0.62


def shorten(words: str, width: float, size: float = 12.5) -> str:
    """`words` cut in the middle to about `width` units; a path keeps its end, which names the file."""
    if text_width(words, size) <= width:
        return words
    room = max(4, int(width / (size * 0.62)) - 1)
    head = room // 3
    return words[:head] + "…" + words[len(words) - (room - head) :]
