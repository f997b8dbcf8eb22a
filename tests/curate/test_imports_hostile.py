"""Texts and repositories made to hurt: each must come to its end, none may raise. Quadratic work would not end here."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from import_cases import edges_of

from repoloom.curate.imports import File, edges

MEGABYTE = 1_000_000
SUFFIXES = (".py", ".c", ".cpp", ".java", ".js", ".ts", ".go", ".rs")
PIECES = [
    "(", ")", "{", "[", "/", "/*", "//", "\\", '"', '"""', "'", "'''", "`", "${", "#", "\n", " ", "\t", ";",
    ":", "::", ".", ",", "@", "<", "\x00", "é", "\u2028", "a.", "import ", "import a\n", "import (",
    "from . import (", "from ", "from", "from\\\n", "import\\\n", "import/*", "import(/*", "require('",
    "require(", "#include <", '#include "a\n', "\n#include", "use ", "use a::{", "mod a{", "mod a;", 'r#"',
    'R"(', 'R"a(', "#[path", '#[path = "', "package a.", "@a.", "import a.*;", "import a.b.C;", '\\"""', "'\\",
    "/[", "=/[\\", "...A", "a.b.C ", 'include!("', "const/", '"""\\', "crate::",
]  # fmt: skip


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_any_piece_repeated_comes_to_an_end(suffix):
    for piece in PIECES:
        text = piece * (MEGABYTE // 5 // len(piece))
        tail = {".py": "\nimport b", ".c": '\n#include "b"', ".js": "\nimport './b'"}.get(
            suffix, "\nuse b; import b.B;"
        )
        edges_of({f"a{suffix}": text + tail, f"b{suffix}": ""})


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("piece", ["(", '"', "/*"])
def test_a_million_of_one_character_comes_to_an_end(suffix, piece):
    edges_of({f"a{suffix}": piece * MEGABYTE + "\nimport b; use b;", f"b{suffix}": ""})


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_long_line_with_an_import_at_its_end_is_read(suffix):
    statement = {
        ".py": "import b", ".c": "#include \"b.c\"", ".cpp": "#include \"b.cpp\"", ".java": "class A { b x; B y; }",
        ".js": "import './b'", ".ts": "import './b'", ".go": "package a", ".rs": "mod b;",
    }[suffix]  # fmt: skip
    filler = "x = 1;" * (MEGABYTE // 6) + "\n"
    found = edges_of({f"a{suffix}": filler + statement, f"{'B' if suffix == '.java' else 'b'}{suffix}": ""})
    assert len(found) == (0 if suffix == ".go" else 1)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(SUFFIXES), st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_no_text_raises(suffix, text):
    listed = [(f"a/x{suffix}", text), (f"a/b{suffix}", text), ("package.json", text), ("a/tsconfig.json", text)]
    listed += [("Cargo.toml", text), ("go.mod", text)]
    languages = {".py": "python", ".c": "c", ".cpp": "cpp", ".java": "java", ".js": "javascript", ".ts": "typescript"}
    language = languages.get(suffix, "go" if suffix == ".go" else "rust")
    found = edges([File(path, language if path.endswith(suffix) else "", content) for path, content in listed])
    assert found == sorted(set(found))
    assert all(user != used and 0 <= user < 6 and 0 <= used < 6 for user, used in found)


def test_ten_thousand_files_in_a_cycle():
    files = {f"p/m{n}.py": f"from p import m{(n + 1) % 10_000}" for n in range(10_000)}
    assert len(edges_of(files)) == 10_000


@pytest.mark.parametrize("suffix", [".c", ".py", ".java", ".ts", ".rs"])
def test_ten_thousand_files_of_one_name_that_all_ask_for_it(suffix):
    """Pairs of files would be a hundred million here."""
    text = {
        ".c": '#include "x/util.c"', ".py": "import pkg.util\nfrom far import util",
        ".java": "package p; import p.util; class A {}",
        ".ts": "import 'util'; import './util'", ".rs": "use crate::util; mod util;",
    }[suffix]  # fmt: skip
    files = {}
    for n in range(5_000):
        files[f"d{n % 70}/e{n}/util{suffix}"] = text
        files[f"d{n % 70}/e{n}/main{suffix}"] = text
    edges_of(files)


def test_a_file_that_asks_for_a_hundred_thousand_names():
    names = [f"n{n}" for n in range(100_000)]
    assert edges_of({"a.py": "\n".join(f"import {name}" for name in names), "n7.py": ""}) == {("a.py", "n7.py")}
    assert edges_of({"a.c": "\n".join(f'#include "{name}"' for name in names), "n7": ""}) == {("a.c", "n7")}
    assert edges_of({"a.js": "\n".join(f"import './{name}'" for name in names), "n7.js": ""}) == {("a.js", "n7.js")}


def test_a_package_of_ten_thousand_go_files_that_all_import_another():
    files = {f"a/f{n}.go": 'package a\nimport "h.io/m/b"' for n in range(5_000)} | {"go.mod": "module h.io/m"}
    files |= {f"b/f{n}.go": "package b" for n in range(5_000)}
    assert len(edges_of(files)) == 5_000 * 100


def test_paths_that_are_too_deep_or_strange_have_no_edges():
    deep = "/".join(["d"] * 2_000)
    files = {
        f"{deep}/a.py": "import b",
        f"{deep}/b.py": "",
        "": "import b",
        "/": "",
        "a//b.py": "import a",
        "..": "",
        "b.py": "",
    }
    assert edges_of(files) <= {("", "b.py"), ("a//b.py", "b.py")}


def test_modules_that_include_each_other_end():
    files = {
        "src/lib.rs": '#[path = "lib.rs"] mod a; #[path = "b.rs"] mod b;',
        "src/b.rs": '#[path = "lib.rs"] mod c; mod b;',
    }
    assert edges_of(files) == {("src/lib.rs", "src/b.rs"), ("src/b.rs", "src/lib.rs")}
    chain = {f"m{n}.rs": f'#[path = "m{n + 1}.rs"] mod m;' for n in range(3_000)}
    assert len(edges_of(chain)) == 2_999


LANGUAGE = {
    ".py": ("python", "import b"), ".c": ("c", '#include "b.c"'), ".java": ("java", "class A { b x; }"),
    ".ts": ("typescript", "import './b'"), ".go": ("go", "package a"), ".rs": ("rust", "mod b; use b::c;"),
    ".rb": ("ruby", "require_relative 'b'"), ".php": ("php", "<?php require 'b.php';"),
    ".cs": ("c-sharp", "using b; class A {}"), ".kt": ("kotlin", "import b.C"), ".swift": ("swift", "import b"),
}  # fmt: skip


@pytest.mark.parametrize("suffix", LANGUAGE)
def test_of_files_of_one_path_the_first_has_edges(suffix):
    language, text = LANGUAGE[suffix]
    paths = [f"a{suffix}", f"a{suffix}", f"b{suffix}", f"b{suffix}", f"a{suffix}"]
    found = edges([File(path, language, text) for path in paths])
    assert {node for edge in found for node in edge} <= {0, 2}
