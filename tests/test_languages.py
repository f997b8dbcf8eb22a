import importlib.metadata
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pygments.lexers import get_lexer_for_filename
from pygments.util import ClassNotFound
from tree_sitter_language_pack import get_parser

from repoloom.languages import HEAD, LANGUAGES, PUBLISHED_87, detect, header, needs_content

# DeepSeek Coder's README, in its order: the names are the contract.
LIST = """
ada agda alloy antlr applescript assembly augeas awk batchfile bluespec c c-sharp clojure cmake coffeescript
common-lisp cpp css cuda dart dockerfile elixir elm emacs-lisp erlang f-sharp fortran glsl go groovy haskell html idris
isabelle java java-server-pages javascript json julia jupyter-notebook kotlin lean literate-agda literate-coffeescript
literate-haskell lua makefile maple markdown mathematica matlab ocaml pascal perl php powershell prolog protocol-buffer
python r racket restructuredtext rmarkdown ruby rust sas scala scheme shell smalltalk solidity sparql sql stan
standard-ml stata systemverilog tcl tcsh tex thrift typescript verilog vhdl visual-basic xslt yacc yaml zig
"""
PUBLISHED = LIST.split()

SITE = Path(str(importlib.metadata.distribution("pygments").locate_file("")))


def test_every_published_language_is_there_and_no_other() -> None:
    assert sorted(LANGUAGES) == sorted(PUBLISHED)
    assert len(LANGUAGES) == 89
    assert len(PUBLISHED_87) == 87


@pytest.mark.parametrize("id", PUBLISHED)
def test_each_language_is_found_by_a_name_of_its_own(id: str) -> None:
    language = LANGUAGES[id]
    assert language.id == id
    own = [e for e in language.extensions if not needs_content(f"x{e}")]
    assert all(detect(f"a/x{extension}", "") is language for extension in own)
    assert own or id in {"maple", "smalltalk", "solidity"}, "no extension of its own; its shared ones are tested below"


@pytest.mark.parametrize("grammar", sorted({x.grammar for x in LANGUAGES.values() if x.grammar}))
def test_grammars_exist_in_the_pack(grammar: str) -> None:
    assert get_parser(grammar).parse(b"x").root_node.type


@pytest.mark.parametrize(
    ("path", "head", "expected"),
    [
        ("src/Makefile", "", "makefile"),
        ("Makefile.linux", "", "makefile"),
        ("docker/Dockerfile", "", "dockerfile"),
        ("Dockerfile.dev", "", "dockerfile"),
        ("Makefile.py", "", "python"),
        ("CMakeLists.txt", "", "cmake"),
        ("FindZ.cmake.in", "", "cmake"),
        ("notes.txt", "", None),
        ("A.PY", "", "python"),
        ("x.C", "", "cpp"),
        ("x.c", "", "c"),
        ("paper.lagda.md", "", "literate-agda"),
        ("types.d.ts", "declare const x: number", "typescript"),
        (".bashrc", "", "shell"),
        (".py", "", None),
        ("", "", None),
        ("run", "#!/usr/bin/env python3.11\n", "python"),
        ("run", "#!/usr/bin/env -S uv run --script\n", "python"),
        ("run", "#! /bin/sh -e\n", "shell"),
        ("run", "#!/usr/bin/perl5.36\n", "perl"),
        ("run", "#!/usr/bin/env -S FOO=1 node\n", "javascript"),
        ("run", "#!/usr/bin/env", None),
        ("run", "#!", None),
        ("run", "import os", None),
        ("configure.ac", "#!/bin/sh\n", "shell"),
        ("x.h", "#ifndef X_H\n#define X_H\nint f(struct s *p);\n#endif\n", "c"),
        ("x.h", "#pragma once\n#include <vector>\nint f();\n", "cpp"),
        ("x.h", "namespace a {\nint f();\n}\n", "cpp"),
        ("x.h", "#pragma once\nstruct A { std::string s; };\n", "cpp"),
        ("x.h", "#import <Foundation/Foundation.h>\n@interface A\n@end\n", None),
        ("x.m", "function y = f(x)\n  y = x;\nend\n", "matlab"),
        ("x.m", "#import \"A.h\"\n@implementation A\n@end\n", None),
        ("x.m", "(* ::Package:: *)\nBeginPackage[\"A`\"]\n", "mathematica"),
        ("x.pl", "use strict;\nmy $x = 1;\n", "perl"),
        ("x.pl", ":- module(a, [b/1]).\nb(X) :- c(X).\n", "prolog"),
        ("x.t", "use Test::More tests => 1;\n", "perl"),
        ("x.t", "% Turing\nput \"hello\"\n", None),
        ("x.v", "`timescale 1ns/1ps\nmodule m(input a);\nendmodule\n", "verilog"),
        ("x.v", "Require Import List.\nTheorem t : True.\nProof. trivial. Qed.\n", None),
        ("x.ts", "export const a: number = 1;\n", "typescript"),
        ("x.ts", "<?xml version=\"1.0\"?>\n<!DOCTYPE TS>\n<TS version=\"2.1\">\n", None),
        ("x.cls", "% a class\n\\NeedsTeXFormat{LaTeX2e}\n", "tex"),
        ("x.cls", "VERSION 1.0 CLASS\nBEGIN\n", "visual-basic"),
        ("x.cls", "public with sharing class A { }\n", None),
        ("x.ml", "let rec f x = match x with [] -> 0 | _ -> 1\n", "ocaml"),
        ("x.ml", "structure S = struct\n  fun f x = x\nend\n", "standard-ml"),
        ("x.fs", "module A\nlet x = 1\n", "f-sharp"),
        ("x.fs", "#version 330\nvoid main() {}\n", "glsl"),
        ("x.inc", "<?php echo 1;", "php"),
        ("x.inc", "#define X 1\n", "cpp"),
        ("x.inc", "; macros\n%macro a 1\n", "assembly"),
        ("x.sol", "pragma solidity ^0.8.0;\ncontract A {}\n", "solidity"),
        ("x.sol", "G04 gerber*\n%FSLAX46Y46*%\n", None),
        ("x.mpl", "f := proc(x) local y; y := x; end proc:\n", "maple"),
        ("x.mpl", "<model/>\n", None),
        ("x.st", "PROGRAM main\nVAR_INPUT\nEND_VAR\n", None),
        ("x.st", "Object subclass: #A\n", "smalltalk"),
        ("x.sql", "SELECT 1;", "sql"),
        ("x.r", "x <- 1\n", "r"),
        ("x.cgi", "#!/usr/bin/python\n", "python"),
        ("x.y", "%{\n#include <stdio.h>\n%}\n%token A\n%%\n", "yacc"),
    ],
)  # fmt: skip
def test_detect(path: str, head: str, expected: str | None) -> None:
    language = detect(path, head)
    assert (language and language.id) == expected


