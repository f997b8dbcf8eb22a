import importlib.metadata
import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pygments.lexers import get_lexer_for_filename
from pygments.util import ClassNotFound
from tree_sitter_language_pack import get_parser

import repoloom
from repoloom.languages import HEAD, LANGUAGES, PUBLISHED_87, detect, extension_of, header, needs_content

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

TABLE = tomllib.loads(Path(repoloom.__file__).with_name("languages.toml").read_text("utf-8"))
SITE = Path(str(importlib.metadata.distribution("pygments").locate_file("")))


def test_every_published_language_is_there_and_no_other() -> None:
    assert sorted(LANGUAGES) == sorted([*PUBLISHED, "swift"])
    assert len(LANGUAGES) == 90
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


BY_NAME = [
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
    ("tool", "#!/bin/sh\n# the next line is Tcl's comment \\\nexec tclsh \"$0\" ${1+\"$@\"}\n", "tcl"),
    ("tool", "#!/bin/sh\nexec python3 -m tool \"$@\"\n", "shell"),
    ("tool", "#!/usr/bin/env perl6\n", None),
    ("vector", "// <vector> -*- C++ -*-\n", "cpp"),
    ("ChangeLog", "-*- coding: utf-8 -*-\n", None),
    ("rules", "# vim: set ts=4 ft=make:\n", "makefile"),
    ("facts.pl", "% -*- mode: prolog; coding: utf-8 -*-\nf(x).\n", "prolog"),
    ("facts.pl", "#!/usr/bin/env swipl\nmy $x = 1;\n", "prolog"),
    ("cli.ts", "#!/usr/bin/env node\nexport {};\n", "typescript"),
    ("Makefile.inc", "", "makefile"),
    ("a.d", "foo.o: foo.c\n", None),
    ("a.mod", "MODULE A;\n", None),
    ("a.gd", "extends Node\n", None),
    ("a.as", "package {}\n", None),
    ("a.tst", "gap> 1;\n", None),
]  # fmt: skip
# Every extension that several languages share, with a case for each answer that its rules can give.
BY_CONTENT = [
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
    ("x.h", "#ifdef __OBJC__\n@class A;\n#endif\nvoid f(void);\n", "c"),
    ("x.h", "/* see A::b */\n * c::d()\nvoid f(void);\n", "c"),
    ("x.h", "extern \"C\" {\nint f();\n}\n", "cpp"),
    ("x.h", "#ifdef __cplusplus\nextern \"C\" {\n#endif\nint f();\n", "c"),
    ("x.h", "/* */\nint f(const A& a);\n", "cpp"),
    ("x.h", "#pragma once\n#include <QString>\n", "cpp"),
    ("x.h", "// Copyright\n#include \"a/b.h\"\nint f();\n", "cpp"),
    ("x.h", "// Copyright\nstruct a { int x; };\nint f(void);\n", "c"),
    ("x.h.in", "#undef HAVE_X\n", "c"),
    ("x.h.in", "namespace a {}\n", "cpp"),
    ("x.h.in", "@interface A\n@end\n", None),
    ("x.hh", "#pragma once\n", "cpp"),
    ("x.hh", "<?hh // strict\n", None),
    ("x.cp", "#include <a>\n", "cpp"),
    ("x.cp", "MODULE A;\n", None),
    ("x.m", "EN ; start\n S X=1\n", None),
    ("x.m", "% vim: ts=4 ft=mercury\n", None),
    ("x.m", "x = 1;\n", "matlab"),
    ("x.pl", "use v6;\nsay 1;\n", None),
    ("x.pm", "package A;\n1;\n", "perl"),
    ("x.pm", "unit class A;\n", None),
    ("x.pm", "/* XPM */\n", None),
    ("x.t", "use v6;\nuse Test;\nplan 1;\n", None),
    ("x.al", "package A;\nsub f { }\n", "perl"),
    ("x.al", "table 50100 Item\n{\n", None),
    ("x.cgi", "use CGI;\n", "perl"),
    ("x.cgi", "<?php echo 1;\n", "php"),
    ("x.cgi", "ELF", None),
    ("x.fcgi", "use strict;\n", "perl"),
    ("x.fcgi", "<?php\n", "php"),
    ("x.fcgi", "", None),
    ("x.pro", ":- use_module(library(lists)).\n", "prolog"),
    ("x.pro", "QT += core\nSOURCES = main.cpp\n", None),
    ("x.pro", "pro f, x\n  compile_opt idl2\nend\n", None),
    ("x.plt", ":- begin_tests(a).\n", "prolog"),
    ("x.plt", "set terminal png\nplot 'a' using 1:2\n", None),
    ("x.v", "module main\n\nfn main() {\n\tprintln('a')\n}\n", None),
    ("x.v", "module top\n(\n  input a\n);\nendmodule\n", "verilog"),
    ("x.tsx", "export const A = () => <a/>;\n", "typescript"),
    ("x.tsx", "<?xml version=\"1.0\"?>\n<tileset/>\n", None),
    ("x.rs", "fn main() {}\n", "rust"),
    ("x.rs", "#pragma version(1)\n#pragma rs java_package_name(a)\n", None),
    ("x.r", "REBOL [Title: \"a\"]\n", None),
    ("x.r", "#include \"Types.r\"\nresource 'DITL' (1) {\n", None),
    ("x.inc", "<div class=\"a\">\n", "html"),
    ("x.inc", "      COMMON /A/ X, Y\n      REAL X\n", "fortran"),
    ("x.inc", "{ constants }\nprocedure F(a: Integer);\n", "pascal"),
    ("x.inc", "native Float:f(x);\n#define X 1\n", None),
    ("x.inc", "SUMMARY = \"a\"\nrequire b.inc\n", None),
    ("x.frm", "VERSION 5.00\nBegin VB.Form A\n", "visual-basic"),
    ("x.frm", "\xfe\x01", None),
    ("x.ctl", "VERSION 5.00\n", "visual-basic"),
    ("x.ctl", "LOAD DATA\n", None),
    ("x.dsr", "VERSION 5.00\n", "visual-basic"),
    ("x.dsr", "a\n", None),
    ("x.bas", "Attribute VB_Name = \"A\"\n", "visual-basic"),
    ("x.bas", "#include once \"a.bi\"\ndim shared as integer x\n", None),
    ("x.bas", "10 PRINT 1\n20 GOTO 10\n", None),
    ("x.vbs", "Dim x\nWScript.Echo x\n", "visual-basic"),
    ("x.vbs", "10 PRINT 1\n", None),
    ("x.vba", "Sub A()\nEnd Sub\n", "visual-basic"),
    ("x.vba", "\" Vimball Archiver\nUseVimball\nfinish\n", None),
    ("x.sig", "signature S = sig\nend\n", "standard-ml"),
    ("x.sig", "-----BEGIN PGP SIGNATURE-----\n", None),
    ("x.fun", "functor F (A : S) = struct end\n", "standard-ml"),
    ("x.fun", "fn main\n", None),
    ("x.fs", ": square ( n -- n ) dup * ;\n", None),
    ("x.vs", "attribute vec3 a;\nvoid main() {}\n", "glsl"),
    ("x.vs", "a\n", None),
    ("x.fp", "uniform vec3 a;\n", "glsl"),
    ("x.fp", "a\n", None),
    ("x.gsh", "#version 330\n", "glsl"),
    ("x.gsh", "#insert scripts\\shared\\a.gsh;\n", None),
    ("x.frag", "void main() {}\n", "glsl"),
    ("x.frag", "(function () {\nvar a = 1;\n", "javascript"),
    ("x.gs", "function onOpen() {\n}\n", "javascript"),
    ("x.gs", "#version 330\nlayout(points) in;\n", "glsl"),
    ("x.gs", "uses java.util.List\nclass A {\n", None),
    ("x.cs", "namespace A { class B {} }\n", "c-sharp"),
    ("x.cs", "!A methodsFor: 'b'!\n", "smalltalk"),
    ("x.cs", "#lang scheme\n", None),
    ("x.cake", "var target = Argument(\"target\", \"Default\");\n", "c-sharp"),
    ("x.cake", "task 'build', 'b', ->\n", "coffeescript"),
    ("x.cl", "(defun f (x) x)\n", "common-lisp"),
    ("x.cl", "__kernel void f(__global int *a) {}\n", None),
    ("x.lsp", "(defun f () 1)\n", "common-lisp"),
    ("x.lsp", "<% a %>\n", None),
    ("x.sexp", "(defpackage a)\n", "common-lisp"),
    ("x.sexp", "((a b))\n", None),
    ("x.l", "(defun f () 1)\n", "common-lisp"),
    ("x.l", "%{\n#include <a.h>\n%}\n%%\n", None),
    ("x.lisp", "(defun f () 1)\n", "common-lisp"),
    ("x.lisp", "(context 'A)\n(define (f x) x)\n", None),
    ("x.es", "export default 1;\n", "javascript"),
    ("x.es", "-module(a).\n", "erlang"),
    ("x.es", "a\n", None),
    ("x.ex", "defmodule A do\nend\n", "elixir"),
    ("x.ex", "include std/io.e\nprocedure main()\nend procedure\n", None),
    ("x.f", "      PROGRAM A\n      END\n", "fortran"),
    ("x.f", ": square dup * ;\n", None),
    ("x.for", "      PROGRAM A\n", "fortran"),
    ("x.for", "1.0 2.0\n3.0 4.0\n", None),
    ("x.fpp", "      PROGRAM A\n", "fortran"),
    ("x.fpp", "module A {\n  passive component B {\n", None),
    ("x.g", "grammar A;\na : 'b' ;\n", "antlr"),
    ("x.g", "f := function(x) return x; end;\n", None),
    ("x.pp", "unit A;\ninterface\n", "pascal"),
    ("x.pp", "class a::b {\n  package { 'c': ensure => present }\n}\n", None),
    ("x.sc", "import a.b\nobject A\n", "scala"),
    ("x.sc", "println(1)\n", "scala"),
    ("x.sc", "A : B {\n\tvar <>c;\n\t*new { |d| ^super.new }\n}\n", None),
    ("x.y", "/* a */\n", None),
    ("x.y", "{\"a\": 1}\n", "json"),
    ("x.yy", "%token A\n%%\n", "yacc"),
    ("x.yy", "{\n  \"id\": \"1\"\n}\n", "json"),
    ("x.yy", "a\n", None),
    ("x.scm", "(define (f x) x)\n", "scheme"),
    ("x.scm", "(comment) @comment\n", None),
    ("x.sls", "(library (a b)\n", "scheme"),
    ("x.sls", "vim:\n  pkg.installed\n", None),
    ("x.sch", "(define a 1)\n", "scheme"),
    ("x.sch", "EESchema Schematic File Version 2\n", None),
    ("x.nas", "section .text\nglobal main\n", "assembly"),
    ("x.nas", "var f = func { return 1; }\n", None),
    ("x.nb", "Notebook[{\n", "mathematica"),
    ("x.nb", "a\n", None),
    ("x.mt", "Needs[\"A`\"]\n", "mathematica"),
    ("x.mt", "a\n", None),
    ("x.nbp", "(* a *)\n", "mathematica"),
    ("x.nbp", "a\n", None),
    ("x.do", "clear all\nuse a.dta\n", "stata"),
    ("x.do", "<html>\n", None),
    ("x.tag", "<%@ tag body-content=\"empty\" %>\n", "java-server-pages"),
    ("x.tag", "a\n", None),
    ("x.command", "#!/bin/bash\n", "shell"),
    ("x.command", "#!/usr/bin/env python3\n", "python"),
    ("x.command", "a\n", None),
    ("x.cmd", "@echo off\n", "batchfile"),
    ("x.cmd", "/* Rexx */\nsay 'a'\n", None),
    ("x.pls", "create or replace package a as\n", "sql"),
    ("x.pls", "[playlist]\nFile1=a\n", None),
    ("x.tm", "package provide a 1\n", "tcl"),
    ("x.tm", "<TeXmacs|1.99>\n", None),
    ("x.pluginspec", "Plugin.define\n", "ruby"),
    ("x.pluginspec", "<?xml version=\"1.0\"?>\n", None),
    ("x.php", "<?php echo 1;\n", "php"),
    ("x.php", "<?hh // strict\n", None),
    ("x.blade.php", "@extends('a')\n", None),
    ("x.antlers.php", "{{ a }}\n", None),
    ("x.antlers.html", "{{ a }}\n", None),
    ("x.md", "# Title\n", "markdown"),
    ("x.md", ";; GCC\n(define_insn \"a\"\n", None),
    ("x.yaml", "a:\n  b: 1\n", "yaml"),
    ("x.yaml", "A:\n\tB: 1\n", None),
    ("x.yml", "a: 1\n", "yaml"),
    ("x.yml", "A:\n\tB: 1\n", None),
]  # fmt: skip


