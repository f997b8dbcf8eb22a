"""Go edges: hand-labelled modules, with and without their go.mod."""

import pytest
from import_cases import edges_of

from repoloom.curate.imports.go import extract

TEXTS = [
    ('package a\nimport "fmt"\n', ["fmt"]),
    ('package a; import ("fmt"; x "a.b/c")', ["fmt", "a.b/c"]),
    (
        '// Copyright\n\n/* a\nimport "no" */\n//go:build linux\npackage a\n\n'
        'import (\n\t"fmt" // "no"\n\n\t. "a.b/c"\n\t_ `d`\n)\n',
        ["fmt", "a.b/c", "d"],
    ),
    ('package a\nimport "C"\nimport "b"\nvar s = `\nimport "no"\n`\n', ["C", "b"]),
    ('package a\nfunc f() {}\nimport "no"\n', []),
    ("\ufeffpackage a\nimport \"b\"", ["b"]),
    ("", []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), TEXTS, ids=range(len(TEXTS)))
def test_the_imports_of_the_head_are_read(text, expected):
    assert extract(text) == expected


MODULE = {
    "go.mod": "module git.corp.example/team/tool/v2 // moved\n\ngo 1.21\n",
    "main.go": 'package main\nimport (\n"fmt"\n"git.corp.example/team/tool/v2/store"\n"github.com/pkg/errors"\n)\n',
    "store/store.go": 'package store\nimport "git.corp.example/team/tool/v2/internal/wire"\n',
    "store/cache.go": "package store\n",
    "store/store_test.go": 'package store_test\nimport "git.corp.example/team/tool/v2/store"\n',
    "internal/wire/wire.go": 'package wire\nimport "encoding/json"\n',
    "json/json.go": "package json\n",
    "vendor/github.com/pkg/errors/errors.go": "package errors\n",
    "api/go.mod": "module git.corp.example/team/api\n",
    "api/v1/types.go": 'package v1\nimport "git.corp.example/team/tool/v2"\n',
}
EXPECTED = {
    ("main.go", "store/store.go"),
    ("main.go", "store/cache.go"),
    ("main.go", "vendor/github.com/pkg/errors/errors.go"),
    ("store/store.go", "internal/wire/wire.go"),
    ("store/store_test.go", "store/store.go"),
    ("store/store_test.go", "store/cache.go"),
    ("api/v1/types.go", "main.go"),
}


def test_an_import_of_a_package_is_an_edge_to_its_files():
    assert edges_of(MODULE) == EXPECTED


def test_without_go_mod_the_module_path_is_guessed_from_what_finds_a_folder():
    bare = {path: text for path, text in MODULE.items() if not path.endswith("go.mod")}
    assert edges_of(bare) == EXPECTED


def test_a_foreign_module_with_a_folder_of_the_same_name_is_not_taken_for_our_own():
    files = {f"pkg/p{n}/p.go": f'package p\nimport "a.b/own/pkg/p{n + 1}"\n' for n in range(5)}
    files |= {"pkg/p5/p.go": 'package p\nimport ("c.d/other/errors"; "c.d/other/log"; "c.d/other/web")\n'}
    files |= {"errors/errors.go": "package errors\n"}
    assert edges_of(files) == {(f"pkg/p{n}/p.go", f"pkg/p{n + 1}/p.go") for n in range(5)}
