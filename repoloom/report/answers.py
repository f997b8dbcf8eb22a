"""A page a benchmark: every sample with its prompt and its verdict, grouped by how it ended."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repoloom.report.numerals import plural

MEASURES = {"exact_match": "exact match", "edit_similarity": "edit similarity", "identifier_match": "identifier match"}
"""What a reader calls them."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One sample; `prompt` and `suffix` were given to the model."""

    title: str
    says: str
    prompt: str
    completion: str
    suffix: str
    reference: str


@dataclass(frozen=True, slots=True)
class Group:
    """The samples that ended alike."""

    title: str
    answers: list[Answer]


def page_name(benchmark: str) -> str:
    """The file of a benchmark's page, beside the report's own."""
    return f"samples-{benchmark}.html"


def groups(path: Path) -> list[Group]:
    """The samples of a file, the most frequent end first and what passed last; of a torn file those that are whole."""
    found: dict[str, list[Answer]] = {}
    for row in _rows(path.read_text("utf-8", "replace").splitlines()):
        found.setdefault(_end(row), []).append(_answer(row))
    ordered = sorted(found.items(), key=lambda group: (group[0] in ("passed", "exact"), -len(group[1])))
    return [Group(f"{end}: {plural(len(of), 'sample')}", of) for end, of in ordered]


def _rows(lines: Iterable[str]) -> Iterable[dict[str, Any]]:
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and "task_id" in row and "completion" in row:
            yield row


def _end(row: dict[str, Any]) -> str:
    if "outcome" in row:
        return str(row["outcome"])
    return "exact" if row.get("exact_match") == 1 else "not exact"


def _answer(row: dict[str, Any]) -> Answer:
    says = [f"{MEASURES[name]} {row[name]:.2f}" for name in MEASURES if isinstance(row.get(name), int | float)]
    says += [str(row["detail"])] if row.get("detail") else []
    says += [f"shares {row['shared']} words in a row with the training corpus"] if row.get("shared") else []
    number = row.get("sample")
    title = f"{row['task_id']}, sample {number + 1}" if isinstance(number, int) and number else str(row["task_id"])
    texts = (str(row.get(name) or "") for name in ("prompt", "completion", "suffix", "reference"))
    return Answer(title, ", ".join(says), *texts)
