"""The crates of a Rust repository: their root files, module trees and names.

Roots are found by Cargo's conventions (`src/lib.rs`, `src/main.rs`, `src/bin/`, `tests/`, ...); a file that no tree
reaches is a root of its own. A crate's name comes from its `Cargo.toml` where that is among the files, else from the
folder that holds its `src`.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence

from repoloom.curate.imports.paths import folder, join, under

Segments = tuple[str, ...]
_MOST_MODULES_DEEP = 48
_MOST_GLOBS = 16


class Crates:
    """Module trees of all crates, and the resolution of paths in them."""

    def __init__(
        self,
        paths: Mapping[str, int],
        modules: Mapping[int, Sequence[tuple[Segments, str, tuple[str, ...]]]],
        inline: Mapping[int, set[Segments]],
        uses: Mapping[int, Iterable[tuple[Segments, Segments]]],
        manifests: Mapping[str, str],
    ) -> None:
        """Of each file: the (inline modules around, name, path attributes) of its `mod name;`, its inline modules, and
        the (inline modules around, path) of its `use`.
        """
        self.declared: dict[int, list[int]] = {}
        """File -> the files of the modules that it declares."""
        self._paths, self._declares, self._inline = paths, modules, inline
        self._tree: dict[tuple[int, Segments], int] = {}
        self._home: dict[int, tuple[int, Segments]] = {}
        for path in sorted(paths, key=_root_rank):
            if paths[path] not in self._home:
                self._walk(path)
        self._names = self._name_crates(manifests)
        self._uses: dict[tuple[int, Segments], list[Segments]] = {}
        for file, found in uses.items():
            root, module = self._home[file]
            for inside, segments in found:
                self._uses.setdefault((root, module + inside), []).append(segments)
        self._visible: dict[
            tuple[int, Segments], tuple[dict[str, tuple[int, Segments]], list[tuple[int, Segments]]]
        ] = {}

    def _walk(self, root_path: str) -> None:
        root = self._paths[root_path]
        seen = {root}
        stack: list[tuple[str, Segments]] = [(root_path, ())]
        while stack:
            path, module = stack.pop()
            file = self._paths[path]
            self._home.setdefault(file, (root, module))
            self._tree.setdefault((root, module), file)
            for inside in self._inline.get(file, ()):
                self._tree.setdefault((root, module + inside), file)
            here, _, name = path.rpartition("/")
            owns_folder = file == root or name == "mod.rs"
            children = here if owns_folder else under(here, name.removesuffix(".rs"))
            for inside, child, attributes in self._declares.get(file, ()):
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

    def _name_crates(self, manifests: Mapping[str, str]) -> dict[str, int]:
        names: dict[str, int] = {}
        for path in sorted(self._paths, key=_root_rank):
            if ("/" + path).endswith("/src/lib.rs"):
                home = folder(folder(path))
                name = _manifest_name(manifests.get(under(home, "Cargo.toml"), "")) or home.rpartition("/")[2]
                if name:
                    names.setdefault(name.replace("-", "_"), self._paths[path])
        return names

    def resolve(self, file: int, inside: Segments, segments: Segments, anywhere: bool) -> int | None:
        """The file of the deepest module that a path names, seen from the inline module `inside` of `file`.

        `anywhere`: the path stands in a `use`, where the 2015 edition starts from the crate's root.
        """
        root, module = self._home[file]
        module += inside
        if self._imported(root, module, segments[0]) is None:
            start = self._start(root, module, segments, anywhere)
            if start is None:
                return None
            root, module, segments = start
        for segment in segments:
            if (root, (*module, segment)) in self._tree:
                module = (*module, segment)
            elif (found := self._imported(root, module, segment)) is not None:
                root, module = found
            else:
                break
        return self._tree.get((root, module))

    def _start(
        self, root: int, module: Segments, segments: Segments, anywhere: bool
    ) -> tuple[int, Segments, Segments] | None:
        """The crate and module that a path starts from, and what remains of it; None where it leaves the repository."""
        first = segments[0]
        if first == "crate":
            return root, (), segments[1:]
        if first in ("self", "super"):
            while segments and segments[0] in ("self", "super"):
                if segments[0] == "super":
                    if not module:
                        return None
                    module = module[:-1]
                segments = segments[1:]
            return root, module, segments
        if first == "":
            segments = segments[1:]
        elif (root, (*module, first)) in self._tree:
            return root, module, segments
        if segments and segments[0] in self._names:
            return self._names[segments[0]], (), segments[1:]
        if anywhere and segments and (root, segments[:1]) in self._tree:
            return root, (), segments
        return None

    def _imported(self, root: int, module: Segments, name: str) -> tuple[int, Segments] | None:
        """The module that a module's own `use` gives a name, by itself or through `*`; imports of imports do not."""
        here = (root, module)
        if here not in self._visible:
            named: dict[str, tuple[int, Segments]] = {}
            globs: list[tuple[int, Segments]] = []
            for segments in self._uses.get(here, ()):
                if (start := self._start(root, module, segments, True)) is not None:
                    crate, above, rest = start
                    every = rest[-1:] == ("*",)
                    whole = (crate, (*above, *(rest[:-1] if every else rest)))
                    if whole in self._tree and whole != here:
                        if every:
                            globs.append(whole)
                        else:
                            named.setdefault(segments[-1], whole)
            self._visible[here] = named, globs[:_MOST_GLOBS]
        named, globs = self._visible[here]
        if name in named:
            return named[name]
        return next(((c, (*m, name)) for c, m in globs if (c, (*m, name)) in self._tree), None)


def _root_rank(path: str) -> tuple[int, int, str]:
    """Library and program roots first, then what stands higher up."""
    whole = "/" + path
    if whole.endswith("/src/lib.rs"):
        return 0, path.count("/"), path
    if whole.endswith(("/src/main.rs", "/build.rs")):
        return 1, path.count("/"), path
    above, _, name = whole.rpartition("/")
    if above.endswith("/src/bin") or (name == "main.rs" and folder(above).endswith("/src/bin")):
        return 1, path.count("/"), path
    return 2, path.count("/"), path


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
