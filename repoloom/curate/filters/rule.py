"""A filter rule: a name, a measure, a threshold, a source. Judging tries rules in order on what still stands."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from repoloom.curate.filters.batch import Batch
from repoloom.curate.filters.utf8 import Array, Floats, Mask

Measure = Callable[[Batch], Floats]
"""One number a file; NaN where it has nothing to say."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One filter rule: a file is dropped if its measure is under `at_least` or over `at_most`, whichever is given."""

    name: str
    measure: Measure
    source: str
    """Where the rule comes from, and what is wrong with it there."""
    at_least: float | None = None
    at_most: float | None = None
    languages: frozenset[str] | None = None
    """The languages it looks at; None for all."""
    but: frozenset[str] = frozenset()
    """Languages it leaves alone."""
    bound: Measure | None = None
    """A cheap number that is never on the dropping side of the threshold when it could pass and the measure not: where
    the bound passes, so does the measure, which is then not taken."""

    def __post_init__(self) -> None:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError(f"{self.name}: exactly one of at_least and at_most")

    @property
    def threshold(self) -> float:
        """The last number that passes."""
        threshold = self.at_most if self.at_least is None else self.at_least
        assert threshold is not None
        return threshold

    def looks_at(self, language: str) -> bool:
        """Whether the rule has anything to say about files in this language."""
        return language not in self.but and (self.languages is None or language in self.languages)

    def breaks(self, values: Floats) -> Mask:
        """Which of these values are dropped; NaN is not."""
        broken: Mask = values > self.threshold if self.at_least is None else values < self.threshold
        return broken

    def with_threshold(self, threshold: float) -> "Rule":
        """The same rule with another threshold, on the same side."""
        return replace(self, at_most=threshold) if self.at_least is None else replace(self, at_least=threshold)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """For each file the first rule that it breaks: its number (int16, -1 for none), what it measured, its threshold."""

    rule: Array
    value: Floats
    threshold: Floats


@dataclass(frozen=True, slots=True)
class Measured:
    """What one rule found in one file."""

    rule: Rule
    value: float
    broken: bool


def judge(rules: tuple[Rule, ...], batch: Batch) -> Verdicts:
    """Try the rules in order, each on the files that it looks at and that none before it dropped."""
    verdicts = Verdicts(np.full(len(batch), -1, np.int16), *np.full((2, len(batch)), np.nan))
    for number, rule in enumerate(rules):
        rows = np.flatnonzero((verdicts.rule < 0) & batch.where(rule.looks_at))
        if rule.bound is not None and rows.size:
            rows = rows[rule.breaks(rule.bound(batch.take(rows)))]
        if rows.size:
            values = rule.measure(batch.take(rows))
            broken = rule.breaks(values)
            verdicts.rule[rows[broken]] = number
            verdicts.value[rows[broken]] = values[broken]
            verdicts.threshold[rows[broken]] = rule.threshold
    return verdicts


def measure(rules: tuple[Rule, ...], batch: Batch) -> Iterator[Measured]:
    """What each rule that looks at the one file of `batch` and has something to say measures in it, in their order."""
    if len(batch) != 1:
        raise ValueError("measure one file at a time")
    for rule in rules:
        if batch.where(rule.looks_at)[0]:
            values = rule.measure(batch)
            if not np.isnan(values[0]):
                yield Measured(rule, float(values[0]), bool(rule.breaks(values)[0]))
