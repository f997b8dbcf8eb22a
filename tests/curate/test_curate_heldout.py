"""What is set aside, and that no near-copy of it is left among the documents: checked by plain sets of word 5-grams."""

import re
import shutil
from collections.abc import Callable

import pytest
from copies import edited, grams, jaccard, renamed
from curated import Curated, package
from hypothesis import given
from hypothesis import strategies as st

from repoloom.curate.dedup import TRIVIAL
from repoloom.curate.heldout import choose

Run = Callable[..., Curated]

SMALLEST = 1e-6
"""A share of the bytes that no repository fits: the smallest one is set aside, whatever the seed."""


def aside(result: Curated) -> set[str]:
    return {repo for repo, _ in result.kept(heldout=True)}


def test_whole_repositories_are_set_aside_within_the_share_and_by_seed(run: Run) -> None:
    names = {"anyio", "click", "h11", "httpcore", "httpx", "jinja2", "markdown_it", "pathspec", "pluggy", "starlette"}
    repositories = {name: package(name, 4) for name in sorted(names)}
    chosen = []
    for seed in (0, 1, 2, 0):
        result = run(repositories, heldout=0.3, seed=seed)
        chosen.append(aside(result))
        assert chosen[-1] and chosen[-1] | {repo for repo, _ in result.kept()} == names
        assert not chosen[-1] & {document["repo"] for document in result.documents}
        assert result.counts["heldout"]["repositories"] == len(chosen[-1])
        assert 0 < result.counts["heldout"]["bytes"] <= 0.3 * result.counts["in"]["bytes"]
    assert chosen[0] == chosen[3]
    assert len(set(map(frozenset, chosen))) > 1


def test_without_a_share_nothing_is_set_aside(run: Run) -> None:
    result = run({name: package(name, 5) for name in ("h11", "pluggy")})
    assert not result.heldout and not (result.out / "heldout").exists()


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 100), max_size=10), st.floats(0, 1), st.integers(0, 9))
def test_the_share_holds_and_is_used(sizes: dict[str, int], share: float, seed: int) -> None:
    chosen = choose(sizes, share, seed)
    assert chosen == choose(dict(reversed(sizes.items())), share, seed)
    budget, taken = share * sum(sizes.values()), sum(sizes[name] for name in chosen)
    left = {name: size for name, size in sizes.items() if size and name not in chosen}
    if taken > budget:  # none fits: the smallest goes, and something is left to train on
        (one,) = chosen
        assert share and left and all((sizes[one], one) < (size, name) for name, size in left.items())
    else:
        assert all(sizes[name] for name in chosen)
        assert all(taken + size > budget for size in left.values())
    assert chosen or not share or len(left) < 2


def test_a_repository_of_which_no_file_passes_the_rules_is_not_what_is_set_aside(run: Run) -> None:
    data = {"data.json": "[" + "1, " * 3000 + "1]"}
    result = run({"data": data, "h11": package("h11"), "pluggy": package("pluggy")}, heldout=SMALLEST)
    assert aside(result) == {"pluggy"}


def test_a_vendored_older_copy_of_a_heldout_package_goes_file_by_file(run: Run) -> None:
    original, own = package("rich", 30), package("pip/_internal", 60)
    vendored = renamed(package("pip/_vendor/rich", 60), "pip/_vendor", "pip/a/part")  # no rule drops these by name
    result = run({"rich": original, "pip": vendored | own}, heldout=SMALLEST, decontaminate=())
    assert aside(result) == {"rich"}
    heldout = {path: grams(text) for path, text in original.items()}
    taken = {path: row for (_, path), row in result.drops.items() if row["rule"] == "heldout-file"}
    assert len(taken) >= 10
    for path, text in (vendored | own).items():
        found = grams(text)
        value, copied = max((jaccard(found, other), name) for name, other in heldout.items())
        if path in taken:
            row = taken[path]
            assert value >= 0.7 == row["threshold"]
            assert (row["repo"], row["kept_as"]) == ("pip", f"rich/{copied}")
            assert row["measure"] == pytest.approx(value, abs=0.1)
        else:
            assert value < 0.75 or ("pip", path) in result.drops  # LSH finds 99.2% of pairs at 0.7
    assert not taken.keys() & own.keys()


