"""Python edges: cases one by one, then real packages against grimp, which reads them with Python's own parser."""

import importlib.util
from pathlib import Path

import pytest
from import_cases import edges_of, read, scores

from repoloom.curate.imports.python import Import, extract

STATEMENTS = [
    ("import a", [Import(0, ("a",), None)]),
    ("import a.b as c, d  # and e", [Import(0, ("a", "b"), None), Import(0, ("d",), None)]),
    ("from a.b import c", [Import(0, ("a", "b"), "c")]),
    ("from . import x", [Import(1, (), "x")]),
    ("from .import x", [Import(1, (), "x")]),
    ("from.a import(x)", [Import(1, ("a",), "x")]),
    ("from ... import x as y, z", [Import(3, (), "x"), Import(3, (), "z")]),
    ("from ..a.b import *", [Import(2, ("a", "b"), None)]),
    ("from a import*", [Import(0, ("a",), None)]),
    ("from important import ports", [Import(0, ("important",), "ports")]),
    ("from a import (\n    b,  # the ) one\n    c as d,\n)\n", [Import(0, ("a",), "b"), Import(0, ("a",), "c")]),
    ("from a import b, \\\n    c\n", [Import(0, ("a",), "b"), Import(0, ("a",), "c")]),
    ("from a import b, \\\r\n    c\r\n", [Import(0, ("a",), "b"), Import(0, ("a",), "c")]),
    ("import a, \\\n    b\n", [Import(0, ("a",), None), Import(0, ("b",), None)]),
    ("x = 1; import a; from b import c", [Import(0, ("a",), None), Import(0, ("b",), "c")]),
    ("try: import a\nexcept ImportError: import b", [Import(0, ("a",), None), Import(0, ("b",), None)]),
    ("if True:\n\timport a", [Import(0, ("a",), None)]),
    ("import a\rimport b", [Import(0, ("a",), None), Import(0, ("b",), None)]),
    ("import größe", [Import(0, ("größe",), None)]),
    ("'''\nimport a\n'''", []),
    ('"""\nimport a\n"""\nimport b', [Import(0, ("b",), None)]),
    ('r"""\\"""\nimport a\n"""', []),
    ("s = '\\\nimport a\\\n'", []),
    ("s = 'it''s'\nimport a", [Import(0, ("a",), None)]),
    ("# import a", []),
    ("x = 'import a'; y = \"from a import b\"", []),
    ("f\"{d['x']}\"\nimport a", [Import(0, ("a",), None)]),
    ("x = '#'\nimport a", [Import(0, ("a",), None)]),
    ("importlib = 1\nimport_ = 2\nfrom_ = 3", []),
    ("yield from import_it()", []),
    ("raise A from b\nimport a", [Import(0, ("a",), None)]),
    ("\"\"\"never closed\nimport a", []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), STATEMENTS, ids=[text[:30] for text, _ in STATEMENTS])
def test_a_statement_is_read_and_what_only_looks_like_one_is_not(text, expected):
    assert list(extract(text)) == expected


def test_packages_modules_and_submodules():
    assert edges_of(
        {
            "app/__init__.py": "from app.core import run",
            "app/core.py": "import os\nfrom app import tools, __version__\nfrom app.tools import hammer, drill",
            "app/tools/__init__.py": "",
            "app/tools/hammer.py": "from ..core import run\nfrom . import missing",
        }
    ) == {
        ("app/__init__.py", "app/core.py"),
        ("app/core.py", "app/__init__.py"),  # __version__
        ("app/core.py", "app/tools/__init__.py"),  # `tools` is a module; so is what holds `drill`
        ("app/core.py", "app/tools/hammer.py"),
        ("app/tools/hammer.py", "app/core.py"),
        ("app/tools/hammer.py", "app/tools/__init__.py"),  # missing: a name of the package
    }


def test_source_layouts_namespace_packages_and_stubs():
    assert edges_of(
        {
            "src/shop/__init__.py": "",
            "src/shop/cart.py": "",
            "tests/test_cart.py": "from shop import cart\nimport conftest",
            "tests/conftest.py": "",
            "google/cloud/store/client.py": "from google.cloud.core import http",
            "google/cloud/core/http.py": "",
            "typed/__init__.pyi": "from typed.part import P",
            "typed/part.pyi": "",
            "both/a.py": "",
            "both/a.pyi": "",
            "both/b.py": "import a",
        }
    ) == {
        ("tests/test_cart.py", "src/shop/cart.py"),
        ("tests/test_cart.py", "tests/conftest.py"),
        ("google/cloud/store/client.py", "google/cloud/core/http.py"),
        ("typed/__init__.pyi", "typed/part.pyi"),
        ("both/b.py", "both/a.py"),
    }


def test_the_standard_library_and_other_folders_are_not_mistaken_for_the_repository():
    assert (
        edges_of(
            {
                "app/__init__.py": "",
                "app/logging.py": "import logging",
                "app/main.py": "import logging, json, yaml",
                "types/helper.py": "",
                "app/json/__init__.py": "",
                "examples/yaml.py": "",
            }
        )
        == set()
    )


def test_of_two_modules_of_one_name_the_nearer_is_meant():
    files = {
        f"service{n}/{name}.py": "import config" if name == "main" else ""
        for n in (1, 2)
        for name in ("main", "config")
    }
    assert edges_of(files) == {(f"service{n}/main.py", f"service{n}/config.py") for n in (1, 2)}


def test_a_repository_that_is_itself_the_package():
    assert edges_of(
        {
            "__init__.py": "from node.a import A",
            "a.py": "import numpy as np\nfrom node.b import B",
            "b.py": "import node",
        }
    ) == {("__init__.py", "a.py"), ("a.py", "b.py"), ("b.py", "__init__.py")}


# Never pip: to look for it makes setuptools step back behind the old distutils, and torch.compile then fails here.
@pytest.mark.parametrize("package", ["rich", "networkx", "hypothesis", "pydantic", "jinja2", "sympy"])
def test_installed_packages_against_grimp(package):
    grimp = pytest.importorskip("grimp")
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{package} is not installed here")
    site = Path(spec.submodule_search_locations[0]).parent
    graph = grimp.build_graph(package, cache_dir=None)
    truth = {
        (user, used) for user in graph.modules for used in graph.find_modules_directly_imported_by(user) if user != used
    }

    def module(path):
        return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    found = {(module(user), module(used)) for user, used in edges_of(read(site, {".py"}, package))}
    found = {edge for edge in found if set(edge) <= graph.modules}
    precision, recall = scores(found, truth)
    assert precision >= 0.99, sorted(found - truth)[:20]
    assert recall >= 0.99, sorted(truth - found)[:20]


def test_what_is_no_python_has_no_edges_and_raises_nothing():
    assert edges_of({"a.py": "from import\\\nfrom \nfrom import b\nimport b", "b.py": ""}) == {("a.py", "b.py")}
