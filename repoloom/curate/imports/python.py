"""Python: `import a.b`, `from a.b import c`, relative imports, stubs, packages with and without `__init__`.

A statement becomes one edge a name, to the module it names: `from a import b` to `a/b.py` where that is a module, else
to `a/__init__.py` (grimp's meaning). Absolute names are looked up as Python would from the file's own root (the folder
above its outermost package), then from the folders above, then from the nearest other root of the repository (`src/`).
"""

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from repoloom.curate.imports.file import File
from repoloom.curate.imports.paths import Endings, ancestors, folder, join, under

# One pass over comments, strings and statements. Each alternative, once begun, matches to its own end or the file's,
# and possessive quantifiers never give back: the scan is linear on any input.
_TOKEN = re.compile(
    r"""
      \#[^\n]*+
    | \"{3}[^"\\]*+(?:(?:\\.?+|"(?!""))[^"\\]*+)*+(?:\"{3}|\Z)
    | '{3}[^'\\]*+(?:(?:\\.?+|'(?!''))[^'\\]*+)*+(?:'{3}|\Z)
    | "[^"\\\n]*+(?:\\.?+[^"\\\n]*+)*+"?+
    | '[^'\\\n]*+(?:\\.?+[^'\\\n]*+)*+'?+
    | [\n;:][ \t\f]*+(?:
        import(?=[ \t\\])(?P<names>[^\n;\#\\]*+(?:\\\r?\n[^\n;\#\\]*+)*+)
      | from(?=[ \t.\\])(?P<head>[^\n;\#\\(]*+(?:\\\r?\n[^\n;\#\\(]*+)*+)
        (?:\((?P<body>[^)\#]*+(?:\#[^\n]*+[^)\#]*+)*+)\)?+)?+
      )
    """,
    re.VERBOSE | re.DOTALL,
)
_FROM = re.compile(r"\s*+((?:\.\s*+)*+)([\w.\s]*?)\bimport\b(.*)", re.DOTALL)
_COMMENT = re.compile(r"#[^\n]*+")
_NAME = re.compile(r"\s*+([^\W\d]\w*+(?:\s*+\.\s*+[^\W\d]\w*+)*+)")

_SUFFIXES = (("/__init__.py", 0), (".py", 1), (".pyw", 1), ("/__init__.pyi", 2), (".pyi", 3))
"""How a file's path ends, and which wins where a module has several: Python's own precedence, stubs last."""
_SOURCE_FOLDERS = frozenset({"src", "lib", "python", "source", "app"})


class Import(NamedTuple):
    """One imported name: `level` dots, the module's path, the name taken from it (None: the module itself)."""

    level: int
    module: tuple[str, ...]
    name: str | None


def extract(text: str) -> Iterator[Import]:
    """The imports of a Python file, in order, outside of comments and strings."""
    last = text.rfind("import")
    if last < 0:
        return
    if "\r" in text and "\n" not in text:
        text = text.replace("\r", "\n")
    for match in _TOKEN.finditer("\n" + text):
        if match.start() > last + 1:
            return
        if match.lastgroup is None:
            continue
        if match["names"] is not None:
            for part in match["names"].replace("\\", " ").split(","):
                if name := _NAME.match(part):
                    yield Import(0, _dotted(name[1]), None)
        elif parts := _FROM.match(match["head"].replace("\\", " ")):
            level, module = parts[1].count("."), _dotted(parts[2])
            if not level and not module:
                continue  # `from import x` is no Python
            names = _COMMENT.sub("", match["body"]) if match["body"] is not None else parts[3].replace("\\", " ")
            for part in names.split(","):
                if name := _NAME.match(part):
                    yield Import(level, module, name[1])
                elif part.strip() == "*":
                    yield Import(level, module, None)


def _dotted(text: str) -> tuple[str, ...]:
    return tuple(part for part in (piece.strip() for piece in text.split(".")) if part)