@pytest.mark.parametrize(("path", "head", "expected"), BY_NAME + BY_CONTENT)
def test_detect(path: str, head: str, expected: str | None) -> None:
    language = detect(path, head)
    assert (language and language.id) == expected


@pytest.mark.parametrize("entry", TABLE["ambiguous"], ids=lambda entry: entry["extensions"][0])
def test_every_answer_of_a_shared_extension_has_a_case(entry: dict) -> None:
    answers = {language or None for language, _ in entry["rules"]} | {entry["otherwise"] or None}
    for extension in entry["extensions"]:
        assert answers <= {expected for path, _, expected in BY_CONTENT if extension_of(path) == extension}, extension


def test_extensions_that_two_languages_list_are_decided_by_rules() -> None:
    counted = Counter(extension for table in LANGUAGES.values() for extension in table.extensions)
    shared = {extension for extension, count in counted.items() if count > 1}
    assert shared <= {extension for entry in TABLE["ambiguous"] for extension in entry["extensions"]}
    names = Counter(name for table in LANGUAGES.values() for name in table.filenames + table.interpreters)
    assert names.most_common(1)[0][1] == 1


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


# Their grammars know no such comment (asm: the assembler of one machine; the XML one wants an element after it), or
# the language has none where a file begins: prose, and PHP before its `<?php`.
WITHOUT_COMMENT = {"assembly", "markdown", "php", "powershell", "rmarkdown", "xslt"}


