import hashlib
import random

import pytest
from curated import package
from hypothesis import given, settings
from hypothesis import strategies as st

from repoloom import recipe
from repoloom.curate import mix
from repoloom.curate.mix import Item, plan, report
from repoloom.errors import UsageError

KINDS = (("python", "code"), ("markdown", "text"), ("restructuredtext", "text"), ("", "rest"), ("tex", "code"))


def documents(sizes: dict[str, list[int]]) -> list[Item]:
    """Documents by language, of the sizes given, each of a repository of its own."""
    return [
        Item(f"{language}/{number}#0", f"{language}/{number}", language, size)
        for language, members in sizes.items()
        for number, size in enumerate(members)
    ]


def rows(items: list[Item], wanted: recipe.Mix, seed: int = 1) -> dict[str, dict[str, float]]:
    return {row["group"]: row for row in report(items, plan(items, wanted, seed), wanted)}


def test_by_default_every_document_stands_once() -> None:
    items = documents({"python": [10, 20], "markdown": [5], "": [0]})
    assert plan(items, recipe.Mix(), 1) == [1, 1, 1, 1]
    assert plan([], recipe.Mix(shares={"code": 1.0}), 1) == []
    assert report([], [], recipe.Mix(shares={"code": 1.0}))[0]["share"] == 0


def test_the_published_shares_are_reached_where_there_is_enough() -> None:
    items = documents({"python": [900] * 4000, "java": [1100] * 3000, "markdown": [500] * 1000, "": [300] * 900})
    found = rows(items, recipe.Mix(shares={"code": 0.87, "text": 0.10}))
    assert [round(found[group]["share"], 3) for group in ("code", "text", "rest")] == [0.87, 0.10, 0.03]
    assert found["rest"]["target"] == 0.03
    assert sum(row["bytes_out"] for row in found.values()) == pytest.approx(sum(item.bytes for item in items), rel=1e-3)
    assert found["code"]["repeats"] < 1 < found["text"]["repeats"]


def test_a_budget_in_tokens_is_met_up_and_down() -> None:
    items = documents({"python": [1000] * 300, "markdown": [1000] * 100})
    for tokens in (20_000, 100_000, 200_000, 300_000):
        wanted = recipe.Mix(shares={"code": 0.8, "text": 0.2}, tokens=tokens, bytes_per_token=3.0)
        found = rows(items, wanted)
        assert sum(row["bytes_out"] for row in found.values()) == pytest.approx(tokens * 3, abs=2000)
        assert found["text"]["share"] == pytest.approx(0.2, abs=0.02)
    assert sum(plan(items, recipe.Mix(tokens=50_000, bytes_per_token=2), 1)) == 100  # a budget alone samples evenly
    assert set(plan(items, recipe.Mix(tokens=10**9), 1)) == {4}


def test_what_a_small_group_lacks_goes_to_the_others_and_nothing_stands_more_than_max_repeats_times() -> None:
    items = documents({"python": [1000] * 96, "markdown": [1000] * 4})
    wanted = recipe.Mix(shares={"code": 0.5, "text": 0.5}, max_repeats=3)
    found = rows(items, wanted)
    assert (found["text"]["repeats"], found["text"]["bytes_out"], found["code"]["bytes_out"]) == (3, 12_000, 88_000)
    assert set(plan(items, wanted, 1)) == {0, 1, 3}
    assert max(plan(items, recipe.Mix(shares={"text": 1.0}, max_repeats=1), 1)) == 1


def test_a_group_of_share_nothing_is_left_out_and_a_missing_group_is_no_hole() -> None:
    items = documents({"python": [1000] * 10, "": [1000] * 10})
    copies = plan(items, recipe.Mix(shares={"code": 0.9, "text": 0.1}), 1)
    assert copies == [1] * 10 + [0] * 10
    found = rows(items, recipe.Mix(shares={"code": 0.9, "text": 0.1}))
    assert (found["rest"]["target"], found["rest"]["documents_out"], found["text"]["documents_in"]) == (0, 0, 0)


def test_a_source_goes_before_a_language_and_a_language_before_its_group() -> None:
    wanted = recipe.Mix(shares={"text": 0.2, "code": 0.4, "python": 0.2, "stackexchange/*": 0.1, "*/docs": 0.05})
    items = [
        Item("a", "stackexchange/docs", "markdown", 1),
        Item("b", "someone/docs", "python", 1),
        Item("c", "someone/code", "python", 1),
        Item("d", "someone/code", "go", 1),
        Item("e", "someone/code", "markdown", 1),
        Item("f", "someone/code", "tex", 1),
        Item("g", "someone/code", "klingon", 1),
    ]
    rows = report(items, [1] * 7, wanted)
    assert [row["group"] for row in rows] == [*wanted.shares, "rest"]
    assert {row["group"]: row["documents_in"] for row in rows} == {
        "text": 1, "code": 2, "python": 1, "stackexchange/*": 1, "*/docs": 1, "rest": 1
    }  # fmt: skip


