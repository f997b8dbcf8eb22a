"""Names that are no paths in JavaScript and TypeScript: tsconfig `paths` and `baseUrl`, workspace packages, `#imports`.

Read from `tsconfig.json`, `jsconfig.json` and `package.json` where they stand among the files.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from repoloom.curate.imports.paths import ancestors, folder, join, under

_LOOSE_JSON = re.compile(
    r'"[^"\\\n]*+(?:\\.?+[^"\\\n]*+)*+"?+|//[^\n]*+|/\*[^*]*+(?:\*(?!/)[^*]*+)*+(?:\*/|\Z)', re.DOTALL
)
_TRAILING_COMMA = re.compile(r'("[^"\\\n]*+(?:\\.?+[^"\\\n]*+)*+"?+)|,(?=\s*+[}\]])', re.DOTALL)
_MOST_PATTERNS = 200
_MOST_EXTENDS = 8
_ENTRIES = ("source", "module", "main", "types", "typings")


class Packages:
    """What the manifests of a repository say about names."""

    def __init__(self, manifests: Mapping[str, str]) -> None:
        """`manifests`: path -> text of the files that `reads` accepts."""
        self._tables = {path: _table(text) for path, text in manifests.items()}
        self._installed = any("node_modules/" in path for path in manifests)
        self._aliases: dict[str, list[tuple[str, list[str]]]] = {}

    @staticmethod
    def reads(path: str) -> bool:
        """Whether a file is one of the manifests."""
        name = path.rpartition("/")[2]
        return name == "package.json" or (name.startswith(("tsconfig", "jsconfig")) and name.endswith(".json"))

    def lookups(self, name: str, place: str) -> list[str]:
        """Paths, without certain extension, that `name` may mean for a file in the folder `place`, likeliest first."""
        found = [target for pattern, targets in self._aliases_of(place) for target in _expand(name, pattern, targets)]
        if name.startswith("#"):
            found += self._private(name, place)
        found += [under(above, f"node_modules/{name}") for above in ancestors(place)] if self._installed else []
        scope = 2 if name.startswith("@") else 1
        parts = name.split("/")
        package = "/".join(parts[:scope])
        if package in self._names:
            home, inside = self._names[package], "/".join(parts[scope:])
            exported = _exported(self._tables[under(home, "package.json")].get("exports"), inside)
            found += [path for target in exported if (path := join(home, target)) is not None]
            found += [under(home, inside), under(home, f"src/{inside}".rstrip("/"))]
        if parts[0] in ("@", "~"):
            # Vue's, Nuxt's and Next's habit where no tsconfig says otherwise.
            found += [under(above, f"src/{name[2:]}") for above in ancestors(place)]
            found += [under(above, name[2:]) for above in ancestors(place)]
        return found

    def entry(self, home: str) -> str | None:
        """The path, without certain extension, that a package's folder stands for; None where no manifest says."""
        table = self._tables.get(under(home, "package.json"), {})
        named = next((value for key in _ENTRIES if isinstance(value := table.get(key), str)), None)
        return None if named is None else join(home, named)

    @cached_property
    def _names(self) -> dict[str, str]:
        """Package name -> folder; of two of one name the first by path."""
        found: dict[str, str] = {}
        for path in sorted(self._tables, key=lambda path: (path.count("/"), path)):
            name = self._tables[path].get("name")
            if path.rpartition("/")[2] == "package.json" and isinstance(name, str) and name:
                found.setdefault(name, folder(path))
        return found

    def _private(self, name: str, place: str) -> Iterator[str]:
        for above in ancestors(place):
            imports = self._tables.get(under(above, "package.json"), {}).get("imports")
            if isinstance(imports, dict):
                for pattern, target in list(imports.items())[:_MOST_PATTERNS]:
                    yield from _expand(name, pattern, [under(above, t.removeprefix("./")) for t in _strings(target)])
                return

    def _aliases_of(self, place: str) -> list[tuple[str, list[str]]]:
        """(pattern, targets) of the nearest tsconfig that has any, longest pattern first."""
        if place not in self._aliases:
            self._aliases[place] = next(
                (
                    found
                    for above in ancestors(place)
                    for config in ("tsconfig.json", "jsconfig.json")
                    if (found := self._read_aliases(under(above, config)))
                ),
                [],
            )
        return self._aliases[place]

    def _read_aliases(self, path: str) -> list[tuple[str, list[str]]]:
        for _ in range(_MOST_EXTENDS):
            table = self._tables.get(path)
            if table is None:
                return []
            options = table.get("compilerOptions")
            options = options if isinstance(options, dict) else {}
            base_url, patterns = options.get("baseUrl"), options.get("paths")
            if isinstance(base_url, str) or isinstance(patterns, dict):
                base = join(folder(path), base_url if isinstance(base_url, str) else ".") or ""
                pairs = list(patterns.items())[:_MOST_PATTERNS] if isinstance(patterns, dict) else []
                found = [
                    (pattern, [t for target in _strings(targets) if (t := join(base, target)) is not None])
                    for pattern, targets in pairs
                ]
                found.sort(key=lambda pair: -len(pair[0].partition("*")[0]))
                return [*found, *([("*", [under(base, "*")])] if isinstance(base_url, str) else [])]
            parent = table.get("extends")
            if not isinstance(parent, str) or (above := join(folder(path), parent)) is None:
                return []
            path = above if above.endswith(".json") else f"{above}.json"
        return []


def _expand(name: str, pattern: str, targets: list[str]) -> Iterator[str]:
    before, star, after = pattern.partition("*")
    if not star:
        if name == pattern:
            yield from targets
    elif len(name) >= len(before) + len(after) and name.startswith(before) and name.endswith(after):
        middle = name[len(before) : len(name) - len(after)]
        yield from (target.replace("*", middle, 1) for target in targets)


def _exported(exports: object, inside: str) -> list[str]:
    """Targets of a package's `exports` for the path `inside` it."""
    key = f"./{inside}" if inside else "."
    if not isinstance(exports, dict) or not any(str(name).startswith(".") for name in exports):
        return _strings(exports) if not inside else []
    return [
        target
        for pattern, targets in list(exports.items())[:_MOST_PATTERNS]
        for target in _expand(key, pattern, _strings(targets))
    ]


def _strings(value: object) -> list[str]:
    """All strings in a value of conditions and alternatives, in order."""
    found: list[str] = []
    stack = [value]
    while stack and len(found) < _MOST_PATTERNS:
        item = stack.pop()
        if isinstance(item, str):
            found.append(item)
        elif isinstance(item, list):
            stack += reversed(item)
        elif isinstance(item, dict):
            stack += reversed(list(item.values()))
    return found


def _table(text: str) -> dict[str, Any]:
    """A JSON object with comments and trailing commas allowed; an empty one where it is none."""
    plain = _LOOSE_JSON.sub(lambda match: match[0] if match[0][0] == '"' else " ", text.removeprefix("\ufeff"))
    try:
        table = json.loads(_TRAILING_COMMA.sub(lambda match: match[1] or "", plain))
    except (ValueError, RecursionError):
        return {}
    return table if isinstance(table, dict) else {}
