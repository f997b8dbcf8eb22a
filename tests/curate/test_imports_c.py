"""C and C++ edges: cases one by one, then real headers against the dependencies that g++ -M prints."""

import importlib.util
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
from import_cases import edges_of, read, scores

from repoloom.curate.imports.c import extract

TEXTS = [
    ('#include "a.h"\n#include <b/c.h>', [("a.h", True), ("b/c.h", False)]),
    ('  #  include\t"a.h" // why', [("a.h", True)]),
    ('#include"a.h"\r\n#include<b.h>\r\n', [("a.h", True), ("b.h", False)]),
    ('/* #include "a.h" */\n/*\n#include "a.h"\n*/\n#include "b.h"', [("b.h", True)]),
    ('// #include "a.h"\n// on \\\n#include "a.h"\n', []),
    ('const char *s = "\\\n#include \\"a.h\\"\n";', []),
    ("auto s = R\"x(\n#include \"a.h\"\n)\" )x\";\n#include \"b.h\"", [("b.h", True)]),
    ("int n = 1'000'000; char c = '\"';\n#include \"a.h\"", [("a.h", True)]),
    ("#error don't\n#include \"a.h\"", [("a.h", True)]),
    ('x #include "a.h"', []),
    ("#include MACRO\n#include_next <a.h>\n#includes", []),
    ('#if X\n#include "a.h"\n#else\n#include "b.h"\n#endif', [("a.h", True), ("b.h", True)]),
    ("/* never closed\n#include \"a.h\"", []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), TEXTS, ids=range(len(TEXTS)))
def test_an_include_is_read_and_what_only_looks_like_one_is_not(text, expected):
    assert list(extract(text)) == expected


PROJECT = {
    "CMakeLists.txt": "include_directories(include src)",
    "include/pump/pump.h": "#pragma once\n#include <stddef.h>\n#include <pump/flow.h>\n",
    "include/pump/flow.h": '#pragma once\n#include "detail/rate.h"\n',
    "include/pump/detail/rate.h": "#pragma once\n#include <stdint.h>\n",
    "include/string.h.in": "",
    "src/main.c": '#include <pump/pump.h>\n#include "util/log.h"\n#include <string.h>\nint main(void) { return 0; }\n',
    "src/string.h": "#error this is not the system's string.h\n",
    "src/util/log.h": '#pragma once\n#include "../common.h"\n#include "levels.inc"\n',
    "src/util/levels.inc": "/* LEVEL(debug) */\n",
    "src/common.h": "#pragma once\n#include <stdio.h>\n",
    "src/pump.c": '#include "pump/pump.h"\n#include "common.h"\n/* #include "string.h" */\n',
    "tests/common.h": "#pragma once\n",
    "tests/test_pump.c": '#include "common.h"\n#include <pump/pump.h>\n',
}


def test_a_project_is_resolved_as_its_build_would():
    assert edges_of(PROJECT) == {
        ("include/pump/flow.h", "include/pump/detail/rate.h"),
        ("include/pump/pump.h", "include/pump/flow.h"),
        ("src/main.c", "include/pump/pump.h"),
        ("src/main.c", "src/util/log.h"),
        ("src/pump.c", "include/pump/pump.h"),
        ("src/pump.c", "src/common.h"),
        ("src/util/log.h", "src/common.h"),
        ("src/util/log.h", "src/util/levels.inc"),
        ("tests/test_pump.c", "include/pump/pump.h"),
        ("tests/test_pump.c", "tests/common.h"),
    }


def test_a_system_header_is_never_a_file_of_the_repository():
    repository = {
        "include/time.h": "",
        "include/sys/time.h": "",
        "include/vector": "",
        "lib/cuda.h": "",
        "a.c": '#include <time.h>\n#include <sys/time.h>\n#include <vector>\n#include <cuda.h>\n#include "time.h"\n',
    }
    assert edges_of(repository) == set()
    assert edges_of({**repository, "time.h": ""}) == {("a.c", "time.h")}  # in quotes and beside it: C says so too


def test_a_library_that_its_examples_include_in_angles_is_known_by_its_own_files():
    files = {
        "lib/zip.h": "",
        "lib/zip.c": '#include "zip.h"\n#include <png.h>\n#include <assert.h>\n',
        "lib/assert.h": "",
        "lib/check.c": '#include "assert.h"\n',
        "contrib/png.h": "/* nobody here includes it in quotes: <png.h> is the installed one */",
        "examples/use.c": "#include <zip.h>\n#include <png.h>\n#include <assert.h>\n",
    }
    assert edges_of(files) == {
        ("lib/zip.c", "lib/zip.h"),
        ("lib/check.c", "lib/assert.h"),
        ("examples/use.c", "lib/zip.h"),
    }
    assert edges_of({"/zip.h": "", "a.c": "#include <zip.h>\n"}) == set()


def reached(edges, start):
    seen, stack = {start}, [start]
    while stack:
        here = stack.pop()
        more = {used for user, used in edges if user == here} if isinstance(edges, set) else edges.get(here, set())
        stack += more - seen
        seen |= more
    return seen - {start}


def compiler_says(folder, path, *flags):
    """The files of `folder` that compiling `path` reads, by g++ -M; None where it does not compile alone."""
    command = ["g++", "-std=c++20", "-x", "c++", "-M", *flags, str(folder / path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if done.returncode:
        return None
    named = done.stdout.replace("\\\n", " ").partition(":")[2].split()
    places = [(folder / name).resolve() for name in named]
    root = folder.resolve()
    return {place.relative_to(root).as_posix() for place in places if place.is_relative_to(root)} - {path}


needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")


@needs_compiler
def test_the_project_against_the_compiler(tmp_path):
    for name, text in PROJECT.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "src/string.h").unlink()
    found = edges_of({name: text for name, text in PROJECT.items() if name != "src/string.h"})
    for source in ("src/main.c", "src/pump.c", "tests/test_pump.c"):
        assert reached(found, source) == compiler_says(tmp_path, source, "-Iinclude", "-Isrc"), source


@needs_compiler
def test_real_headers_against_the_compiler():
    """Every third header of c10 that compiles alone. An edge is right where compiling its user reads the used file.

    Both branches of an `#if` count here, as in the paper, and one there: each wrong edge of c10 is such a branch (10 of
    497 over all its headers), and closures multiply them, so closures have a lower floor for precision.
    """
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        pytest.skip("torch is not installed: its headers are the measure")
    folder = Path(spec.origin).parent / "include"
    texts = read(folder, {".h", ".hpp", ".cuh", ".inc"})
    edges = {}
    for user, used in edges_of(texts):
        edges.setdefault(user, set()).add(used)
    direct, confirmed, closures, truth = set(), set(), set(), set()
    python = sysconfig.get_path("include")
    for header in sorted(path for path in texts if path.startswith("c10/") and path.endswith(".h"))[::3]:
        said = compiler_says(folder, header, "-I.", "-Itorch/csrc/api/include", f"-I{python}")
        if said is not None:
            direct |= {(header, used) for used in edges.get(header, ())}
            confirmed |= {(header, used) for used in edges.get(header, set()) & said}
            closures |= {(header, used) for used in reached(edges, header)}
            truth |= {(header, used) for used in said if used in texts}
    precision, recall = scores(closures, truth)
    assert len(truth) > 150
    assert len(confirmed) / len(direct) >= 0.95, sorted(direct - confirmed)
    assert recall >= 0.99, sorted(truth - closures)[:20]
    assert precision >= 0.90, sorted(closures - truth)[:20]