@pytest.mark.parametrize("id", sorted(x.id for x in LANGUAGES.values() if x.grammar and x.id not in WITHOUT_COMMENT))
def test_header_is_a_comment_to_the_grammar_of_its_language(id: str) -> None:
    language = LANGUAGES[id]
    line = header("src/a b.c'(d).x", language)
    root = get_parser(language.grammar).parse(line.encode()).root_node
    assert not root.has_error
    nodes = [root, *root.children, *(grandchild for child in root.children for grandchild in child.children)]
    assert any("comment" in node.type and line.strip() in node.text.decode() for node in nodes)


def test_only_json_has_no_comments() -> None:
    assert {x.id for x in LANGUAGES.values() if not x.line_comment and not x.block_comment} == {
        "json",
        "jupyter-notebook",
    }


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


FILLERS = (
    "\n", " ", "a", "(", "a(", "a(\n", "!", "a[", "a_", "_,", "class ", "* ", "\t\n", "{ ", "#", "%", '"', "a::", "<",
    "//", "-*-", "vim:", "const a", ";\n", ") ", "A ", "a.", "*)", "1.", "a, ", "=>", "a = ", "module a\n", "end ",
)  # fmt: skip


@pytest.mark.timeout(120)  # a quadratic one would take minutes
@pytest.mark.parametrize("filler", FILLERS)
def test_every_pattern_takes_linear_time(filler: str) -> None:
    head = (filler * 100_000)[:100_000]
    for entry in TABLE["ambiguous"]:
        for _, pattern in entry["rules"]:
            re.search(pattern, head, re.MULTILINE)


@pytest.mark.timeout(120)  # a quadratic one would take minutes
@pytest.mark.parametrize("filler", FILLERS)
def test_no_head_takes_long(filler: str) -> None:
    extensions = {extension for entry in TABLE["ambiguous"] for extension in entry["extensions"]}
    for start in ("", "#!/usr/bin/env ", "-*- mode: "):
        head = start + filler * HEAD * 10
        for path in ["x", *(f"x{extension}" for extension in sorted(extensions))]:
            detect(path, head)
