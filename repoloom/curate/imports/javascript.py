"""JavaScript and TypeScript: `import`, `export ... from`, `import()`, `require()`, `/// <reference path>`.

Relative names are resolved as Node and TypeScript do: the file itself, an extension guessed, `.js` written for `.ts`,
a folder's index. Other names may be an alias or a package of this repository: see packages.py.
"""

import re
from collections.abc import Iterator, Sequence

from repoloom.curate.imports.file import File
from repoloom.curate.imports.packages import Packages
from repoloom.curate.imports.paths import folder, join, under

_COMMENT = r"/\*[^*]*+(?:\*(?!/)[^*]*+)*+(?:\*/|\Z)"
# A class or an expression that its line does not close ends with the line: an alternative that could fail late would
# be tried again from every slash, and a line of them would cost quadratic time.
_REGEX = r"/(?![/*])(?:[^/\\\[\n]|\\[^\n]|\[(?:[^\]\\\n]|\\[^\n])*+\]?+)*+/?+"
_TOKEN = re.compile(
    rf"""
      //(?:/[ \t]*+<reference[ \t]++path[ \t]*+=[ \t]*+["'](?P<reference>[^"'\n]{{1,300}}+))?+[^\n]*+
    | {_COMMENT}
    | (?<=[(,=:\[!&|?{{}};+\n]){_REGEX}
    | (?<=[(,=:\[!&|?{{}};+\n][ ]){_REGEX}
    | `[^`\\]*+(?:\\.?+[^`\\]*+)*+(?:`|\Z)
    | "[^"\\\n]*+(?:\\.?+[^"\\\n]*+)*+"?+
    | '[^'\\\n]*+(?:\\.?+[^'\\\n]*+)*+'?+
    | (?:from|import|require)(?<![\w$.]from)(?<![\w$.]import)(?<![\w$.]require)
      \s*+(?:\(\s*+)?+(?:{_COMMENT}\s*+)*+
      (?:"(?P<double>[^"\\\n]{{1,300}}+)"|'(?P<single>[^'\\\n]{{1,300}}+)'|`(?P<back>[^`\\$\n]{{1,300}}+)`)
    """,
    re.VERBOSE | re.DOTALL,
)
_CANDIDATE = re.compile(r"(?:from|import|require)\s*+(?:\(\s*+)?+[\"'`/]|<reference")

_TYPESCRIPT = (".ts", ".tsx", ".d.ts", ".mts", ".cts")
_JAVASCRIPT = (".js", ".jsx", ".mjs", ".cjs")
_DECLARATIONS = (".d.ts", ".d.mts", ".d.cts")
_OTHER = (".json", ".vue", ".svelte")
_WRITTEN_AS = {".js": (".ts", ".tsx", ".d.ts", ".jsx"), ".jsx": (".tsx",), ".mjs": (".mts",), ".cjs": (".cts",)}
"""A TypeScript file is imported by the name of the JavaScript file that it will become."""


def extract(text: str) -> Iterator[str]:
    """The module names that a file imports, outside of comments, strings, templates and regular expressions."""
    last = -1
    for found in _CANDIDATE.finditer(text):
        last = found.start()
    if last < 0:
        return
    for match in _TOKEN.finditer(text):
        if match.start() > last:
            return
        if match.lastgroup is not None:
            yield match[match.lastgroup] if match.lastgroup != "reference" else _relative(match["reference"])


def _relative(name: str) -> str:
    return name if name.startswith(".") else f"./{name}"


def edges(files: Sequence[File], among: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The edges of the JavaScript and TypeScript files."""
    paths = {files[n].path: n for n in among}
    packages = Packages({files[n].path: files[n].text for n in among if Packages.reads(files[n].path)})
    for n in among:
        if files[n].language not in ("javascript", "typescript"):
            continue
        place = folder(files[n].path)
        extensions = (*_TYPESCRIPT, *_JAVASCRIPT, *_OTHER)
        if files[n].language == "javascript":
            extensions = (*_JAVASCRIPT, *_TYPESCRIPT, *_OTHER)
        for name in dict.fromkeys(extract(files[n].text)):
            name = name.partition("?")[0]
            if name.startswith("."):
                bases = [base] if (base := join(place, name)) is not None else []
            else:
                bases = packages.lookups(name, place)
                if files[n].language == "javascript":
                    # A script uses the module that runs, not the declarations that describe it to TypeScript.
                    bases.sort(key=lambda base: base.endswith(_DECLARATIONS))
            for base in bases:
                used = _file(base, paths, extensions, packages)
                if used is not None:
                    yield n, used
                    break


def _file(base: str, paths: dict[str, int], extensions: Sequence[str], packages: Packages) -> int | None:
    """The file that a path without certain extension means."""
    stem, dot, extension = base.rpartition(".")
    alternatives = [stem + other for other in _WRITTEN_AS.get(dot + extension, ())]
    exact = [*alternatives, base] if extensions[0] == ".ts" else [base, *alternatives]
    for path in exact:
        if path in paths:
            return paths[path]
    entry = packages.entry(base)
    for start in [base, *([entry, under(entry, "index")] if entry else []), under(base, "index")]:
        for extension in ("", *extensions):
            if start + extension in paths:
                return paths[start + extension]
    return None
