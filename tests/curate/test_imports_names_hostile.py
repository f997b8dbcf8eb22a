"""Hostile texts for the languages of names: each comes to its end, none raises. Quadratic work would not end here."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from name_cases import LANGUAGES, edges_of

from repoloom.curate.imports import File, edges

MEGABYTE = 1_000_000
SUFFIXES = sorted(LANGUAGES)
PIECES = [
    "(", ")", "{", "}", "[", "<", "/", "/*", "/*/*", "//", "\\", '"', '"""', "'", "`", "$", "${", "#", '#"', '@"',
    '$@"', "\n", " ", "\t", ";", ":", "::", ".", ",", "@", "?", "?>", "<?", "<?php ", "<<<A\n", "<<~A\n", "\x00", "é",
    "\u2028", "a.", "A.", "A ", "A(", "a(", "A\n", "[A", "import ", "import a.b\n", "import a.b.{",
    "import a.{b => c, _}\n", "package ", "package a\n", "package a {", "package object a {", "namespace A;",
    "namespace A {", "namespace A\n{", "using ", "using A;", "using A = B;", "global using A.B;", "use ", "use A\\B;",
    "use A\\{", "use a,", "use a\n", "\\A", "class ", "class A ", "class A {", "partial class A {", "delegate ",
    "delegate A ", "fun ", "fun A.b(", "val ", "val a\n", "func ", "func a(", "struct ", "struct A<", "def ",
    "function ", "function a(", "function_exists(", "new A(", "is A", "require ", "require 'a'\n", "require('",
    'require_relative "', "require __DIR__ . 'b';", "include ", "include 'a'", "dirname(", "File.join(",
    "File.join(__dir__,", "autoload :A", "autoload :A,", "=begin\n", "=end\n", "__END__\n", ".target(", 'name: "',
    "#region\n", "@file:A\n",
]  # fmt: skip


def statement(suffix):
    return {
        ".cs": "namespace N { class A { B b; } }",
        ".java": "class A { B b; }",
        ".kt": "class A { val b: B }",
        ".rb": "require 'b'",
        ".php": "<?php new B;",
        ".scala": "class A { val b: B = null }",
        ".swift": "struct A { let b: B }",
    }[suffix]


def declaration(suffix):
    return {".cs": "namespace N { class B {} }", ".php": "<?php class B {}"}.get(suffix, "class B {}")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_any_piece_repeated_comes_to_an_end(suffix):
    for piece in PIECES:
        for start in ("", "<?php ") if suffix == ".php" else ("",):
            text = start + piece * (MEGABYTE // 20 // len(piece)) + "\n" + statement(suffix)
            edges_of({f"lib/a{suffix}": text, f"lib/b{suffix}": declaration(suffix)})


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("piece", ["(", '"', "/*", "{", "A "])
def test_a_million_characters_come_to_an_end(suffix, piece):
    edges_of(
        {f"lib/a{suffix}": piece * (MEGABYTE // len(piece)) + statement(suffix), f"lib/b{suffix}": declaration(suffix)}
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_long_line_with_a_use_at_its_end_is_read(suffix):
    filler = "x = 1;" * (MEGABYTE // 6) + "\n"
    opening = "<?php " if suffix == ".php" else ""
    text = opening + filler + statement(suffix).removeprefix(opening)
    assert edges_of({f"lib/a{suffix}": text, f"lib/b{suffix}": declaration(suffix)}) == {
        (f"lib/a{suffix}", f"lib/b{suffix}")
    }


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(SUFFIXES), st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_no_text_raises(suffix, text):
    listed = [f"app/x/x{suffix}", f"app/x/b{suffix}", f"lib/b{suffix}", "Package.swift", "composer.json"]
    found = edges([File(path, LANGUAGES.get("." + path.rpartition(".")[2], ""), text) for path in listed])
    assert found == sorted(set(found))
    assert all(user != used and 0 <= user < 5 and 0 <= used < 5 for user, used in found)


@pytest.mark.parametrize(
    "manifest",
    [
        "[" * 100_000,
        '{"autoload": ' * 50_000,
        '{"autoload": {"psr-4": [1]}}',
        '{"autoload": {"psr-4": {"A": {"b": 1}}}}',
        "[]",
        "\x00",
    ],
)
def test_a_manifest_that_is_none_says_nothing(manifest):
    files = {"composer.json": manifest, "a.php": "<?php new B;", "b.php": "<?php class B {}"}
    assert edges_of(files) == {("a.php", "b.php")}


@pytest.mark.parametrize("suffix", [s for s in SUFFIXES if s not in (".java", ".rb")])
def test_ten_thousand_files_in_a_cycle(suffix):
    opening = "<?php " if suffix == ".php" else ""
    files = {f"m{n}{suffix}": f"{opening}class M{n} {{ M{(n + 1) % 10_000} m }}" for n in range(10_000)}
    assert len(edges_of(files)) == 10_000


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_ten_thousand_files_that_declare_and_use_one_name(suffix):
    """Pairs of files would be a hundred million here."""
    text = {
        ".rb": "require 'util'",
        ".php": "<?php class Util {} new Util;",
        ".cs": "partial class Util {} class A : Util {}",
    }
    files = {}
    for n in range(5_000):
        files[f"lib/d{n % 70}/e{n}/util{suffix}"] = text.get(suffix, "class Util {}")
        files[f"lib/d{n % 70}/e{n}/main{suffix}"] = text.get(suffix, "class Main { Util u }")
    edges_of(files)


def test_a_file_that_names_a_hundred_thousand_types():
    names = [f"N{n}" for n in range(100_000)]
    for suffix, join in ((".cs", "; "), (".kt", "\n"), (".scala", "\n"), (".swift", "\n")):
        text = join.join(f"{'x : ' if suffix == '.swift' else ''}{name} a" for name in names)
        used = {".cs": "class N7 {}"}.get(suffix, "class N7")
        assert edges_of({f"a{suffix}": text, f"b{suffix}": used}) == {(f"a{suffix}", f"b{suffix}")}
