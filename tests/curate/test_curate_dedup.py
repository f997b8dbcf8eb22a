"""Repository-level near-duplicates: forks of real packages go whole, and the right one of them stays."""

import random
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from copies import edited, grams, jaccard, license_of, renamed
from curated import Curated, package

from repoloom.curate.dedup import Duplicate, Repository, permissive, repositories
from repoloom.curate.heldout import near_repositories
from repoloom.curate.measure import gram_set
from repoloom.curate.minhash import banding, signatures
from repoloom.recipe import Curate

Run = Callable[..., Curated]

SETTINGS = Curate()

BIGGER = {"more.py": "def larger(by: int) -> int:\n    return by + 1\n"}


def whole(result: Curated) -> dict[str, tuple[str, str, float]]:
    """The repositories that went: rule, the one that stays, similarity; the same on each of their files."""
    found: dict[str, set[tuple[str, str, float]]] = {}
    for (repo, _), row in result.drops.items():
        found.setdefault(repo, set()).add((row["rule"], row["kept_as"], row["measure"]))
    assert all(len(rows) == 1 for rows in found.values())
    return {repo: rows.pop() for repo, rows in found.items()}


def test_a_fork_and_a_renamed_fork_go_whole_and_the_ledger_names_the_one_that_stays(run: Run) -> None:
    original = package("httpcore", 15)
    forks = {"a-fork": edited(dict(list(original.items())[1:])), "hcore": renamed(original, "httpcore", "hcore")}
    result = run({"httpcore": original, **forks, "pluggy": package("pluggy")})
    assert {repo for repo, _ in result.kept()} == {"httpcore", "pluggy"}
    gone = whole(result)
    assert gone.keys() == forks.keys()
    for name, files in forks.items():
        rule, kept_as, similarity = gone[name]
        exact = jaccard(grams(*original.values()), grams(*files.values()))
        assert 0.7 < exact < 1
        assert (rule, kept_as) == ("duplicate-repository", "httpcore")
        assert similarity == pytest.approx(exact, abs=0.1)
        assert {path for repo, path in result.drops if repo == name} == set(files)
    assert all(row["threshold"] == 0.7 for row in result.drops.values())
    assert result.counts["dropped"]["duplicate-repository"]["repositories"] == 2


def test_where_and_in_what_order_the_files_lie_does_not_matter(run: Run) -> None:
    original = package("h11")
    moved = {f"src/{n:02}/{path}": original[path] for n, path in enumerate(reversed(list(original)))}
    assert whole(run({"h11": original, "moved": moved})) == {"moved": ("duplicate-repository", "h11", 1.0)}


