"""Names that cross files, against what Python itself finds in its own library."""

import importlib
import inspect
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "science"))

import names

LIBRARY = Path(inspect.getfile(inspect)).parent


def repository(*packages):
    paths = sorted(str(p.relative_to(LIBRARY)) for name in packages for p in (LIBRARY / name).rglob("*.py"))
    return paths, [(LIBRARY / path).read_text("utf-8") for path in paths]


def spelt(texts, file, mention):
    return texts[file].encode()[mention.start : mention.end].decode()


@pytest.mark.parametrize("packages", [("json",), ("email",), ("concurrent", "logging"), ("importlib", "unittest")])
def test_classes_and_functions_are_found_where_python_finds_their_source(packages):
    paths, texts = repository(*packages)
    seen = 0
    for number, found in enumerate(names.mentions(paths, texts)):
        for mention in found:
            assert mention.file != number
            name, path = spelt(texts, number, mention), paths[mention.file]
            line = texts[mention.file].encode()[: mention.place].count(b"\n") + 1
            module = importlib.import_module(path.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
            thing = getattr(module, name)
            if not (inspect.isclass(thing) or inspect.isfunction(thing)):
                continue
            if (thing.__module__, thing.__name__) == (module.__name__, name):
                code, first = inspect.getsourcelines(thing)
                assert first <= line < first + len(code)
                seen += 1
    assert seen > 5


def test_every_use_of_a_name_counts_and_the_first_is_marked():
    paths = ["pkg/__init__.py", "pkg/shapes.py", "pkg/draw.py", "other.py"]
    texts = [
        "from .shapes import Circle\n",
        "# é\nclass Circle:\n    pass\n\n\nSIDES: int = 4\n",
        "from pkg import Circle\nfrom . import shapes as s, colours\n\nCircle(s.SIDES, Circle)\ns.no\nimport os.path\n",
        "from pkg.shapes import Circle as Round\nimport pkg.shapes as sh\n\nRound(sh.Circle)\nfrom json import loads\n",
    ]
    of = names.mentions(paths, texts)
    assert [[(spelt(texts, n, m), m.file, m.first) for m in found] for n, found in enumerate(of)] == [
        [("Circle", 1, True)],
        [],
        [("Circle", 1, True), ("Circle", 1, False), ("SIDES", 1, True), ("Circle", 1, False)],
        [("Circle", 1, True), ("Circle", 1, False)],
    ]
    data = texts[1].encode()
    assert [data[m.place :][:5] for m in of[2]] == [b"class", b"class", b"SIDES", b"class"]
    assert [m.start for m in of[2]] == sorted(m.start for m in of[2])


def test_what_does_not_parse_names_nothing_and_defines_nothing():
    paths, texts = ["a.py", "b.py"], ["def f(:\n", "from a import f\nf()\n"]
    assert names.mentions(paths, texts) == [[], []]
    assert names.mentions(["a.py", "b.py"], ["from b import g\n", "from a import g\n\x00"]) == [[], []]


def test_files_that_import_each_other_in_a_circle_come_to_an_end():
    assert names.mentions(["a.py", "b.py"], ["from b import x\n", "from a import x\n"]) == [[], []]
