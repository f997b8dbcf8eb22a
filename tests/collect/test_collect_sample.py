from hypothesis import given
from hypothesis import strategies as st

from repoloom.collect import installed
from repoloom.collect.entry import Entry
from repoloom.collect.sample import choose_repositories, cut

names = st.lists(st.sampled_from("abcd"), min_size=1, max_size=4).map("/".join)
trees = st.dictionaries(names, st.integers(1, 100)).map(lambda d: [Entry(f"{p}.py", n, "") for p, n in d.items()])


@given(trees, st.integers(1, 400), st.integers(0, 3))
def test_a_cut_keeps_within_its_limit_and_does_not_depend_on_order(entries, limit, seed):
    kept = cut(entries, limit, seed, "r")
    sizes = {entry.path: entry.size for entry in entries}
    assert kept <= set(sizes)
    assert sum(sizes[path] for path in kept) <= limit
    assert cut(entries[::-1], limit, seed, "r") == kept
    if sum(sizes.values()) <= limit:
        assert kept == set(sizes)
    if any(size <= limit for size in sizes.values()):
        assert kept


def test_folders_stay_together_and_the_top_is_taken_first():
    """Ten packages of 1 MB under one folder, a cap of 4.2 MB: four of them whole, and the files that tie them."""
    entries = [Entry("top/__init__.py", 1000, "")]
    entries += [Entry(f"top/{p}/{i}.py", 100_000, "") for p in range(10) for i in range(10)]
    kept = cut(entries, 4_200_000, 0, "r")
    assert "top/__init__.py" in kept
    shares = [sum(f"top/{p}/{i}.py" in kept for i in range(10)) for p in range(10)]
    assert sorted(shares)[-4:] == [10, 10, 10, 10]
    assert sum(shares) <= 42
    others = [cut(entries, 4_200_000, seed, "r") for seed in range(1, 6)]
    assert any(other != kept for other in others)
    assert cut(entries, 4_200_000, 0, "other") != kept or cut(entries, 4_200_000, 1, "other") != others[0]


def test_files_of_one_flat_folder_are_chosen_one_by_one():
    entries = [Entry(f"{i}.py", 10, "") for i in range(100)]
    assert len(cut(entries, 505, 0, "r")) == 50


@given(st.dictionaries(st.text(max_size=5), st.integers(0, 100)), st.integers(0, 300), st.integers(0, 3))
def test_whole_repositories_within_the_limit(sizes, limit, seed):
    chosen = choose_repositories(sizes, limit, seed)
    assert sum(sizes[name] for name in chosen) <= limit
    assert chosen == choose_repositories(dict(reversed(sizes.items())), limit, seed)
    left = limit - sum(sizes[name] for name in chosen)
    assert all(sizes[name] > left for name in sizes if name not in chosen and sizes[name])


def test_caps_on_real_distributions(run):
    """sympy, 26 MB, cut to 3; with a total of 4 MB, sympy and rich cannot both stay beside pygments."""
    whole = {entry.path: entry.size for entry in installed.find(["sympy"])[0].entries()}
    result = run("installed:sympy", megabytes_per_repository=3)
    assert 2_500_000 < result.counts["kept"]["bytes"] <= 3_000_000
    assert result.counts["in"]["bytes"] == sum(whole.values())
    assert result.counts["dropped"]["sample"]["files"] > 500
    folders = {path.rpartition("/")[0] for path in result.paths}
    complete = [
        f
        for f in folders
        if all(
            p in set(result.paths) for p, n in whole.items() if n and p.endswith(".py") and p.rpartition("/")[0] == f
        )
    ]
    assert len(complete) >= 0.7 * len(folders), "most folders that are there are whole"
    row = next(row for row in result.drops if row["rule"] == "sample")
    assert row["threshold"] == 3_000_000
    assert row["measure"] > 20_000_000
    again = run("installed:sympy", out="again", megabytes_per_repository=3)
    assert again.manifest["outputs"] == result.manifest["outputs"]
    other = run("installed:sympy", out="other", megabytes_per_repository=3, seed=1)
    assert other.paths != result.paths


def test_a_total_takes_whole_repositories(run):
    names = ["rich", "pygments", "click", "pytest", "jinja2", "networkx"]
    result = run(f"installed:{','.join(names)}", megabytes=3, megabytes_per_repository=2)
    kept = {row["repo"] for row in result.rows}
    assert 0 < len(kept) < len(names)
    assert result.counts["kept"]["bytes"] <= 3_000_000
    assert result.counts["in"]["repositories"] == len(names)
    left_out = [row for row in result.drops if row["rule"] == "sample" and row["repo"] not in kept]
    assert {row["repo"] for row in left_out} == set(names) - kept
