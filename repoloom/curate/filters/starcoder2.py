"""StarCoder2's filter rules [arXiv 2402.19173, 3.1; bigcode-project/the-stack-v2], with the published thresholds.

`is_generated` of go-enry is stood in for by linguist's names (`generated-name`); its content marks are our
`generated-text`, which this set leaves to the five published phrases. The rules for Text, OWL, DOT, M68K and Wasm have
no language of our list to look at. Licences, malware, and the volumes that languages were cut to are no file's measure.
"""

from repoloom.curate.filters import deepseek, encoded, generated, names
from repoloom.curate.filters.batch import Batch
from repoloom.curate.filters.rule import Rule

_PAPER = "StarCoder2 3.1"
_LONG = frozenset({"html", "json", "markdown", "tex"})
"""Those of HTML, JSON, Markdown, Roff, SMT, TeX, Text, XML on our list: only over 100,000 characters is too long."""
_CAPPED = frozenset({"json", "yaml"})


RULES = (
    deepseek.EMPTY,
    Rule("lines-most", Batch.line_count, _PAPER, at_most=100_000),
    Rule("average-line", Batch.average_line, _PAPER, at_most=100, but=_LONG),
    Rule("longest-line", Batch.longest_line, _PAPER, at_most=1000, but=_LONG),
    Rule("longest-line-prose", Batch.longest_line, _PAPER, at_most=100_000, languages=_LONG),
    Rule("generated-name", names.generated, f"{_PAPER}: go-enry's is_generated, by name", at_most=0),
    Rule(
        "generated-phrase",
        generated.published_phrases,
        f"{_PAPER}: takes generators and their manuals too",
        at_most=0,
    ),
    deepseek.ALPHABETIC,
    Rule("lines-data", Batch.line_count, _PAPER, at_most=512, languages=_CAPPED),
    *deepseek.HTML,
    Rule(
        "encoded-longest",
        encoded.published_longest,
        f"{_PAPER}: base64 takes lists of one word a line, is cut by CRLF",
        at_most=1024,
    ),
    Rule(
        "encoded-share",
        encoded.published_share,
        f"{_PAPER}: hex misses commas with a space, words of 32 bits",
        at_most=0.5,
    ),
)