@given(
    st.lists(st.tuples(st.sampled_from([kind for kind, _ in KINDS]), st.integers(0, 10_000)), max_size=60),
    st.dictionaries(st.sampled_from(["code", "text", "python", "pyth*/*"]), st.floats(0, 0.25), max_size=4),
    st.none() | st.integers(1, 100_000),
    st.integers(1, 5),
    st.integers(0, 3),
)
@settings(max_examples=200, deadline=None)
def test_any_mix_is_as_near_as_its_documents_allow(
    drawn: list[tuple[str, int]], shares: dict[str, float], tokens: int | None, most: int, seed: int
) -> None:
    items = [Item(f"{n}", f"{language}/{n}", language, size) for n, (language, size) in enumerate(drawn)]
    wanted = recipe.Mix(shares=shares, tokens=tokens, max_repeats=most, bytes_per_token=2)
    copies = plan(items, wanted, seed)
    assert all(0 <= count <= most for count in copies)
    shuffled = random.Random(seed).sample(range(len(items)), len(items))
    assert plan([items[n] for n in shuffled], wanted, seed) == [copies[n] for n in shuffled]
    found = report(items, copies, wanted)
    assert sum(row["documents_in"] for row in found) == len(items)
    assert sum(row["bytes_out"] for row in found) == sum(n * item.bytes for n, item in zip(copies, items, strict=True))
    members: dict[str, list[int]] = {}
    for item, count in zip(items, copies, strict=True):
        members.setdefault(mix._group(item, wanted), []).append(count)
    assert all(max(counts) - min(counts) <= 1 for counts in members.values()), "no document is favoured by over one"
    if not shares and tokens is None:
        return
    # The total: as near to the budget as one document a group, unless all that may stand does.
    open_groups = [row for row in found if row["target"] > 0 and row["bytes_in"]]
    budget = tokens * 2 if tokens else sum(row["bytes_in"] for row in open_groups)
    reachable = min(budget, most * sum(row["bytes_in"] for row in open_groups))
    largest = max((item.bytes for item in items), default=0)
    assert abs(sum(row["bytes_out"] for row in open_groups) - reachable) <= largest * len(open_groups) / 2 + 1


def test_which_documents_stay_is_drawn_by_seed_and_id_alone() -> None:
    items = documents({"python": [1000] * 400})
    half = recipe.Mix(tokens=100_000, bytes_per_token=2)
    first, again, other = plan(items, half, 1), plan(items, half, 1), plan(items, half, 2)
    assert first == again != other
    assert sum(first) == sum(other) == 200
    for seed in (1, 2):  # the order is that of a hash anyone can compute
        order = sorted(
            items, key=lambda d: hashlib.blake2b(f"mix\0{seed}\0{d.document_id}".encode(), digest_size=16).digest()
        )
        chosen = {item.document_id for item, count in zip(items, plan(items, half, seed), strict=True) if count}
        assert chosen == {item.document_id for item in order[:200]}
    less = plan(items, recipe.Mix(tokens=50_000, bytes_per_token=2), 1)
    assert all(small <= large for small, large in zip(less, first, strict=True)), "a smaller mix is part of a larger"


def test_a_group_of_one_large_document_stays_where_that_is_nearer() -> None:
    items = documents({"python": [100] * 100, "markdown": [1000]})
    for share, stays in ((0.03, 0), (0.06, 1)):
        found = rows(items, recipe.Mix(shares={"text": share, "code": 1 - share}))
        assert found["text"]["documents_out"] == stays


def test_real_files_come_to_the_shares_asked() -> None:
    sources = {path: text for name in ("rich", "numpy", "networkx") for path, text in package(name, 150).items()}
    items = [Item(path, path.split("/")[0], "python", len(text.encode())) for path, text in sources.items()]
    shares = {"rich": 0.5, "numpy": 0.3, "networkx": 0.2}
    items = [item._replace(repo=f"pypi/{item.repo}") for item in items]
    wanted = recipe.Mix(shares={f"pypi/{name}": share for name, share in shares.items()})
    found = rows(items, wanted)
    for name, share in shares.items():
        assert found[f"pypi/{name}"]["share"] == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"shares": {"code": 0.9, "text": 0.2}}, "curate.mix.shares: .*1.1, over 1"),
        ({"shares": {"prose": 0.1}}, "curate.mix.shares: .*'prose'"),
        ({"shares": {"code": 1.5}}, r"curate.mix.shares.code: "),
        ({"shares": {"code": -0.1}}, r"curate.mix.shares.code: "),
        ({"tokens": 0}, "curate.mix.tokens: "),
        ({"max_repeats": 0}, "curate.mix.max_repeats: "),
        ({"bytes_per_token": 0}, "curate.mix.bytes_per_token: "),
    ],
)
def test_a_wrong_mix_is_refused_by_its_key(table: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        recipe.parse({"name": "x", "curate": {"mix": table}})


@pytest.mark.timeout(120)  # a quadratic one would take hours
def test_the_cost_is_that_of_a_sort() -> None:
    items = [Item(f"r{n}#0", f"o/r{n}", "python" if n % 9 else "markdown", 500 + n % 1000) for n in range(100_000)]
    wanted = recipe.Mix(shares={"code": 0.8, "text": 0.2})
    found = rows(items, wanted)
    assert found["text"]["share"] == pytest.approx(0.2, abs=1e-4)
