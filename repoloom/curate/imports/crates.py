"""The crates of a Rust repository: their root files, module trees and names.

Roots are found by Cargo's conventions (`src/lib.rs`, `src/main.rs`, `src/bin/`, `tests/`, ...); a file that no tree
reaches is a root of its own. A crate's name comes from its `Cargo.toml` where that is among the files, else from the
folder that holds its `src`.
"""

import tomllib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from repoloom.curate.imports.paths import folder, join, under

Segments = tuple[str, ...]
Place = tuple[int, Segments]
"""A module: the root file of its crate, and its path in the crate."""
_MOST_MODULES_DEEP = 48
_MOST_GLOBS = 16
_MOST_PLACES = 64
"""Modules that are looked into for one name, through `use a::*`."""
_MOST_STEPS = 8
"""Imports of imports that are followed for one name."""
_MOST_BRANCHES = 8
"""Files of one module, of which `cfg` would take one."""


class Module(NamedTuple):
    """`mod name;` or `mod name {`: the inline modules around it and the paths that attributes give for it."""

    inside: Segments
    name: str
    attributes: tuple[str, ...]
    public: bool
    """Whether it says `pub`; else only the module around it and those inside of that see it."""


class Crates:
    """Module trees of all crates, and the resolution of paths in them."""

    def __init__(
        self,
        paths: Mapping[str, int],
        modules: Mapping[int, Sequence[Module]],
        inline: Mapping[int, Sequence[Module]],
        uses: Mapping[int, Mapping[tuple[Segments, Segments], str]],
        manifests: Mapping[str, str],
    ) -> None:
        """Of each file: its `mod name;`, its inline modules, and (inline modules around, path) -> name of its `use`."""
        self.declared: dict[int, list[int]] = {}
        """File -> the files of the modules that it declares."""
        self._paths, self._declares, self._inline = paths, modules, inline
        self._tree: dict[Place, list[int]] = {}
        self._public: set[Place] = set()
        self._home: dict[int, Place] = {}
        for path in sorted(paths, key=_root_rank):
            if paths[path] not in self._home:
                self._walk(path)
        self._names = self._name_crates(manifests)
        self._named: dict[Place, dict[str, Segments]] = {}
        self._starred: dict[Place, list[Segments]] = {}
        for file, found in uses.items():
            root, module = self._home[file]
            for (inside, segments), name in found.items():
                place = root, module + inside
                if name == "*":
                    self._starred.setdefault(place, []).append(segments[:-1])
                else:
                    self._named.setdefault(place, {}).setdefault(name, segments)
        self._globs: dict[Place, list[Place]] = {}
        self._imports: dict[tuple[Place, str], Place | None] = {}

    def _walk(self, root_path: str) -> None:
        root = self._paths[root_path]
        seen = {root}
        stack: list[tuple[str, Segments]] = [(root_path, ())]
        while stack:
            path, module = stack.pop()
            file = self._paths[path]
            self._home.setdefault(file, (root, module))
            self._add((root, module), file)
            for one in self._inline.get(file, ()):
                inner = root, (*module, *one.inside, one.name)
                self._add(inner, file)
                if one.public:
                    self._public.add(inner)
            here, _, name = path.rpartition("/")
            owns_folder = file == root or name == "mod.rs"
            children = here if owns_folder else under(here, name.removesuffix(".rs"))
            for inside, child, attributes, public in self._declares.get(file, ()):
                if public:
                    self._public.add((root, (*module, *inside, child)))
                base = under(children, "/".join(inside)) if inside else children
                places = [join(base if inside else here, attribute) or "" for attribute in attributes]
                places += [under(base, f"{child}.rs"), under(base, f"{child}/mod.rs")]
                for place in places:
                    found = self._paths.get(place)
                    if found is None:
                        continue
                    self.declared.setdefault(file, []).append(found)
                    if found not in seen and len(module) < _MOST_MODULES_DEEP:
                        seen.add(found)
                        stack.append((place, (*module, *inside, child)))

    def _add(self, place: Place, file: int) -> None:
        branches = self._tree.setdefault(place, [])
        if file not in branches and len(branches) < _MOST_BRANCHES:
            branches.append(file)

    def _name_crates(self, manifests: Mapping[str, str]) -> dict[str, int]:
        names: dict[str, int] = {}
        for path in sorted(self._paths, key=_root_rank):
            if ("/" + path).endswith("/src/lib.rs"):
                home = folder(folder(path))
                name = _manifest_name(manifests.get(under(home, "Cargo.toml"), "")) or home.rpartition("/")[2]
                if name:
                    names.setdefault(name.replace("-", "_"), self._paths[path])
        return names

    def resolve(self, file: int, inside: Segments, segments: Segments, anywhere: bool) -> Sequence[int]:
        """The files of the deepest module that a path names, seen from the inline module `inside` of `file`.

        `anywhere`: the path stands in a `use`, where the 2015 edition starts from the crate's root. Elsewhere its last
        segment is no module, but a function or a type that may be called like one.
        """
        root, module = self._home[file]
        found = self._follow((root, module + inside), segments if anywhere else segments[:-1], anywhere, 0)
        return self._tree.get(found[0], ()) if found else ()

    def _follow(self, here: Place, segments: Segments, anywhere: bool, steps: int) -> tuple[Place, int] | None:
        """The deepest module that a path names, seen from `here`, and how many segments remain."""
        start = self._start(here, segments, anywhere, steps)
        if start is None:
            return None
        place, rest = start
        for count, segment in enumerate(rest):
            inner = self._inner(place, segment, here, steps)
            if inner is None:
                return place, len(rest) - count
            place = inner
        return place, 0

    def _start(self, here: Place, segments: Segments, anywhere: bool, steps: int) -> tuple[Place, Segments] | None:
        """The module that a path starts from, and what remains of it; None where it leaves the repository."""
        root, module = here
        first = segments[0]
        if first == "crate":
            return (root, ()), segments[1:]
        if first in ("self", "super"):
            while segments and segments[0] in ("self", "super"):
                if segments[0] == "super":
                    if not module:
                        return None
                    module = module[:-1]
                segments = segments[1:]
            return (root, module), segments
        if first == "":
            segments = segments[1:]
        elif (place := self._inner(here, first, here, steps)) is not None:
            return place, segments[1:]
        if segments and segments[0] in self._names:
            return (self._names[segments[0]], ()), segments[1:]
        if anywhere and segments and (root, segments[:1]) in self._tree:
            return (root, ()), segments
        return None

    def _inner(self, place: Place, name: str, asker: Place, steps: int) -> Place | None:
        """The module that a name means in another, as `asker` sees it."""
        root, module = place
        inner = root, (*module, name)
        if inner in self._tree and (inner in self._public or (asker[0], asker[1][: len(module)]) == place):
            return inner
        return self._imported(place, name, steps)

    def _imported(self, place: Place, name: str, steps: int) -> Place | None:
        """The module that a module's own `use` gives a name, by itself or through `*`."""
        key = place, name
        if key in self._imports or steps > _MOST_STEPS:
            return self._imports.get(key)
        self._imports[key] = None  # what is found while this is sought cannot be by way of it
        sought, seen = [place], {place}
        for here in sought:  # which grows
            root, module = here
            if here != place and (root, (*module, name)) in self._public:
                self._imports[key] = root, (*module, name)
                break
            segments = self._named.get(here, {}).get(name)
            found = self._follow(here, segments, True, steps + 1) if segments else None
            if found is not None and found[1] == 0:
                self._imports[key] = found[0]
                break
            if len(sought) < _MOST_PLACES:
                sought += [more for more in self._starred_places(here, steps) if more not in seen]
                seen.update(sought)
        return self._imports[key]

    def _starred_places(self, place: Place, steps: int) -> list[Place]:
        """The modules of which a module imports everything."""
        if place not in self._globs:
            self._globs[place] = []
            for segments in self._starred.get(place, [])[:_MOST_GLOBS]:
                found = self._follow(place, segments, True, steps + 1) if segments else None
                if found is not None and found[1] == 0 and found[0] in self._tree:
                    self._globs[place].append(found[0])
        return self._globs[place]


def _root_rank(path: str) -> tuple[int, int, str]:
    """Library and program roots first, then what is called like one, then what stands higher up."""
    whole = "/" + path
    if whole.endswith("/src/lib.rs"):
        return 0, path.count("/"), path
    if whole.endswith(("/src/main.rs", "/build.rs")):
        return 1, path.count("/"), path
    above, _, name = whole.rpartition("/")
    if above.endswith("/src/bin") or (name == "main.rs" and folder(above).endswith("/src/bin")):
        return 1, path.count("/"), path
    return 2 if name in ("lib.rs", "main.rs") else 3, path.count("/"), path


def _manifest_name(text: str) -> str | None:
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return None
    for key in ("lib", "package"):
        section = table.get(key)
        if isinstance(section, dict) and isinstance(name := section.get("name"), str):
            return name
    return None
