"""Exact similarities read from shards: the same as by plain sets of grams, also where texts come in many batches."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from copies import edited, grams, jaccard, renamed
from curated import package

from repoloom import formats
from repoloom.curate import exact
from repoloom.curate.dedup import Repository
from repoloom.curate.exact import Exact
from repoloom.curate.source import Entry, Place, Source

Collected = Callable[..., Path]


@pytest.fixture
def corpus(collected: Collected) -> tuple[Exact, dict[str, list[Entry]], dict[str, dict[str, str]]]:
    original = package("h11")
    texts = {
        "click": package("click"),
        "h11": original,
        "h12": renamed(edited(original), "h11", "h12"),
        "h13": edited(dict(list(original.items())[3:])),
    }
    parts = formats.parts(collected(texts), "shards")
    files: dict[str, list[Entry]] = {name: [] for name in texts}
    for number, row in enumerate(formats.rows(parts[0])):
        text = row["content"]
        place = Place(0, 0, number)
        if row["path"].endswith(".py"):
            files[row["repo"]].append(
                Entry(place, row["repo"], row["path"], None, "python", None, len(text), len(text.split()), 0)
            )
    return Exact(Source(parts), files, 5), files, texts


def repository(name: str) -> Repository:
    return Repository(name, None, 1, np.zeros(256, np.uint32))


def test_files_are_compared_by_their_sets_of_grams(
    corpus: tuple[Exact, dict[str, list[Entry]], dict[str, dict[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    similarities, files, texts = corpus
    pairs = list(combinations([entry for name in ("h11", "h12") for entry in files[name]], 2))
    true = [jaccard(*(grams(texts[entry.repo][entry.path]) for entry in pair)) for pair in pairs]
    assert max(true) > 0.8 and min(true) < 0.1
    assert similarities.files(pairs) == true
    monkeypatch.setattr(exact, "_BATCH", 50_000)
    assert similarities.files(pairs) == true
    assert similarities.files([]) == []


def test_repositories_are_compared_as_one_text_and_very_large_ones_by_a_sample(
    corpus: tuple[Exact, dict[str, list[Entry]], dict[str, dict[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    similarities, files, texts = corpus
    pairs = list(combinations(files, 2))
    sets = {name: grams(*texts[name].values()) for name in files}
    true = [jaccard(sets[first], sets[second]) for first, second in pairs]
    asked = [(repository(first), repository(second)) for first, second in pairs]
    assert similarities.repositories(asked) == pytest.approx(true, abs=1e-9)
    monkeypatch.setattr(exact, "_GRAMS", 8000)
    sampled = similarities.repositories(asked)
    assert sampled != true and sampled == pytest.approx(true, abs=0.03)