# Pygments knows the same languages under its own names; labels it gives to dialects are mapped to the published one.
PYGMENTS = {
    "python": "python", "c": "c", "c++": "cpp", "cuda": "cuda", "javascript": "javascript", "css": "css",
    "json": "json", "yaml": "yaml", "cmake": "cmake", "markdown": "markdown", "restructuredtext": "restructuredtext",
    "xslt": "xslt", "html": "html", "fortran": "fortran", "perl": "perl", "scheme": "scheme", "thrift": "thrift",
    "rust": "rust", "java": "java", "go": "go", "typescript": "typescript", "lua": "lua", "haskell": "haskell",
}  # fmt: skip


def test_agrees_with_pygments_on_the_files_of_this_environment() -> None:
    compared, other = 0, []
    for file in sorted(SITE.rglob("*.*")):
        if not file.is_file() or file.suffix in {".pyc", ".so", ".h", ".py"}:
            continue
        try:
            lexer = get_lexer_for_filename(file.name)
        except ClassNotFound:
            continue
        expected = PYGMENTS.get(lexer.name.lower())
        if expected is None:
            continue
        with file.open("rb") as stream:
            language = detect(str(file.relative_to(SITE)), stream.read(HEAD).decode("utf-8", "ignore"))
        compared += 1
        if (language and language.id) != expected:
            other.append((str(file.relative_to(SITE)), expected, language and language.id))
    assert compared > 100
    assert len(other) <= compared * 0.02, other


def test_headers_of_a_c_library_are_c_and_those_of_a_cpp_library_mostly_cpp() -> None:
    def share(folder: str, id: str) -> float:
        heads = {f: f.read_text("utf-8", "ignore")[:HEAD] for f in (SITE / folder).rglob("*.h")}
        if len(heads) < 10:
            pytest.skip(f"{folder} is not installed here")
        found = [detect(str(file), head) for file, head in heads.items()]
        return sum(language is not None and language.id == id for language in found) / len(found)

    assert share("numpy/_core/include", "c") > 0.9
    assert share("pyarrow/include/arrow", "cpp") > 0.85


def test_header_is_one_comment_line() -> None:
    assert header("a/b.py", LANGUAGES["python"]) == "# a/b.py\n"
    assert header("a/b.c", LANGUAGES["c"]) == "// a/b.c\n"
    assert header("a.html", LANGUAGES["html"]) == "<!-- a.html -->\n"
    assert header("a.json", LANGUAGES["json"]) == "// a.json\n"


@given(st.text(), st.sampled_from(sorted(LANGUAGES)))
def test_header_holds_any_name(path: str, id: str) -> None:
    language = LANGUAGES[id]
    line = header(path, language)
    assert line.endswith("\n")
    assert len(line.splitlines()) == 1
    line.encode("utf-8")
    if not language.line_comment and language.block_comment:
        opening, closing = language.block_comment
        inside = line.removeprefix(opening).removesuffix(f"{closing}\n")
        assert closing not in inside


@given(st.text(), st.text())
def test_detect_takes_anything(path: str, head: str) -> None:
    language = detect(path, head)
    assert language is None or language.id in LANGUAGES
    if not needs_content(path):
        assert detect(path, "") is language


@pytest.mark.parametrize(
    "filler", ["\n", " ", "a", "(", "a(", "a(\n", "!", "a[", "a_", "_,", "class ", "* ", "\t\n", "{ ", "#", "%", '"']
)
def test_no_content_makes_a_rule_slow(filler: str) -> None:
    head = (filler * HEAD)[:HEAD]
    ambiguous = {f"x{e}" for x in LANGUAGES.values() for e in x.extensions if needs_content(f"x{e}")}
    for path in ["x", *sorted(ambiguous)]:
        started = time.perf_counter()
        detect(path, head)
        assert time.perf_counter() - started < 0.5, path
