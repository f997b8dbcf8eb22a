"""Java: imports (single, static, on demand), and types of the same package used by their name.

A file uses a type's file when it imports the type (or a member or nested type of it), when it names a type of its own
package, or when it names a type of a package that it imports on demand. Names are looked up in Java's order: single
imports, own package, on demand (JLS 6.4.1).
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from repoloom.curate.imports.file import File
from repoloom.curate.imports.paths import Endings, folder

_SKIP = re.compile(
    r"""
      //[^\n]*+
    | /\*[^*]*+(?:\*(?!/)[^*]*+)*+(?:\*/|\Z)
    | \"{3}[^"\\]*+(?:(?:\\.?+|"(?!""))[^"\\]*+)*+(?:\"{3}|\Z)
    | "[^"\\\n]*+(?:\\.?+[^"\\\n]*+)*+"?+
    | '(?:[^'\\\n]|\\.){1,8}+'
    """,
    re.VERBOSE | re.DOTALL,
)
_DOTTED = r"[A-Za-z_$][\w$]*+(?:\s*+\.\s*+[A-Za-z_$][\w$]*+)*+"
_PACKAGE = re.compile(rf"(?:^|[;}}])\s*+(?:@[\w.]++\s*+)*+package\s++({_DOTTED})\s*+;")
_IMPORT = re.compile(rf"\bimport\s++(static\s++)?+({_DOTTED})\s*+(\.\s*+\*)?+\s*+;")
_DECLARED = re.compile(
    r"^(?:(?:public|abstract|final|sealed|non-sealed|strictfp)\s++)*+(?:class|interface|enum|record|@interface)\s++(\w++)",
    re.MULTILINE,
)
_NAME = re.compile(r"[\w$.]++")
_SPACE = re.compile(r"\s++")
_QUALIFIED = re.compile(r"[a-z_][\w$]*+(?:\.[a-z_][\w$]*+)++\.[A-Z][\w$]*+")
_MOST_ON_DEMAND = 100


class Unit(NamedTuple):
    """What a compilation unit says: package, imported names, packages imported on demand, declared and used types."""

    package: str
    imports: list[str]
    on_demand: list[str]
    declares: list[str]
    names: set[str]
    qualified: list[str]


def extract(text: str) -> Unit:
    """Read one Java file. Comments, strings and text blocks are taken out first."""
    code = _SKIP.sub(" ", text)
    package = _PACKAGE.search(code)
    imports: list[str] = []
    on_demand: list[str] = []
    end = 0
    for match in _IMPORT.finditer(code):
        (on_demand if match[3] else imports).append(_SPACE.sub("", match[2]))
        end = match.end()
    names: set[str] = set()
    qualified: list[str] = []
    for name in sorted(set(_NAME.findall(code, end))):
        if name[0].isupper():
            names.add(name.partition(".")[0])
        elif dotted := _QUALIFIED.match(name):
            qualified.append(dotted[0])
    return Unit(
        _SPACE.sub("", package[1]) if package else "",
        imports,
        list(dict.fromkeys(on_demand))[:_MOST_ON_DEMAND],
        _DECLARED.findall(code),
        names,
        qualified,
    )


def edges(files: Sequence[File], among: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The edges of the Java files."""
    units = {n: extract(files[n].text) for n in among if files[n].language == "java"}
    types: dict[str, set[str]] = {}
    places: list[tuple[str, int]] = []
    for n, unit in units.items():
        stem = files[n].path.rpartition("/")[2].removesuffix(".java")
        for name in dict.fromkeys([stem, *unit.declares]):
            types.setdefault(unit.package, set()).add(name)
            # A type's key stands below its file's folder, so that of two equal types the nearer one is meant.
            places.append((f"{folder(files[n].path)}/{unit.package}.{name}", n))
    keys = {path.rpartition("/")[2] for path, _ in places}
    declared = Endings(places, keys, lambda *_: 0)
    for n, unit in units.items():
        place = folder(files[n].path)
        wanted = [key for name in [*unit.imports, *unit.on_demand, *unit.qualified] for key in _owner(name, types)]
        shadowed = {name.rpartition(".")[2] for name in unit.imports}
        own = types[unit.package] & unit.names - shadowed
        wanted += [f"{unit.package}.{name}" for name in sorted(own)]
        for package in unit.on_demand:
            if package in types:
                wanted += [f"{package}.{name}" for name in sorted(types[package] & unit.names - shadowed - own)]
        for key in wanted:
            if (used := declared.find(key, place)) is not None:
                yield n, used


def _owner(name: str, types: dict[str, set[str]]) -> Iterator[str]:
    """The top-level type that a dotted name starts with: `a.b.Outer.Inner` is in `a.b.Outer`."""
    parts = name.split(".")
    for length in range(min(len(parts), 32), 0, -1):
        package, simple = ".".join(parts[: length - 1]), parts[length - 1]
        if simple in types.get(package, ()):
            yield f"{package}.{simple}"
            return
