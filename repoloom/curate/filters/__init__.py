"""Filter rules: which files are worth training on, judged by what can be measured in one file alone.

A rule set is a tuple of rules, tried in order. `judge` gives each file of a batch the first rule that it breaks,
`measure` says what every rule finds in one file, for `explain`. See docs/filters.md for every rule, its source and
what it takes from real code.
"""

import difflib
from collections.abc import Mapping

from repoloom.curate.filters import deepseek, opencoder, repoloom, starcoder2
from repoloom.curate.filters.batch import Batch
from repoloom.curate.filters.rule import Measured, Rule, Verdicts, judge, measure
from repoloom.errors import UsageError

__all__ = ["SETS", "Batch", "Measured", "Rule", "Verdicts", "judge", "measure", "rule_set"]

SETS: Mapping[str, tuple[Rule, ...]] = {
    "repoloom": repoloom.RULES,
    "deepseek": deepseek.RULES,
    "starcoder2": starcoder2.RULES,
    "opencoder": opencoder.RULES,
}
"""The rule sets by name."""


def rule_set(name: str, thresholds: Mapping[str, float | bool] | None = None) -> tuple[Rule, ...]:
    """The rules of the set `name` in the order in which they are tried.

    `thresholds` gives single rules, by name, another threshold; `False` switches a rule off. Raises UsageError for a
    name that is not in the set, and for `True`, which says nothing.
    """
    if name not in SETS:
        raise UsageError(f"curate.rules: no rule set {name!r}; there are {', '.join(SETS)}")
    rules = SETS[name]
    changes = dict(thresholds or {})
    names = [rule.name for rule in rules]
    for changed, threshold in changes.items():
        if changed not in names:
            near = difflib.get_close_matches(changed, names, 3, 0.4)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise UsageError(f"curate.thresholds.{changed}: the rule set {name!r} has no such rule{hint}")
        if threshold is True:
            raise UsageError(f"curate.thresholds.{changed}: give a number, or false to switch the rule off")
    changed_rules = (rule.with_threshold(changes[rule.name]) if rule.name in changes else rule for rule in rules)
    return tuple(rule for rule in changed_rules if changes.get(rule.name) is not False)