def test_no_document_holds_a_near_copy_of_a_heldout_file(run: Run) -> None:
    vendored = {f"tool/a/part/{path}": text for path, text in renamed(edited(package("h11")), "h11", "h12").items()}
    result = run({"h11": package("h11"), "tool": package("click") | vendored}, heldout=SMALLEST)
    assert aside(result) == {"h11"}
    heldout, training = (
        [grams(d["text"][f["start"] : f["end"]].partition("\n")[2]) for d in documents for f in d["files"]]
        for documents in (result.heldout, result.documents)
    )
    assert len(heldout) > 5 and len(training) > 10
    assert max(jaccard(first, second) for first in heldout for second in training) < 0.7
    assert {row["kept_as"].partition("/")[0] for row in result.drops.values() if row["kept_as"]} == {"h11"}


def test_a_renamed_and_edited_repository_goes_whole_though_it_is_larger(run: Run) -> None:
    original = package("httpcore", 15)
    fork = renamed(edited(original), "httpcore", "hypercore")
    other = package("click")
    result = run({"httpcore": original, "hypercore": fork, "click": other}, heldout=SMALLEST)
    assert aside(result) == {"httpcore"}
    assert {repo for repo, _ in result.kept()} == {"click"}
    rows = [row for (repo, _), row in result.drops.items() if repo == "hypercore"]
    assert {(row["rule"], row["kept_as"], row["threshold"]) for row in rows} == {
        ("heldout-repository", "httpcore", 0.7)
    }
    assert {row["path"] for row in rows} == set(fork)
    exact = jaccard(grams(*original.values()), grams(*fork.values()))
    assert 0.7 < exact < 1
    assert rows[0]["measure"] == pytest.approx(exact, abs=0.1)
    assert result.counts["dropped"]["heldout-repository"]["repositories"] == 1


def test_heldout_repositories_are_deduplicated_among_themselves(run: Run) -> None:
    original = package("h11")
    result = run(
        {"h11": original, "h12": renamed(edited(original), "h11", "h12"), "pluggy": package("pluggy")}, heldout=1
    )
    assert not result.documents
    assert aside(result) == {"h12", "pluggy"}  # the larger stays
    assert {row["rule"] for row in result.drops.values()} == {"duplicate-repository"}


def test_a_change_of_white_space_alone_makes_no_new_file(run: Run) -> None:
    original = package("h11")
    text = original["h11/_connection.py"]
    copies = {
        "indented.py": text.replace("    ", "\t").replace("\n", " \r\n").replace("\n\t", "\n\n\t"),
        "wrapped.md": "\n".join(text[place : place + 20] for place in range(0, len(text), 20)),  # in the midst of words
    }
    assert jaccard(grams(text), grams(copies["wrapped.md"])) < 0.3
    result = run({"h11": original, "tool": package("click") | copies}, heldout=SMALLEST)
    for path in copies:
        row = result.drops["tool", path]
        assert (row["rule"], row["measure"], row["kept_as"]) == ("heldout-file", 1.0, "h11/h11/_connection.py")


def test_the_most_similar_heldout_file_is_named(run: Run) -> None:
    original = package("h11")
    (older,) = edited({"h11/older.py": original["h11/_connection.py"]}).values()
    copy = {"state.py": original["h11/_connection.py"] + "\nname = 1\n"}
    for name in ("h11/a.py", "h11/z.py"):
        result = run({"h11": original | {name: older}, "tool": package("click") | copy}, heldout=SMALLEST)
        assert result.drops["tool", "state.py"]["kept_as"] == "h11/h11/_connection.py"
        shutil.rmtree(result.out.parent / "source")


def test_files_under_twenty_words_are_nobodys_copy(run: Run) -> None:
    words = re.findall(r"\w+", package("h11")["h11/_connection.py"])
    short, long = ("\n".join(words[:count]) + "\n" for count in (TRIVIAL - 1, TRIVIAL))
    notes = {"short.md": short, "long.md": long}
    result = run({"h11": package("h11") | notes, "tool": package("click") | notes}, heldout=SMALLEST)
    assert ("tool", "short.md") in result.kept()
    assert result.drops["tool", "long.md"]["rule"] == "heldout-file"
