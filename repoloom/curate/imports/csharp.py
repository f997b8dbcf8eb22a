"""C#: types used by name, in the file's own namespace, the namespaces around it, and those of its `using` directives.

A `using` of a namespace is no edge by itself: the types that the file then names are. `using static` and aliases name a
type. Who uses a partial type uses all of its parts, and they use the part whose file is called like the type.
"""

import re
from collections.abc import Iterator, Sequence

from repoloom.curate.imports.blocks import BLOCK_COMMENT, CHARACTER, LINE_COMMENT, STRING, levels
from repoloom.curate.imports.file import File
from repoloom.curate.imports.scopes import Unit, uses
from repoloom.curate.imports.words import Pattern, Runs

_SKIP = re.compile(
    rf"""
      {LINE_COMMENT}
    | {BLOCK_COMMENT}
    | \"\"\".*?(?:\"\"\"|\Z)
    | @\$?+"[^"]*+(?:""[^"]*+)*+(?:"|\Z)
    | \$@"[^"]*+(?:""[^"]*+)*+(?:"|\Z)
    | {STRING}
    | {CHARACTER}
    | \#[ \t]*+(?:region|endregion|pragma|error|warning|line)\b[^\n]*+
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_NAME = r"[^\W\d]\w*+"
_DOTTED = rf"{_NAME}(?:\s*+\.\s*+{_NAME})*+"
_USING = Pattern(
    rf"using\s++(?:static\s++)?+(?:(?P<alias>{_NAME})\s*+=\s*+)?+(?:global\s*+::\s*+)?+(?P<name>{_DOTTED})\s*+[;<]"
)
_BEFORE_USING = re.compile(r"(?:^|[\n;{}])[ \t]*+(?P<global>global\s++)?+\Z")
_DECLARED = Pattern(
    rf"\b(?=[cdeinprs])(?:namespace\s++(?P<space>{_DOTTED})\s*+(?P<opens>[;{{])"
    rf"|(?P<partial>partial\s++)?+(?:class|struct|interface|enum|record(?:\s++(?:class|struct))?+)\s++(?P<type>{_NAME})"
    rf"(?=\s*+[<:{{(;\[]|\s++where\b)"
    rf"|delegate\s++[^;(){{}}]{{1,200}}?(?P<delegate>{_NAME})\s*+(?:<[^<>;]{{0,100}}+>\s*+)?+\()"
)
_SPACE = re.compile(r"\s++")
_RUNS = Runs(".;=({:")
# Not a member's declaration, assignment or call.
_TYPE_NAME = Pattern(r"[A-Z](?<![\w.][A-Z])\w*+(?![;=(]|\{(?:get|set|init)\b)")
_TYPE_ALL_THE_SAME = Pattern(r"\b(?:new|as|is):([A-Z]\w*+)(?=[;=(])")
_QUALIFIED = Pattern(r"[A-Z](?<![\w.][A-Z])\w*+(?:\.[A-Z]\w*+)++")
_ATTRIBUTE = Pattern(r"\[\s*+(?:\w++:\s*+)?+((?:[A-Z]\w*+\.)*+[A-Z]\w*+)")
_MOST_NESTED = 32
_MOST_PARTS = 50
"""Parts of one type that have edges."""


def extract(text: str) -> tuple[Unit, list[str], list[str]]:
    """Read one C# file: its unit, the full names of partial types, the scopes it imports for the whole project."""
    code = " ".join(_SKIP.split(text.removeprefix("\ufeff")))
    imports: dict[str, str] = {}
    on_demand: list[str] = []
    everywhere: list[str] = []
    for match in _USING.on(code).finditer(code):
        before = _BEFORE_USING.search(code[max(0, match.start() - 100) : match.start()])
        if before is None:
            continue  # `using (...)` in a method
        name = _SPACE.sub("", match["name"])
        if match["alias"]:
            imports[match["alias"]] = name
        else:
            (everywhere if before["global"] else on_demand).append(name)
    declares: list[tuple[str, str]] = []
    partial: list[str] = []
    own: set[str] = set()
    scopes: list[str] = []
    spaces: list[tuple[int, str]] = [(0, "")]
    """(blocks open inside of it, full name) of the namespaces around."""
    for match, depth in levels(code, _DECLARED.on(code)):
        while len(spaces) > 1 and depth < spaces[-1][0]:
            spaces.pop()
        if match["space"] and len(spaces) > _MOST_NESTED:
            continue
        if match["space"]:
            inside = f"{spaces[-1][1]}.{_SPACE.sub('', match['space'])}".lstrip(".")
            spaces.append((depth + (match["opens"] == "{"), inside))
            scopes.append(inside)
            continue
        name = match["type"] or match["delegate"]
        own.add(name)
        if depth <= spaces[-1][0]:
            declares.append((spaces[-1][1], name))
            if match["partial"]:
                partial.append(f"{spaces[-1][1]}.{name}")
    runs = _runs(code)
    names = {*_TYPE_NAME.on(runs).findall(runs), *_TYPE_ALL_THE_SAME.on(runs).findall(runs)}
    attributes = [f"{name}Attribute" for name in dict.fromkeys(_ATTRIBUTE.on(code).findall(code))]
    names.update(name for name in attributes if "." not in name)
    qualified = [*dict.fromkeys(_QUALIFIED.on(runs).findall(runs)), *(name for name in attributes if "." in name)]
    unit = Unit(declares, _around(scopes), imports, list(dict.fromkeys(on_demand)), names - own, qualified)
    return unit, partial, everywhere


def _runs(code: str) -> str:
    """The words with what tells types from members: no space before `;`, `=`, `(` and `{ get`, `new:` for `new `."""
    code = " ".join(code.split())
    for sign in (";", "=", "(", "{"):
        code = code.replace(f" {sign}", sign)
    for accessor in ("get", "set", "init"):
        code = code.replace(f"{{ {accessor}", f"{{{accessor}")
    for word in ("new", "as", "is"):
        code = code.replace(f"{word} ", f"{word}:")
    return _RUNS.of(code)


def _around(scopes: Sequence[str]) -> list[str]:
    """The namespaces and those that they are in, the innermost first; the one without a name is around all."""
    found = {"": None}
    for scope in scopes:
        parts = scope.split(".")[:32]
        found |= {".".join(parts[:length]): None for length in range(1, len(parts) + 1)}
    return sorted(found, key=lambda scope: (-scope.count("."), scope == "", scope))


def edges(files: Sequence[File], among: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The edges of the C# files."""
    units: dict[int, Unit] = {}
    parts: dict[str, list[int]] = {}
    everywhere: dict[str, None] = {}
    for n in among:
        if files[n].language == "c-sharp":
            units[n], partial, found = extract(files[n].text)
            everywhere |= dict.fromkeys(found)
            for full in dict.fromkeys(partial):
                parts.setdefault(full, []).append(n)
    if everywhere:
        units = {n: unit._replace(on_demand=[*unit.on_demand, *everywhere]) for n, unit in units.items()}
    for user, full, used in uses(files, units):
        whole = parts.get(full, [])[:_MOST_PARTS]
        yield from ((user, part) for part in (whole if used in whole else [used]))
    for full, whole in parts.items():
        # The part whose file is called like the type stands for the type.
        main = next((n for n in whole if _stem(files[n].path) == full.rpartition(".")[2]), None)
        if main is not None:
            yield from ((n, main) for n in whole)


def _stem(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".cs")
