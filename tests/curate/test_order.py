"""The order against the paper's algorithm written down plainly, its guarantees, and folders that mean harm."""

import itertools
import json
import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repoloom.curate.order import arrange, components, order_folder, published
from repoloom.curate.topological import strong_components, topological
from repoloom.errors import UserError

# The machine is shared: an example that takes long says nothing.
examples = settings(deadline=None, max_examples=150)
orders = st.sampled_from(["topological", "deepseek"])


def algorithm_1(nodes, edges, names):
    """[P] Algorithm 1 word by word: quadratic, with the smaller path first where the paper leaves a tie open."""
    left, taken = set(nodes), []
    indegree = {node: sum(1 for user, used in edges if user == node and used != node) for node in nodes}
    while left:
        node = min(left, key=lambda n: (indegree[n], names[n]))
        taken.append(node)
        left.remove(node)
        for user, used in edges:
            if used == node and user != node:
                indegree[user] -= 1
    return taken


@st.composite
def graphs(draw, acyclic=False):
    count = draw(st.integers(1, 25))
    node = st.integers(0, count - 1)
    edges = draw(st.sets(st.tuples(node, node), max_size=60))
    edges = {(max(a, b), min(a, b)) if acyclic else (a, b) for a, b in edges if a != b}
    names = draw(st.permutations([f"f{n:02}.py" for n in range(count)]))
    return count, sorted(edges), names


@examples
@given(graphs())
def test_equals_the_published_algorithm(graph):
    count, edges, names = graph
    for component in components(count, edges):
        inside = [edge for edge in edges if edge[0] in component]
        assert published(component, inside, names) == algorithm_1(component, inside, names)


@examples
@given(graphs())
def test_is_a_permutation_and_components_are_connected(graph):
    count, edges, names = graph
    groups = components(count, edges)
    assert sorted(node for group in groups for node in group) == list(range(count))
    of = {node: number for number, group in enumerate(groups) for node in group}
    assert all(of[user] == of[used] for user, used in edges)
    for group in groups:  # connected: one flood from any node reaches the whole group
        reached = {group[0]}
        while more := {n for edge in edges for n in edge if set(edge) & reached} - reached:
            reached |= more
        assert reached == set(group)
        inside = [edge for edge in edges if edge[0] in reached]
        assert sorted(published(group, inside, names)) == sorted(topological(group, inside, names)) == group


@examples
@given(graphs(acyclic=True), orders)
def test_without_cycles_everything_used_stands_before_its_user(graph, by):
    _, edges, names = graph
    place = {node: n for n, node in enumerate(n for group in arrange(names, edges, by) for n in group)}
    assert all(place[used] < place[user] for user, used in edges)


@examples
@given(graphs())
def test_strong_components_are_those_of_mutual_reach_and_come_after_what_they_use(graph):
    count, edges, _ = graph
    reach = [[a == b or (a, b) in edges for b in range(count)] for a in range(count)]
    for k, a, b in itertools.product(range(count), repeat=3):
        reach[a][b] = reach[a][b] or (reach[a][k] and reach[k][b])
    found = strong_components([[used for user, used in edges if user == node] for node in range(count)])
    place = {node: n for n, group in enumerate(found) for node in group}
    assert sorted(place) == list(range(count))
    for a, b in itertools.product(range(count), repeat=2):
        assert (place[a] == place[b]) == (reach[a][b] and reach[b][a])
        assert not reach[a][b] or place[b] <= place[a]


@examples
@given(graphs())
def test_topological_breaks_at_most_half_of_the_edges_of_a_cycle(graph):
    # Eades, Lin and Smyth prove at most |edges|/2 - |files|/6 backward where no two files use each other.
    count, edges, names = graph
    edges = [(a, b) for a, b in edges if (b, a) not in edges]
    place = {node: n for n, node in enumerate(n for group in arrange(names, edges) for n in group)}
    inside = {
        n
        for group in strong_components([[b for a, b in edges if a == n] for n in range(count)])
        if len(group) > 1
        for n in group
    }
    backward = sum(place[used] > place[user] for user, used in edges)
    assert backward <= len(edges) / 2 - len(inside) / 6


@examples
@given(graphs(), orders, st.randoms(use_true_random=False))
def test_is_the_same_whatever_the_order_of_the_input(graph, by, shuffler):
    count, edges, names = graph
    expected = [[names[n] for n in group] for group in arrange(names, edges, by)]
    renumbered = list(range(count))
    shuffler.shuffle(renumbered)
    shuffled_names = [""] * count
    for old, new in enumerate(renumbered):
        shuffled_names[new] = names[old]
    shuffled = [(renumbered[user], renumbered[used]) for user, used in edges]
    shuffler.shuffle(shuffled)
    got = arrange(shuffled_names, shuffled, by)
    assert [[shuffled_names[n] for n in group] for group in got] == expected


def test_a_cycle_of_ten_thousand_files_and_a_chain_of_seventy_thousand():
    names = [f"{n:06}" for n in range(70_000)]
    cycle = [(n, (n + 1) % 10_000) for n in range(10_000)]
    assert components(10_000, cycle) == [list(range(10_000))]
    # All wait for one: the first path goes first, which frees the one that uses it, and so backwards around.
    assert published(range(10_000), cycle, names) == [0, *range(9_999, 0, -1)]
    chain = [(n, n - 1) for n in range(1, 70_000)]
    random.Random(3).shuffle(chain)
    assert topological(range(10_000), cycle, names) == [0, *range(9_999, 0, -1)]
    for by in ("topological", "deepseek"):
        assert arrange(names, chain, by) == [list(range(70_000))]


