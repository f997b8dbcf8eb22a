"""PHP: `require` and `include` of files; classes, interfaces, traits, enums and functions by name.

A class is found where PSR-4 of a `composer.json` among the files puts it, else in the nearest file that declares it.
An included path is taken from its expression: `__DIR__ . '/x.php'`, `dirname(__FILE__, 2) . '/x.php'`; behind anything
else (`ABSPATH . 'x.php'`) the nearest file whose path ends so is meant.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from repoloom.curate.imports.blocks import BLOCK_COMMENT, levels
from repoloom.curate.imports.file import File
from repoloom.curate.imports.paths import Endings, folder, join, under
from repoloom.curate.imports.scopes import Unit, uses
from repoloom.curate.imports.words import Pattern, Runs

_NAME = r"[A-Za-z_\x80-\U0010ffff][\w\x80-\U0010ffff]*+"
_PATH = rf"\\?+{_NAME}(?:\\{_NAME})*+"
_NOT_PHP = rf"""
      \?>[^<]*+(?:<(?!\?)[^<]*+)*+(?:<\?(?:php\b|=)?+|\Z)
    | //[^\n?]*+(?:\?(?!>)[^\n?]*+)*+
    | \#(?!\[)[^\n?]*+(?:\?(?!>)[^\n?]*+)*+
    | {BLOCK_COMMENT}
    | <<<[ \t]*+["']?+(?P<mark>[A-Za-z_]\w*+)["']?+\r?+\n.*?(?:^[ \t]*+(?P=mark)\b|\Z)
"""
_STRING = r"""
      '[^'\\]*+(?:\\.?+[^'\\]*+)*+(?:'|\Z)
    | "[^"\\]*+(?:\\.?+[^"\\]*+)*+(?:"|\Z)
"""
_FLAGS = re.VERBOSE | re.DOTALL | re.MULTILINE
_SKIP = re.compile(f"{_NOT_PHP} | {_STRING}", _FLAGS)
_INCLUDE = re.compile(
    rf"""{_NOT_PHP}
    | [ri](?<![\w$>:\\][ri])(?:(?<=r)equire|(?<=i)nclude)(?:_once)?+\b
      (?P<include>(?:[^;'"{{}}?]++|'[^'\n]*+'|"[^"\n]*+"){{1,50}}+)
    | {_STRING}""",
    _FLAGS,
)
_HERE = re.compile(
    r"""[\s(@]*+(?P<up>(?:dirname\s*+\(\s*+){0,16}+)(?P<here>__DIR__|__FILE__)\s*+(?:,\s*+(?P<levels>\d))?+[\s)]*+\.\s*+"""
    r"""(?P<quote>['"])(?P<path>[^'"$\n]++)(?P=quote)[\s)]*+$"""
)
_LITERAL = re.compile(r"""['"]([^'"$\n]++)['"][\s)]*+$""")

_USE = Pattern(
    rf"^[ \t]*+use\s++(?P<function>function\s++)?+(?:const\s++)?+"
    rf"(?P<all>{_PATH}(?:\\\{{[^{{}};]*+\}})?+(?:\s++as\s++{_NAME})?+(?:\s*+,\s*+{_PATH}(?:\s++as\s++{_NAME})?+)*+)\s*+;",
    re.MULTILINE,
)
_DECLARED = Pattern(
    rf"\b(?=[cefint])(?<![$>:\\])(?:namespace\b\s*+(?P<space>{_NAME}(?:\\{_NAME})*+)?+\s*+(?P<opens>[;{{])"
    rf"|(?:class|interface|trait|enum)\s++(?P<type>{_NAME})|function\s++&?+\s*+(?P<function>{_NAME})\s*+\()"
)
_RUNS = Runs("\\$->:(")
_FREE = r"(?<![\w$\\\x80-\U0010ffff])(?<!->)(?<!::)(?<!function:)(?<!namespace:)"
_USED = re.compile(f"{_FREE}{_PATH}")
_CALLED = re.compile(rf"{_FREE}(?<!new:){_PATH}(?=\()")
_MOST_FOLDERS = 100


class Source(NamedTuple):
    """What one PHP file says: its names, and the expressions of its includes."""

    unit: Unit
    includes: list[str]


def extract(text: str) -> Source:
    """Read one PHP file; what stands outside of `<?php ... ?>` is no code. Functions are named `f()`, classes `C`."""
    text = f"?>{text}"
    code = " ".join(piece for piece in _SKIP.split(text) if piece)
    includes: list[str] = []
    if "require" in code or "include" in code:
        includes = [match["include"] for match in _INCLUDE.finditer(text) if match["include"]]
    declares: dict[tuple[str, str], None] = {}
    own: set[str] = set()
    spaces: list[tuple[int, str]] = [(0, "")]
    scopes: dict[str, None] = {}
    for match, depth in levels(code, _DECLARED.on(code)):
        if match["opens"]:
            inside = (match["space"] or "").replace("\\", ".")
            spaces = [(depth + (match["opens"] == "{"), inside)]
            scopes[inside] = None
            continue
        name = match["type"] or f"{match['function']}()"
        _, condition, block = code[max(0, match.start() - 200) : match.start()].rpartition("_exists")
        if depth <= spaces[-1][0] or (condition and "}" not in block):
            declares[spaces[-1][1], name] = None
            own.add(name)
    runs = " ".join(code.split()).replace(" (", "(")
    for word in ("function", "namespace", "new"):
        runs = runs.replace(f"{word} ", f"{word}:")
    runs = _RUNS.of(runs)
    names = set(_USED.findall(runs))
    names.update(f"{name}()" for name in _CALLED.findall(runs))
    imports = dict(_imports(code, spaces[-1][0]))
    qualified: list[str] = []
    for name in sorted(name for name in names if "\\" in name):
        if name.startswith("\\"):
            # From the root, whatever the namespace: like an import under a name that nothing else has.
            imports.setdefault(name, name.replace("\\", "."))
        else:
            qualified.append(name.removeprefix("namespace\\").replace("\\", "."))
    unit = Unit(list(declares), list(dict.fromkeys([*scopes, ""])), imports, [], names - own, qualified)
    return Source(unit, includes)


def _imports(code: str, block: int) -> Iterator[tuple[str, str]]:
    """(name in this file, full name with a leading dot) of each `use` at the top, inside of `block` blocks."""
    for match, depth in levels(code, _USE.on(code)):
        if depth > block:
            continue  # a class uses a trait
        call = "()" if match["function"] else ""
        prefix, brace, group = match["all"].partition("{")
        for part in (group.rstrip("} \n\t") if brace else match["all"]).split(","):
            words = part.split()
            if words:
                full = f"{prefix if brace else ''}{words[-3] if len(words) > 2 else words[-1]}".strip("\\")
                yield f"{words[-1].rpartition(chr(92))[2]}{call}", f".{full.replace(chr(92), '.')}{call}"


def edges(files: Sequence[File], among: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The edges of the PHP files."""
    sources = {n: extract(files[n].text) for n in among if files[n].language == "php"}
    paths = {files[n].path: n for n in among}
    roots = _psr4(files, among)
    for user, full, used in uses(files, {n: source.unit for n, source in sources.items()}):
        yield user, next((paths[path] for path in _autoloaded(full, roots) if path in paths), used)
    literals = {
        n: [_plain(found[1]) for one in source.includes if (found := _LITERAL.search(one))]
        for n, source in sources.items()
    }
    endings = Endings(
        ((files[n].path, n) for n in sources), {name for found in literals.values() for name in found}, lambda *_: 0
    )
    for n, source in sources.items():
        for expression in source.includes:
            if (included := _included(expression, folder(files[n].path), paths, endings)) is not None:
                yield n, included


def _included(expression: str, place: str, paths: dict[str, int], endings: Endings) -> int | None:
    if here := _HERE.match(expression):
        ups = here["up"].count("(") + int(here["levels"] or 1) - 1 - (here["here"] == "__FILE__")
        return paths.get(join(place, "../" * ups + here["path"]) or "") if ups >= 0 else None
    literal = _LITERAL.search(expression)
    if literal is None or "__DIR__" in expression or "__FILE__" in expression:
        return None
    beside = paths.get(join(place, literal[1]) or "")
    return endings.find(_plain(literal[1]), place) if beside is None else beside


def _plain(path: str) -> str:
    return path.lstrip("./")


def _psr4(files: Sequence[File], among: Sequence[int]) -> dict[str, list[str]]:
    """Dotted namespace prefix -> folders, of every composer.json among the files."""
    roots: dict[str, list[str]] = {}
    for n in among:
        if files[n].path.rpartition("/")[2] != "composer.json":
            continue
        try:
            table = json.loads(files[n].text)
        except (ValueError, RecursionError):
            continue
        for section in ("autoload", "autoload-dev"):
            part = table.get(section) if isinstance(table, dict) else None
            rules = part.get("psr-4") if isinstance(part, dict) else None
            for prefix, places in rules.items() if isinstance(rules, dict) else ():
                for place in places if isinstance(places, list) else [places]:
                    home = join(folder(files[n].path), place) if isinstance(place, str) else None
                    if home is not None:
                        roots.setdefault(prefix.replace("\\", ".").rstrip("."), []).append(home)
    return {prefix: homes[:_MOST_FOLDERS] for prefix, homes in roots.items()}


def _autoloaded(full: str, roots: dict[str, list[str]]) -> Iterator[str]:
    """The paths where PSR-4 looks for a class, the longest prefix first."""
    if not roots or full.endswith("()"):
        return
    end = len(full)
    while (end := full.rfind(".", 0, end)) >= 0:
        for home in roots.get(full[:end], ()):
            yield under(home, f"{full[end + 1 :].replace('.', '/')}.php")