def edges(files: Sequence[File], among: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The edges of the Python files; `among` are the indices of the files that take part."""
    python = [n for n in among if files[n].language == "python"]
    modules, packages = _modules(files, python)
    imports = {n: list(dict.fromkeys(extract(files[n].text))) for n in python}
    wanted = {"/".join(path) for found in imports.values() for one in found for path in _lookups(one)}

    def rank(root: str, ending: str) -> int | None:
        """A root far from the asker must be one: outside of packages, and a loose module only in a source folder."""
        if root in packages:
            return None
        conventional = root == "" or root.rpartition("/")[2] in _SOURCE_FOLDERS
        if "/" not in ending and under(root, ending) not in packages and not conventional:
            return None
        return 0 if conventional else 1

    far = Endings(modules.items(), wanted, rank)
    own_name = _name_of_root(imports.values(), modules) if "" in packages else None
    for n in python:
        asker = _Asker(folder(files[n].path), modules, packages, far, own_name)
        for one in imports[n]:
            used = asker.resolve(one)
            if used is not None:
                yield n, used


def _modules(files: Sequence[File], python: Sequence[int]) -> tuple[dict[str, int], set[str]]:
    """Module path without suffix -> file index; the folders that are regular packages."""
    ranked: dict[str, tuple[int, int]] = {}
    packages: set[str] = set()
    for n in python:
        path = files[n].path
        for suffix, rank in _SUFFIXES:
            if ("/" + path).endswith(suffix):
                module = path[: max(len(path) - len(suffix), 0)]
                if suffix.startswith("/"):
                    packages.add(module)
                if module not in ranked or (rank, n) < ranked[module]:
                    ranked[module] = (rank, n)
                break
    return {module: index for module, (_, index) in ranked.items()}, packages


def _name_of_root(imports: Iterable[Sequence[Import]], modules: dict[str, int]) -> str | None:
    """What a package is called whose folder is the repository itself: the name below which most imports find a file."""
    votes: Counter[str] = Counter()
    for found in imports:
        for one in found:
            if not one.level and one.module[0] not in sys.stdlib_module_names and one.module[0] not in modules:
                votes[one.module[0]] += len(one.module) > 1 and "/".join(one.module[1:]) in modules
    best = min(votes, key=lambda name: (-votes[name], name), default=None)
    return best if best is not None and votes[best] else None


def _lookups(one: Import) -> Iterator[tuple[str, ...]]:
    if one.level == 0:
        if one.name is not None:
            yield (*one.module, one.name)
        for length in range(len(one.module), 0, -1):
            yield one.module[:length]


class _Asker:
    """Resolves the imports of the files of one folder."""

    def __init__(
        self, place: str, modules: dict[str, int], packages: set[str], far: Endings, own_name: str | None
    ) -> None:
        self._place, self._modules, self._far, self._own_name = place, modules, far, own_name
        self._root = next((above for above in ancestors(place) if above not in packages), "")
        self._roots = [above for above in ancestors(self._root) if above not in packages]
        self._outermost = place in packages and place != "" and folder(place) not in packages

    def resolve(self, one: Import) -> int | None:
        if one.level:
            base = join(self._place, "../" * (one.level - 1))
            return None if base is None else self._below(base, one)
        if one.module[0] == self._own_name:
            return self._below("", one._replace(module=one.module[1:]))
        standard = one.module[0] in sys.stdlib_module_names
        for root in [self._root] if standard else self._roots:
            if (used := self._below(root, one, absolute=True)) is not None:
                return used
        if standard:
            return None
        for path in _lookups(one):
            if (used := self._far.find("/".join(path), self._place)) is not None:
                return used
        # A folder of scripts run in place that was given an `__init__` all the same.
        return self._below(self._place, one, absolute=True) if self._outermost else None

    def _below(self, base: str, one: Import, absolute: bool = False) -> int | None:
        module = under(base, "/".join(one.module)) if one.module else base
        if one.name is not None and (used := self._modules.get(under(module, one.name))) is not None:
            return used
        if (used := self._modules.get(module)) is not None:
            return used
        for length in range(len(one.module) - 1, 0, -1) if absolute else ():
            if (used := self._modules.get(under(base, "/".join(one.module[:length])))) is not None:
                return used
        return None
