"""Scala 2 and 3: imports (braces, renames, wildcards, relative to a package around) and names of the packages around.

`package a.b` shows the file the names of `a.b`; `package a; package b` those of `a` too. What a package object holds
belongs to its package. Resolution is jvm.py's, since Kotlin, Scala and Java of one repository see each other.
"""

import re
from collections.abc import Iterator

from repoloom.curate.imports.blocks import CHARACTER, LINE_COMMENT, NESTED_COMMENT, STRING, levels
from repoloom.curate.imports.scopes import Unit
from repoloom.curate.imports.words import Pattern, Runs

_SKIP = re.compile(
    rf'''{LINE_COMMENT} | {NESTED_COMMENT} | """.*?(?:"{{3,5}}|\Z) | {STRING} | {CHARACTER}''',
    re.VERBOSE | re.DOTALL,
)
_WORD = r"(?!_\b)[^\W\d]\w*+"
_DOTTED = rf"{_WORD}(?:[ \t]*+\.[ \t]*+{_WORD})*+"
_PART = rf"{_DOTTED}(?:[ \t]*+\.[ \t]*+(?:[_*]|\{{[^{{}}]*+\}}))?+(?:[ \t]++as[ \t]++\w++)?+"
_IMPORT = Pattern(rf"port(?<=[ei][mx]port)[ \t]++({_PART}(?:[ \t]*+,\s*+{_PART})*+)")
_BEGINS_IMPORT = re.compile(r"(?:^|[^\w.])(?:im|ex)\Z")
_CLAUSE = re.compile(rf"({_DOTTED})(?:[ \t]*+\.[ \t]*+([_*]|\{{[^{{}}]*+\}}))?+(?:[ \t]++as[ \t]++(\w++))?+")
_DECLARED = Pattern(
    rf"\b(?=[cdegoptv])(?:package[ \t]++(?P<object>object[ \t]++)?+(?P<package>{_DOTTED})"
    r"|(?:class|trait|object|type|enum)\s++(?P<type>\w++)"
    r"|(?:def|val|var|given)\s++(?P<member>\w++))"
)
_RUNS = Runs(".:")
_PARAMETER = Pattern(r"(?<![\w.])(\w++):(?![:\w])")
_NAME = Pattern(r"(?<![\w.])[^\W\d]\w*+")
_QUALIFIED = Pattern(r"(?<![\w.])[a-zA-Z_]\w*+(?:\.[a-z_]\w*+)*+\.[A-Z]\w*+")
_MOST_NESTED = 32
_SPACE = re.compile(r"\s++")
_DEFAULT = ["scala", "scala.Predef", "scala.package"]
"""What every file imports."""


def extract(text: str) -> Unit:
    """Read one Scala file."""
    code = " ".join(_SKIP.split(text)).replace("`", "")
    imports: dict[str, str] = {}
    on_demand: list[str] = []
    for match in _IMPORT.on(code).finditer(code):
        if not _BEGINS_IMPORT.search(code[max(0, match.start() - 3) : match.start()]):
            continue
        for name, full in _clauses(match[1]):
            if name:
                imports[name] = full
            else:
                on_demand.append(full)
    declares: dict[tuple[str, str], None] = {}
    runs = _RUNS.of(code.replace(" :", ":"))
    own: set[str] = set(_PARAMETER.on(runs).findall(runs))
    scopes: dict[str, None] = {}
    packages: list[tuple[int, str]] = [(0, "")]
    """(blocks open inside of it, full name) of the packages around."""
    for match, depth in levels(code, _DECLARED.on(code)):
        while len(packages) > 1 and depth < packages[-1][0]:
            packages.pop()
        if match["package"] and len(packages) > _MOST_NESTED:
            continue
        if match["package"]:
            name = _SPACE.sub("", match["package"])
            inside = f"{packages[-1][1]}.{name}".lstrip(".")
            block = match["object"] or code[match.end() : match.end() + 3].lstrip().startswith("{")
            packages.append((depth + bool(block), inside))
            scopes[inside] = None
            continue
        name = match["type"] or match["member"]
        own.add(name)
        indented = code[match.start() - 1 : match.start()] not in "\n" and _indented(code, match.start())
        if depth <= packages[-1][0] and (depth or not indented):
            declares[packages[-1][1], name] = None
    return Unit(
        list(declares),
        list(reversed(scopes)) or [""],
        imports,
        [*dict.fromkeys(on_demand), *_DEFAULT],
        set(_NAME.on(runs).findall(runs)) - own,
        list(dict.fromkeys(_QUALIFIED.on(runs).findall(runs))),
    )


def _indented(code: str, position: int) -> bool:
    """Whether the line of `position` begins with space: a member, where indentation stands for braces."""
    return code[code.rfind("\n", 0, position) + 1 : position][:1] in (" ", "\t")


def _clauses(text: str) -> Iterator[tuple[str, str]]:
    """(name in this file, full name) of what an import gives; the name is "" where it gives all of it."""
    for match in _CLAUSE.finditer(text):
        base, selected, alias = _SPACE.sub("", match[1]), match[2], match[3]
        if selected is None:
            yield alias or base.rpartition(".")[2], base
        elif selected in "_*":
            yield "", base
        else:
            for part in selected[1:-1].split(","):
                words = part.replace("=>", " as ").split()
                if not words or words[0] in ("_", "*", "given"):
                    yield "", base
                else:
                    yield words[2] if len(words) > 2 else words[0], f"{base}.{words[0]}"
