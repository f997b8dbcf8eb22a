"""Repository-level near-duplicates: forks of real packages go whole, and the right one of them stays."""

import random
import re
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from copies import edited, grams, jaccard, license_of, renamed
from curated import Curated, package

from repoloom.curate.dedup import Duplicate, Repository, duplicates, near_heldout, permissive
from repoloom.curate.measure import gram_set
from repoloom.curate.minhash import banding, signatures
from repoloom.recipe import Curate

Run = Callable[..., Curated]

SETTINGS = Curate()


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
    result = run({"click": click, "half": half, "starlette": package("starlette"), "fastapi": package("fastapi", 20)})
    assert {repo for repo, _ in result.kept()} == {"click", "half", "starlette", "fastapi"}
    assert not [row for row in result.drops.values() if row["kept_as"]]


@pytest.mark.parametrize(
    ("files", "stays"),
    [
        ({"a": license_of("pygit2"), "b": license_of("rich"), "c": {}}, "b"),  # GPL, MIT, none
        ({"a": license_of("rich"), "b": license_of("h11") | {"b.py": "name = 1\n" * 9}}, "b"),  # both free: larger
        ({"a": license_of("pygit2"), "b": {"b.py": "name = 1\n" * 9}}, "b"),  # neither: larger
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


def exact_of(texts: dict[str, str]) -> Callable[[Repository, Repository], float]:
    sets = {name: grams(text) for name, text in texts.items()}
    return lambda first, second: jaccard(sets[first.name], sets[second.name])


def test_what_is_too_near_the_threshold_is_judged_by_the_exact_similarity() -> None:
    rng = random.Random(0)
    lines = "\n".join(package("h11").values()).splitlines()
    texts = {"a": "\n".join(lines)}
    for n in range(120):
        texts[f"fork-{n}"] = "\n".join(line for line in lines if rng.random() >= 0.35 * n / 120)
    original, *forks = [repository(name, text) for name, text in texts.items()]
    exact = exact_of(texts)
    asked: set[str] = set()

    def ask(first: Repository, second: Repository) -> float:
        asked.update({first.name, second.name})
        return exact(first, second)

    true = {fork.name: exact(original, fork) for fork in forks}
    gone = [name for fork in forks for name in duplicates([original, fork], SETTINGS, ask)]
    assert list(near_heldout(forks, [original], SETTINGS, ask)) == [name for name in true if true[name] >= 0.7]
    assert all(true[name] >= 0.7 for name in gone)
    assert set(gone) >= {name for name in true if true[name] >= 0.85}  # the bands find 99.5% of pairs from there on
    near = {name for name in true if 0.7 <= true[name] < 0.74}
    assert len(near) >= 3 and near <= asked
    assert all(abs(true[name] - 0.7) < 0.2 for name in asked - {"a"})  # the rest is told by the estimate


def test_a_chain_of_near_duplicates_is_one_component_with_one_that_stays() -> None:
    words = re.findall(r"\w+", "\n".join(package("click").values()), re.ASCII)
    texts = {f"{n}": " ".join(words[n * 1000 : n * 1000 + 11_000]) for n in range(8)}
    texts["3"] += " and more" * 1000  # the largest by far, in the middle of the chain
    sets = {name: grams(text) for name, text in texts.items()}
    assert all(jaccard(sets[a], sets[b]) > 0.8 for a, b in pairwise(sorted(texts)))
    assert jaccard(sets["7"], sets["3"]) < 0.6
    repositories = [repository(name, text) for name, text in texts.items()]
    other = repository("other", "\n".join(package("h11").values()))
    gone = duplicates([*repositories, other], SETTINGS, exact_of(texts))
    assert gone.keys() == set(texts) - {"3"}
    for name, duplicate in gone.items():
        assert duplicate.kept_as == "3"
        assert duplicate.similarity == pytest.approx(jaccard(sets[name], sets["3"]), abs=0.12)
    random.Random(1).shuffle(repositories)
    assert duplicates([other, *repositories], SETTINGS, exact_of(texts)) == gone


def test_of_equals_the_smaller_name_stays_whatever_their_order() -> None:
    same = [repository(name, "\n".join(package("h11").values())) for name in "cab"]
    assert duplicates(same, SETTINGS, exact_of({})) == {"b": Duplicate("a", 1.0), "c": Duplicate("a", 1.0)}


def test_repositories_without_a_gram_are_nobodys_duplicate() -> None:
    empty = [repository(name, "a b c d") for name in "ab"]
    assert duplicates(empty, SETTINGS, lambda a, b: 1.0) == {}
    assert near_heldout(empty[:1], empty[1:], SETTINGS, lambda a, b: 1.0) == {}


def test_the_most_similar_heldout_repository_is_named() -> None:
    text = "\n".join(package("h11").values())
    half = "\n".join(edited(package("h11")).values())
    aside = [repository("edited", half), repository("same", text)]
    assert near_heldout([repository("fork", text)], aside, SETTINGS, exact_of({})) == {"fork": Duplicate("same", 1.0)}


@pytest.mark.parametrize(("threshold", "published"), [(0.7, (25, 10)), (0.85, (13, 19))])
def test_bands_step_at_the_threshold(threshold: float, published: tuple[int, int]) -> None:
    bands, rows = banding(threshold, 256)
    assert (bands, rows) == published

    def chance(similarity: float) -> float:
        return float(1 - (1 - np.float64(similarity) ** rows) ** bands)

    assert chance(threshold - 0.2) < 0.1 < 0.4 < chance(threshold) and chance(threshold + 0.15) > 0.99
