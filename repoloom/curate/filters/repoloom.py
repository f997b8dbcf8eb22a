"""The default set: DeepSeek Coder's thresholds, prose spared where they are wrong for prose, and what they let through.

Cheap rules come first: names, then counts over the bytes, then heads, and scans of whole files last, most of which a
cheap bound spares.
"""

from dataclasses import replace

from repoloom.curate.filters import deepseek, encoded, generated, license, names, repetition
from repoloom.curate.filters.batch import Batch
from repoloom.curate.filters.rule import Rule

PROSE = frozenset({"markdown", "restructuredtext", "rmarkdown", "tex"})
_SCRIPT = frozenset({"javascript", "css"})
_LINGUIST = "linguist, names that are certain"
_OURS = "ours"


RULES = (
    Rule("vendored", names.vendored, f"{_LINGUIST} (vendor.yml)", at_most=0),
    Rule("lock-file", names.locked, f"{_LINGUIST} (generated.rb)", at_most=0),
    Rule("generated-name", names.generated, f"{_LINGUIST} (generated.rb)", at_most=0),
    Rule("minified-name", names.minified, "linguist (vendor.yml)", at_most=0, languages=_SCRIPT),
    *(replace(rule, but=PROSE) if rule.name in ("average-line", "longest-line") else rule for rule in deepseek.RULES),
    Rule("longest-line-prose", Batch.longest_line, "", at_most=10_000, languages=PROSE),
    Rule("generated-text", generated.marked, "linguist (generated.rb) and others", at_most=0),
    Rule("generated-go", generated.go_generated, "golang/go#13560", at_most=0, languages=frozenset({"go"})),
    Rule("source-map", generated.source_mapped, "linguist (generated.rb)", at_most=0, languages=_SCRIPT),
    Rule("minified", generated.white_share, _OURS, at_least=0.06, languages=_SCRIPT),
    Rule("license-only", license.beyond, _OURS, at_least=1),
    Rule("number-table", encoded.table_share, _OURS, at_most=0.5),
    Rule("encoded-share", encoded.share, _OURS, at_most=0.5),
    Rule("encoded-longest", encoded.longest, _OURS, at_most=8192),
    Rule("repeated-lines", repetition.repeated_lines, _OURS, at_most=0.8, bound=repetition.bound),
)