def test_seventy_thousand_files_around_one_and_seventy_thousand_alone():
    names = [f"{n:06}" for n in range(70_000)]
    star = [(n, 0) for n in range(1, 70_000)] + [(0, n) for n in range(1, 70_000)]
    for by in ("topological", "deepseek"):
        assert len(arrange(names, star, by)[0]) == 70_000
        assert arrange(names, [], by) == [[n] for n in range(70_000)]


def test_shuffle_is_one_document_drawn_by_its_key_alone():
    names = [f"{n}.py" for n in range(50)]
    (drawn,) = arrange(names, [(0, 1)], "shuffle", "7/shop")
    assert sorted(drawn) == list(range(50)) and drawn != sorted(drawn)
    assert arrange(names, [], "shuffle", "7/shop") == [drawn] != arrange(names, [], "shuffle", "8/shop")
    backwards = arrange(names[::-1], [], "shuffle", "7/shop")[0]
    assert [names[::-1][n] for n in backwards] == [names[n] for n in drawn]
    assert arrange([], [], "shuffle") == []


def test_readmes_and_build_files_stand_before_what_they_speak_of():
    names = ["Makefile", "README.md", "a/README.md", "a/x.py", "a/y.py", "b/data.json", "b/README.md", "z.py"]
    edges = [(3, 4), (7, 3)]
    got = [[names[n] for n in group] for group in arrange(names, edges)]
    assert got == [["README.md", "Makefile", "a/README.md", "a/y.py", "a/x.py", "z.py"], ["b/README.md", "b/data.json"]]
    assert [1] in arrange(names, edges, "deepseek")  # as published: by itself
    loose = ["README.md", "one.py", "two.py"]
    assert arrange(loose, []) == [[0], [1], [2]]
    # A build file that uses others stands where its edges put it.
    assert arrange(["setup.py", "version.py"], [(0, 1)]) == [[1, 0]]


def write(folder, files):
    for name, text in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8")


def test_a_folder_gets_its_files_in_order_with_its_edges(tmp_path):
    write(
        tmp_path,
        {
            "src/shop/__init__.py": "",
            "src/shop/cart.py": "from shop.price import Price\nfrom . import stock\n",
            "src/shop/price.py": "",
            "src/shop/stock.py": "from .price import Price\n",
            "notes.unknown": "what is this",
            "README.md": "# Shop\n",
        },
    )
    ordering = order_folder(tmp_path)
    assert ordering.edges == [
        ("src/shop/cart.py", "src/shop/price.py"),
        ("src/shop/cart.py", "src/shop/stock.py"),
        ("src/shop/stock.py", "src/shop/price.py"),
    ]
    assert ordering.files == [
        "README.md", "src/shop/price.py", "src/shop/stock.py", "src/shop/cart.py", "src/shop/__init__.py",
    ]  # fmt: skip


def test_manifests_give_names_and_are_not_listed(tmp_path):
    write(
        tmp_path, {"go.mod": "module corp/tool\n", "a/a.go": 'package a\nimport "corp/tool/b"\n', "b/b.go": "package b"}
    )
    assert order_folder(tmp_path).files == ["b/b.go", "a/a.go"]


def test_a_hostile_folder_is_read_without_harm(tmp_path):
    outside = tmp_path / "outside.py"
    outside.write_text("secret = 1\n")
    folder = tmp_path / "repo"
    write(
        folder, {"a.py": "import b\nimport linked\n", "b.py": "", "new\nline.py": "import b\n", ".git/hooks/x.py": ""}
    )
    (folder / "loop").symlink_to(folder)
    (folder / "linked.py").symlink_to(outside)
    os.mkfifo(folder / "pipe.py")
    (folder / "binary.py").write_bytes(b"import a\0")
    (folder / "cut.py").write_bytes("name = 'ü'".encode()[:-2])
    with (folder / "huge.py").open("wb") as huge:
        huge.truncate(1 << 30)  # sparse: 1 GiB that takes no room
    with open(os.fsencode(folder) + b"/\xff\xfe.py", "wb") as file:
        file.write(b"import b\n")
    deep = folder
    for _ in range(500):
        deep = deep / "d"
    deep.mkdir(parents=True)
    ordering = order_folder(folder)
    assert ordering.files == ["b.py", "a.py", "new\nline.py"]
    assert ordering.edges == [("a.py", "b.py"), ("new\nline.py", "b.py")]
    json.dumps([ordering.files, ordering.edges]).encode("ascii")


def test_an_empty_folder_has_no_order_and_no_folder_is_said_in_one_line(tmp_path):
    assert order_folder(tmp_path).files == []
    (tmp_path / "file").write_text("")
    for wrong in (tmp_path / "absent", tmp_path / "file"):
        with pytest.raises(UserError) as failure:
            order_folder(wrong)
        assert str(wrong) in str(failure.value) and "\n" not in str(failure.value)
