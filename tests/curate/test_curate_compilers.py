import shutil

import pytest

from repoloom.curate import compilers
from repoloom.curate.compilers import Opinion, agreement, missing, opinions
from repoloom.curate.screen import syntax
from repoloom.errors import UserError
from repoloom.sandbox import bubblewrap, probe

PROGRAMS = {
    "c": "gcc",
    "cpp": "g++",
    "java": "javac",
    "go": "gofmt",
    "javascript": "node",
    "php": "php",
    "rust": "rustc",
}
RIGHT = {
    "c": ["#include <gone.h>\nint f(unknown_t *x) { return x->y; }\n", "#error no\nint x;\n"],
    "cpp": ["#include <gone>\nstruct A : gone::B { void f() override { g(); } };\n"],
    "java": ["package a; import gone.B; public class C extends B { int f() { return x.y; } }\n"],
    "go": ['package a\n\nimport "gone/b"\n\nfunc f() { b.C() }\n'],
    "javascript": [
        "#!/usr/bin/env node\nconst a = require('gone'); return a?.b\n",
        "import a from 'gone';\nexport const b = await a();\n",
    ],
    "php": ["<?php namespace A; use Gone\\B; echo gone(new B)->c;\n"],
    "rust": [
        "#![feature(gone)]\n//! Words.\nmod gone;\nuse gone::a;\nfn f() -> a::B { a::c!() }\n",
        "#!/x\nfn f() {}\n",
    ],
}
WRONG = {
    "c": ["int f(int x) { return x;\n", "int x;\n#ifdef A\n", "/* int x;\n"],
    "cpp": ["namespace a { int x;\n", "int f() { return 1;\n"],
    "java": ["class A { int f() { return 1; }\n", "class A { int f( { } }\n"],
    "go": ["package a\n\nfunc f() {\n", "package a\nx := 1\n"],
    "javascript": ["const a = ;\n", "import a from;\n", "function f() {\n"],
    "php": ["<?php echo (1;\n", "<?php function f() {\n"],
    "rust": ["fn f() {\n", "fn f() { let x = ; }\n"],
}


@pytest.fixture(autouse=True)
def sandbox() -> None:
    if (reason := probe().reason) is not None:
        pytest.skip(f"no sandbox: {reason}")


@pytest.mark.parametrize("language", sorted(PROGRAMS))
def test_only_syntax_is_an_error(language: str) -> None:
    program = PROGRAMS[language]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    files = [(language, "a", text) for text in (*RIGHT[language], *WRONG[language])]
    found = opinions(files)
    assert [opinion is not None and opinion.ok for opinion in found] == [
        *(True for _ in RIGHT[language]),
        *(False for _ in WRONG[language]),
    ], found
    assert all(opinion and opinion.tool == program for opinion in found)
    assert all(opinion and opinion.message and "\n" not in opinion.message for opinion in found[len(RIGHT[language]) :])
    # And the screen says the same of these files.
    said = [syntax(*file) is None for file in files]
    assert [said[n] for n in range(len(files)) if files[n][2] != "package a\nx := 1\n"] == [
        opinion is not None and opinion.ok
        for file, opinion in zip(files, found, strict=True)
        if file[2] != "package a\nx := 1\n"
    ]


def test_files_keep_their_place_among_languages_batches_and_names(monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("gofmt") is None or shutil.which("node") is None:
        pytest.skip("gofmt or node is not installed")
    monkeypatch.setattr(compilers, "BATCH", 3)
    files = []
    for number in range(10):
        files.append(("go", f"a b\n{number}.go", WRONG["go"][0] if number % 3 else RIGHT["go"][0]))
        files.append(("javascript", "-e.js", WRONG["javascript"][0] if number % 2 else RIGHT["javascript"][0]))
        files.append(("agda", "a.agda", "x"))
        files.append(("javascript", "a.jsx", "const a = <p/>;"))
    found = opinions(files)
    assert [opinion and opinion.ok for opinion in found] == [
        *(answer for number in range(10) for answer in (number % 3 == 0, number % 2 == 0, None, None))
    ]


def test_a_source_cannot_write_its_neighbours_opinion() -> None:
    if shutil.which("php") is None and shutil.which("node") is None:
        pytest.skip("neither php nor node is installed")
    language, text = (
        ("javascript", "throw '\0001.js\0no\0'; const a = ;")
        if shutil.which("node")
        else ("php", "<?php \0001.php\0 (")
    )
    found = opinions([(language, "a", text), (language, "b", RIGHT[language][0])])
    assert [opinion and opinion.ok for opinion in found] == [False, True]


def test_nothing_of_a_file_is_run() -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    texts = ["process.exit(3)\n", "while (true) {}\n", "console.log('\\0001.js\\0no\\0')\n", "throw 1\n"]
    assert opinions([("javascript", "a.js", text) for text in texts]) == [Opinion("node", True)] * 4


def test_what_does_not_end_has_no_opinion_and_costs_no_other_file(monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("gofmt") is None:
        pytest.skip("gofmt is not installed")
    run = bubblewrap.run

    def slow(command, limits, **rest):  # type: ignore[no-untyped-def]
        # The real gofmt, in a sandbox that sleeps first where the third file is among those asked about.
        words = ["/bin/sh", "-c", 'sleep 9; "$@"', "sh", *command] if "/files/2.go" in command else command
        return run(words, compilers.Limits(seconds=1.5, memory_bytes=1 << 40, processes=256), **rest)

    monkeypatch.setattr(bubblewrap, "run", slow)
    found = opinions([("go", "a.go", WRONG["go"][0] if number == 3 else RIGHT["go"][0]) for number in range(4)])
    assert [opinion and opinion.ok for opinion in found] == [True, True, None, False]


def test_a_tool_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilers, "_place", lambda program: None)
    assert missing(["go", "c", "agda", "go"]) == [
        "gcc is not installed: no second opinion from it",
        "gofmt is not installed: no second opinion from it",
    ]
    assert opinions([("go", "a.go", "package a\n")]) == [None]


def test_without_a_sandbox_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "missing", lambda: "install bubblewrap")
    with pytest.raises(UserError, match="install bubblewrap"):
        opinions([("go", "a.go", "package a\n")])


def test_agreement_counts_every_file_that_has_an_opinion() -> None:
    yes, no = Opinion("gofmt", True), Opinion("gofmt", False, "x")
    rows = [("go", True, yes)] * 5 + [("go", False, no)] * 4 + [("go", False, yes)] * 3 + [("go", True, no)] * 2
    (row,) = agreement([*rows, ("go", True, None), ("agda", True, None)])
    assert (row.language, row.files, row.both_pass, row.both_fail) == ("go", 14, 5, 4)
    assert (row.screen_fails, row.compiler_fails) == (3, 2)
