"""What a rule set would drop, without writing anything: `curate --dry-run`."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repoloom import engine, formats, recipe
from repoloom.curate import filters, measure
from repoloom.curate.source import Piece, Source
from repoloom.progress import bar

Found = Counter[tuple[str, str, str]]
"""By rule ("" for what is kept), language and unit (`files`, `bytes`)."""

_UNITS = ("files", "bytes")


@dataclass(frozen=True, slots=True)
class _Job:
    source: Source
    pieces: tuple[Piece, ...]
    settings: recipe.Curate


def dry_run(shards: Path, settings: recipe.Curate, processes: int | None = None) -> dict[str, Any]:
    """Counts as a curate stage's manifest has them, of the filter rules alone: nothing is compared, parsed or held out.

    Raises UserError for a folder without shards, UsageError for a rule that the set does not have.
    """
    order = [rule.name for rule in filters.rule_set(settings.rules, settings.thresholds)]
    source = Source(formats.parts(shards, "shards"))
    jobs = [_Job(source, tuple(job), settings) for job in source.jobs(source.pieces())]
    sizes = [sum(piece.bytes for piece in job.pieces) for job in jobs]
    total: Found = Counter()
    with bar("judging", sum(sizes) / 1e6) as progress:
        for size, found in zip(sizes, engine.map_ordered(_judged, jobs, processes), strict=True):
            total.update(found)
            progress.advance(size / 1e6)
    rules = {rule for rule, _, _ in total}
    languages = sorted({language for _, language, _ in total})
    return {
        "in": {unit: _sum(total, rules, languages, unit) for unit in _UNITS},
        "kept": {unit: _sum(total, [""], languages, unit) for unit in _UNITS},
        "dropped": {
            rule: {unit: _sum(total, [rule], languages, unit) for unit in _UNITS} for rule in order if rule in rules
        },
        "languages": {
            language: {f"in_{unit}": _sum(total, rules, [language], unit) for unit in _UNITS}
            | {f"kept_{unit}": total["", language, unit] for unit in _UNITS}
            for language in languages
        },
    }


def _sum(total: Found, rules: Iterable[str], languages: Iterable[str], unit: str) -> int:
    return sum(total[rule, language, unit] for rule in rules for language in languages)


def _judged(job: _Job) -> Found:
    found: Found = Counter()
    for table in job.source.tables(job.pieces):
        names, sizes, verdicts = measure.verdicts(table, job.settings)
        languages = table.column("language").to_pylist()
        for rule, language, size in zip(verdicts.rule.tolist(), languages, sizes.tolist(), strict=True):
            name = names[rule] if rule >= 0 else ""
            found[name, language or "", "files"] += 1
            found[name, language or "", "bytes"] += size
    return found