def test_different_packages_and_half_a_fork_stay(run: Run) -> None:
    click = package("click")
    half = dict(list(click.items())[: len(click) // 2])
    assert jaccard(grams(*click.values()), grams(*half.values())) < 0.6
    others = {"starlette": package("starlette"), "fastapi": package("fastapi", 20)}
    result = run({"click": click, "half": half, **others}, duplicate_files=False)
    assert {repo for repo, _ in result.kept()} == {"click", "half", "starlette", "fastapi"}
    assert not [row for row in result.drops.values() if row["kept_as"]]


@pytest.mark.parametrize(
    ("files", "stays"),
    [
        ({"a": license_of("pygit2"), "b": license_of("rich"), "c": {}}, "b"),  # GPL, MIT, none
        ({"a": license_of("rich"), "b": license_of("h11") | BIGGER}, "b"),  # both free: larger
        ({"a": license_of("pygit2"), "b": BIGGER}, "b"),  # neither: larger
        ({"b": {}, "a": {}, "c": {}}, "a"),  # the smaller name
    ],
)
def test_a_permissive_licence_then_the_larger_then_the_smaller_name_stays(
    run: Run, files: dict[str, dict[str, str]], stays: str
) -> None:
    result = run({name: package("h11") | more for name, more in files.items()})
    assert {repo for repo, _ in result.kept()} == {stays}
    assert {row["kept_as"] for row in result.drops.values() if row["rule"] == "duplicate-repository"} == {stays}


@pytest.mark.parametrize(
    ("license", "expected"),
    [
        (None, False),
        ("", False),
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("MIT OR GPL-2.0-only", True),
        ("MIT AND GPL-2.0-only", False),
        ("GPL-2.0-only AND MIT OR Apache-2.0", True),
        ("MIT AND BSD-3-Clause AND PSF-2.0", True),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", True),
        ("(MIT OR Apache-2.0) AND GPL-3.0-or-later", False),
        ("LicenseRef-proprietary", False),
    ],
)
def test_what_a_licence_expression_permits(license: str | None, expected: bool) -> None:
    assert permissive(license) is expected


def repository(name: str, text: str) -> Repository:
    return Repository(name, None, len(text.encode()), signatures([gram_set(text, 5)], 256)[0])


Pairs = Sequence[tuple[Repository, Repository]]
Exact = Callable[[Pairs], list[float]]


def exact_of(texts: dict[str, str]) -> Exact:
    sets = {name: grams(text) for name, text in texts.items()}
    return lambda pairs: [jaccard(sets[first.name], sets[second.name]) for first, second in pairs]


def unasked(pairs: Pairs) -> list[float]:
    raise AssertionError(f"the estimate tells: {pairs}")


def test_what_is_too_near_the_threshold_is_judged_by_the_exact_similarity(tmp_path: Path) -> None:
    rng = random.Random(0)
    lines = "\n".join(package("h11").values()).splitlines()
    texts = {"a": "\n".join(lines)}
    for n in range(30):
        texts[f"fork-{n}"] = "\n".join(line for line in lines if rng.random() >= 0.35 * n / 30)
    original, *forks = [repository(name, text) for name, text in texts.items()]
    exact = exact_of(texts)
    asked: set[str] = set()

    def ask(pairs: Pairs) -> list[float]:
        asked.update(repository.name for pair in pairs for repository in pair)
        return exact(pairs)

    true = dict(zip((fork.name for fork in forks), exact([(original, fork) for fork in forks]), strict=True))
    gone = [name for fork in forks for name in repositories([original, fork], SETTINGS, ask, tmp_path)]
    assert list(near_repositories(forks, [original], SETTINGS, ask)) == [name for name in true if true[name] >= 0.7]
    assert gone == [name for name in true if true[name] >= 0.7]
    near = {name for name in true if 0.7 <= true[name] < 0.74}
    assert near and near <= asked
    assert all(abs(true[name] - 0.7) < 0.2 for name in asked - {"a"})  # the rest is told by the estimate


def test_a_chain_of_near_duplicates_keeps_one_and_each_similarity_is_of_the_two_that_are_named(tmp_path: Path) -> None:
    words = re.findall(r"\w+", "\n".join(package("click").values()), re.ASCII)
    texts = {f"{n}": " ".join(words[n * 1000 : n * 1000 + 11_000]) for n in range(8)}
    texts["3"] += " and more" * 1000  # the largest by far, in the middle of the chain
    sets = {name: grams(text) for name, text in texts.items()}
    assert all(jaccard(sets[a], sets[b]) > 0.8 for a, b in pairwise(sorted(texts)))
    assert jaccard(sets["7"], sets["3"]) < 0.6
    every = [repository(name, text) for name, text in texts.items()]
    other = repository("other", "\n".join(package("h11").values()))
    gone = repositories([*every, other], SETTINGS, exact_of(texts), tmp_path)
    assert gone.keys() == set(texts) - {"3"}
    for name, duplicate in gone.items():
        true = jaccard(sets[name], sets[duplicate.kept_as])
        assert true >= 0.7 <= duplicate.similarity == pytest.approx(true, abs=0.12)
        assert (duplicate.kept_as == "3") == (jaccard(sets[name], sets["3"]) >= 0.7)
    assert gone["7"].kept_as in {"4", "5", "6"}
    random.Random(1).shuffle(every)
    assert repositories([other, *every], SETTINGS, exact_of(texts), tmp_path) == gone


def test_of_equals_the_smaller_name_stays_whatever_their_order(tmp_path: Path) -> None:
    same = [repository(name, "\n".join(package("h11").values())) for name in "cab"]
    gone = {"b": Duplicate("a", 1.0), "c": Duplicate("a", 1.0)}
    assert repositories(same, SETTINGS, unasked, tmp_path) == gone


def test_repositories_without_a_gram_are_nobodys_duplicate(tmp_path: Path) -> None:
    empty = [repository(name, "a b c d") for name in "ab"]
    assert repositories(empty, SETTINGS, unasked, tmp_path) == repositories([], SETTINGS, unasked, tmp_path) == {}
    assert near_repositories(empty[:1], empty[1:], SETTINGS, unasked) == {}


def test_the_most_similar_heldout_repository_is_named() -> None:
    text = "\n".join(package("h11").values())
    half = "\n".join(edited(package("h11")).values())
    aside = [repository("edited", half), repository("same", text)]
    assert near_repositories([repository("fork", text)], aside, SETTINGS, unasked) == {"fork": Duplicate("same", 1.0)}


def test_repositories_are_left_alone_where_that_is_switched_off_but_what_is_held_out_stays_apart(run: Run) -> None:
    original = package("h11")
    fork, other = renamed(edited(original), "h11", "h12"), package("click")
    result = run(
        {"h11": original, "h12": fork, "a": other, "b": other},
        heldout=1e-6,
        duplicate_repositories=False,
        duplicate_files=False,
    )
    assert {repo for repo, _ in result.kept(heldout=True)} == {"h11"}
    assert {repo for repo, _ in result.kept()} == {"a", "b"}
    assert {rule for rule, _, _ in whole(result).values()} == {"heldout-repository"}


@pytest.mark.parametrize(("threshold", "published"), [(0.7, (25, 10)), (0.85, (13, 19))])
def test_bands_step_at_the_threshold(threshold: float, published: tuple[int, int]) -> None:
    bands, rows = banding(threshold, 256)
    assert (bands, rows) == published

    def chance(similarity: float) -> float:
        return float(1 - (1 - np.float64(similarity) ** rows) ** bands)

    assert chance(threshold - 0.2) < 0.1 < 0.4 < chance(threshold) and chance(threshold + 0.15) > 0.99
