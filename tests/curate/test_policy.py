import re
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repoloom.curate.policy import PERMISSIVE, OptOut, check, permissive, permits
from repoloom.errors import UsageError


@pytest.mark.parametrize(
    ("license", "expected"),
    [
        ("MIT", True), ("mit", True), ("Apache-2.0 WITH LLVM-exception", True), ("MIT OR GPL-3.0-only", True),
        ("GPL-3.0-only OR MIT", True), ("MIT AND GPL-3.0-only", False), ("GPL-2.0-or-later", False),
        ("(MIT OR GPL-2.0-only) AND BSD-3-Clause", True), ("MIT OR GPL-2.0-only AND LGPL-2.1-only", True),
        ("(MIT OR GPL-2.0-only) AND LGPL-2.1-only", False), ("LicenseRef-mine", False), ("MIT MIT", False),
        ("(MIT", False), ("MIT)", False), ("MIT OR", False), ("OR MIT", False), ("()", False), ("MIT WITH", False),
        ("MIT WITH (x)", False), ("MIT, or so", False), ("(" * 40 + "MIT" + ")" * 40, True), ("(" * 99 + "MIT", False),
    ],
)  # fmt: skip
def test_permissive_reads_expressions(license, expected):
    assert permits("permissive", license) is expected
    assert permissive(license) is expected
    assert permits("any", license)


def test_no_licence_is_kept_unless_told_otherwise():
    assert permits("permissive", None) and permits(("MIT",), "")
    assert not permits("permissive", None, unlicensed=False)
    assert permits("any", None, unlicensed=False)
    assert not permissive(None)


def test_a_list_is_what_it_says():
    assert permits(("MIT", "GPL-2.0-only"), "GPL-2.0")
    assert permits(("GPL-2.0",), "GPL-2.0-only WITH Classpath-exception-2.0")
    assert permits(("GPL-2.0-or-later",), "GPL-2.0+")
    assert not permits(("GPL-2.0-only",), "GPL-2.0-or-later")
    assert not permits(("MIT",), "Apache-2.0")
    assert permits(("permissive", "MPL-2.0"), "MPL-2.0 AND MIT")
    check(("permissive", "MPL-2.0"))
    with pytest.raises(UsageError, match="'MIT OR ISC'"):
        check(("MIT OR ISC",))


LEAF = st.sampled_from(["MIT", "GPL-3.0-only", "ISC", "AGPL-3.0-only"])
TREE = st.recursive(LEAF, lambda t: st.tuples(st.sampled_from(["AND", "OR"]), st.lists(t, min_size=2, max_size=3)))


def written(tree):
    return tree if isinstance(tree, str) else f" {tree[0]} ".join(f"({written(t)})" for t in tree[1])


def truth(tree):
    if isinstance(tree, str):
        return tree.lower() in PERMISSIVE
    return reduce((lambda a, b: a and b) if tree[0] == "AND" else (lambda a, b: a or b), map(truth, tree[1]))


@given(TREE)
def test_expressions_mean_what_python_would_say(tree):
    assert permissive(written(tree)) == truth(tree)
    words = re.sub(r"[A-Z][\w.\-]*-[\w.\-]+|MIT|ISC", lambda m: str(truth(m[0])), written(tree))
    assert permissive(written(tree)) == eval(words.replace("AND", "and").replace("OR", "or"))


@pytest.mark.timeout(120)  # a quadratic one would take hours
def test_hostile_expressions_are_linear():
    for text in ("(" * 1_000_000, "MIT OR " * 100_000, "MIT AND " * 100_000 + "MIT", "A" * 1_000_000, " " * 1_000_000):
        permits("permissive", text)


def listed(tmp_path, text):
    path = tmp_path / "optout.txt"
    path.write_text(text, "utf-8")
    return OptOut.read(path)


@pytest.mark.parametrize(
    ("repo", "line"),
    [
        ("github.com/Alice/tool", "alice"), ("ALICE/tool", "alice"), ("https://github.com/alice/x.git", "alice"),
        ("bob/secret", "github.com/Bob/Secret"), ("bob/other", None), ("carol/private-keys", "carol/private-*"),
        ("carol/public", None), ("org-7/any", "org-*"), ("organ/any", None), ("alice2/tool", None),
        ("tool/alice", None),
        ("alice", "alice"), ("secret", None), ("gitlab.com/group/sub/name", "group/sub"), ("", None),
    ],
)  # fmt: skip
def test_the_list_covers(tmp_path, repo, line):
    text = "# who asked\nalice\ngithub.com/Bob/Secret  # the one\n\ncarol/private-*\norg-*\ngroup/sub\n"
    assert listed(tmp_path, text).covers(repo) == line


@pytest.mark.parametrize("bad", ["two words", "*", "*/*", "a//b", "/", "a/b?", "https://"])
def test_a_bad_line_is_named(tmp_path, bad):
    with pytest.raises(UsageError, match=r"optout.txt, line 2: .* is no `owner` or `owner/name`"):
        listed(tmp_path, f"fine\n{bad}\n")


def test_a_list_that_cannot_be_read(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        OptOut.read(tmp_path / "none")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="cannot be read"):
        OptOut.read(tmp_path / "bytes")


@pytest.mark.timeout(120)  # a look at every line for every name would take an hour
def test_long_lists_are_not_read_through_for_every_name(tmp_path):
    optout = listed(tmp_path, "\n".join(f"owner{n}/name{n}" for n in range(300_000)))
    assert sum(optout.covers(f"github.com/owner{n}/name{n}") is not None for n in range(100_000)) == 100_000
