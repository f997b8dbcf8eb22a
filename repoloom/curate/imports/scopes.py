"""Names instead of paths: languages whose files see each other's types by package, namespace or module.

A family says of each of its files what it declares in which scope (package, namespace, module), which names it uses,
and what it imports; `uses` looks the names up as these languages do: single imports, then the scopes around the file
from the inside out, then scopes imported on demand. A name that the file declares itself is never another file's.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from repoloom.curate.imports.file import File
from repoloom.curate.imports.paths import Endings, folder

_DEEPEST = 32
"""Parts of a dotted name that are looked at."""
_MOST_SCOPES = 200
"""Scopes imported on demand by one file that are looked at."""


class Unit(NamedTuple):
    """What one file declares and names. Scopes and full names are dotted; the scope of no package is ""."""

    declares: list[tuple[str, str]]
    """(scope, name) of what other files can name."""
    scopes: list[str]
    """The scopes whose names the file sees without an import, the innermost first."""
    imports: dict[str, str]
    """Name in this file -> full name that it was imported as; one with a leading dot begins in no scope around."""
    on_demand: list[str]
    """Scopes, or types for their members, of which everything was imported."""
    names: set[str]
    """Simple names used, less those that the file declares."""
    qualified: list[str]
    """Dotted names used: `a.b.C`, `C.d`."""


def uses(files: Sequence[File], units: Mapping[int, Unit]) -> Iterator[tuple[int, str, int]]:
    """(user, full name, used) of each name that is declared in another file; of equal names the nearest file's."""
    known: dict[str, set[str]] = {}
    places: list[tuple[str, int]] = []
    for n, unit in units.items():
        place = folder(files[n].path)
        for scope, name in unit.declares:
            known.setdefault(scope, set()).add(name)
            # A name stands below its file's folder like a path, so that of two equal ones the nearer is meant.
            places.append((f"{place}/{scope}.{name}", n))
    parts = {part for scope in known for part in scope.split(".")}
    declared = Endings(places, {path.rpartition("/")[2] for path, _ in places}, lambda *_: 0)
    owners = _Owners(known, parts)
    for n, unit in units.items():
        place = folder(files[n].path)
        for full in dict.fromkeys(_wanted(unit, known, parts, owners)):
            if (used := declared.find(full, place)) is not None:
                yield n, full, used


def _wanted(unit: Unit, known: Mapping[str, set[str]], parts: set[str], owners: "_Owners") -> Iterator[str]:
    """The full names that a file uses."""
    scopes = tuple(unit.scopes)
    for name in (*unit.imports.values(), *unit.on_demand):
        yield from owners.of(name, scopes)
    around = ["", *(f"{scope}." for scope in unit.scopes if scope)]
    on_demand = [
        scope
        for name in unit.on_demand[:_MOST_SCOPES]
        for outer in around[:_DEEPEST]
        if (scope := outer + name) in known
    ]
    for name in unit.qualified:
        first, _, rest = name.partition(".")
        if first in unit.imports:
            yield from owners.of(f"{unit.imports[first]}.{rest}", ())
        elif first in parts:
            yield from owners.of(name, scopes)
    left = unit.names - unit.imports.keys()
    for scope in (*unit.scopes, *on_demand):
        found = known.get(scope, set()) & left
        yield from (f"{scope}.{name}" for name in sorted(found))
        left = left - found


class _Owners:
    """The declared name that a dotted name begins with, `a.b.Outer` of `a.b.Outer.Inner`; it may begin in a scope."""

    def __init__(self, known: Mapping[str, set[str]], parts: set[str]) -> None:
        self._known, self._parts = known, parts
        self._found: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = {}

    def of(self, name: str, scopes: tuple[str, ...]) -> tuple[str, ...]:
        """One name or none. Files of one package ask for the same ones, so that each is looked up once."""
        if name[:1] == ".":
            scopes = ()
        key = name, scopes
        if key not in self._found:
            self._found[key] = self._look(name.lstrip(".").split(".")[:_DEEPEST], scopes)
        return self._found[key]

    def _look(self, parts: list[str], scopes: tuple[str, ...]) -> tuple[str, ...]:
        deepest = len(parts) if parts[0] in self._parts else 1
        for around in ("", *(f"{scope}." for scope in scopes if scope)):
            for length in range(deepest, 0, -1):
                scope = (around + ".".join(parts[: length - 1])).rstrip(".")
                if parts[length - 1] in self._known.get(scope, ()):
                    return (f"{scope}.{parts[length - 1]}",)
        return ()
