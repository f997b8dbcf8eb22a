"""Go: an import of a package of this repository is an edge to the package's files (tests aside).

A package is a folder. The module path comes from `go.mod` where it stands among the files; else it is the prefix below
which every import finds a folder. `vendor/` folders are looked up too.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from repoloom.curate.imports.file import File
from repoloom.curate.imports.paths import ancestors, folder, join, under

_COMMENT = r"(?://[^\n]*+|/\*[^*]*+(?:\*(?!/)[^*]*+)*+(?:\*/|\Z))"
_SPEC = r"""(?:[\w.]++[ \t]*+)?+(?:"(?P<a>[^"\n]{1,300}+)"|`(?P<b>[^`\n]{1,300}+)`)"""
_HEAD = re.compile(
    rf"(?:\s++|{_COMMENT}|;|\ufeff|package\s++\w++|import\b|\(|\)|{_SPEC})",
)
_MODULE = re.compile(r"^\s*+module\s++\"?([^\s\"]++)", re.MULTILINE)
_MOST_FILES = 100
"""Edges of one import: a larger package is a generated one, and stands by its first files."""


def extract(text: str) -> list[str]:
    """The import paths of a Go file. They stand before all other declarations, so the rest is not looked at."""
    found: list[str] = []
    position = 0
    while match := _HEAD.match(text, position):
        position = match.end()
        if path := match["a"] or match["b"]:
            found.append(path)
    return found


def edges(files: Sequence[File], among: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The edges of the Go files."""
    imports = {n: extract(files[n].text) for n in among if files[n].language == "go"}
    packages: dict[str, list[int]] = {}
    for n in sorted(imports, key=lambda n: files[n].path):
        if not files[n].path.endswith("_test.go"):
            packages.setdefault(folder(files[n].path), []).append(n)
    modules = _modules(files, among)
    guessed = None if modules else _guess(imports.values(), packages)
    if guessed is not None:
        modules[""] = guessed
    of_path = {module: root for root, module in sorted(modules.items(), reverse=True)}
    for n, found in imports.items():
        place = folder(files[n].path)
        for path in dict.fromkeys(found):
            package = _package(path, place, of_path, packages)
            if package is not None:
                for used in packages[package][:_MOST_FILES]:
                    yield n, used


def _modules(files: Sequence[File], among: Sequence[int]) -> dict[str, str]:
    """Folder of a go.mod -> its module path."""
    found: dict[str, str] = {}
    for n in among:
        if files[n].path.rpartition("/")[2] == "go.mod" and (module := _MODULE.search(files[n].text)):
            found[folder(files[n].path)] = module[1]
    return found


def _guess(imports: Iterable[list[str]], packages: dict[str, list[int]]) -> str | None:
    """The prefix below which the most imports, and at least nine in ten, find a folder of the repository."""
    paths = {path for found in imports for path in found}
    finds: Counter[str] = Counter()
    begins: Counter[str] = Counter()
    for path in paths:
        if "." in path.partition("/")[0]:
            for above in ancestors(path):
                rest = path[len(above) + 1 :]
                if above:
                    begins[above] += rest != ""
                    finds[above] += rest in packages
    good = [prefix for prefix, count in finds.items() if count and count >= 0.9 * begins[prefix]]
    return min(good, key=lambda prefix: (-finds[prefix], len(prefix), prefix), default=None)


def _package(path: str, place: str, modules: dict[str, str], packages: dict[str, list[int]]) -> str | None:
    """The folder of the repository that an import path means."""
    if path.startswith(("./", "../")):
        relative = join(place, path)
        return relative if relative in packages else None
    for module in ancestors(path):
        if module in modules:
            inside = under(modules[module], path[len(module) :].lstrip("/")) if module != path else modules[module]
            if inside in packages:
                return inside
    for above in ancestors(place):
        if (vendored := under(above, f"vendor/{path}")) in packages:
            return vendored
    return None
