"""Kotlin: imports (single, renamed, on demand) and names of the file's own package.

Types are not all that can be named from another file: functions, properties and type aliases at the top are too. An
extension (`fun A.f()`) is called like a member, so `x.f` is taken to mean it only if no type of the repository has
an f.
Resolution is jvm.py's, since Kotlin, Scala and Java of one repository see each other.
"""

import re

from repoloom.curate.imports.blocks import CHARACTER, LINE_COMMENT, NESTED_COMMENT, STRING, levels
from repoloom.curate.imports.scopes import Unit
from repoloom.curate.imports.words import Pattern, Runs

_SKIP = re.compile(
    rf'''{LINE_COMMENT} | {NESTED_COMMENT} | """.*?(?:"{{3,5}}|\Z) | {STRING} | {CHARACTER}''',
    re.VERBOSE | re.DOTALL,
)
_DOTTED = r"[^\W\d]\w*+(?:\.[^\W\d]\w*+)*+"
_PACKAGE = Pattern(rf"^\s*+(?:@file\b[^\n]*+\s*+)*+package\s++({_DOTTED})")
_IMPORT = Pattern(rf"^[ \t]*+import[ \t]++({_DOTTED})(\.\*)?+(?:[ \t]++as[ \t]++(\w++))?+", re.MULTILINE)
_DECLARED = Pattern(
    r"\b(?=[cfiotv])(?:(?:class|interface|object|typealias)\s++(?P<type>\w++)"
    r"|fun\b(?P<called>[^(){}=;\n]{0,200}?)(?P<function>\w++)[ \t]*+\("
    r"|va[lr]\b(?P<valued>[^(){}=:;\n]{0,200}?)(?P<property>\w++)[ \t]*+(?=[:=\n]|by\b))"
)
_RUNS = Runs(".:")
_PARAMETER = Pattern(r"(?<![\w.])([a-z]\w*+):(?!:)")
_NAME = Pattern(r"(?<![\w.])[^\W\d]\w*+|(?<=\.\.)[^\W\d]\w*+")
_AFTER_DOT = Pattern(r"\.([a-z]\w*+)")
_QUALIFIED = Pattern(r"(?<![\w.])[a-zA-Z_]\w*+(?:\.[a-z_]\w*+)*+\.[A-Z]\w*+")
_ANNOTATED_NAME = re.compile(r"@file\s*+:\s*+(?:kotlin\.jvm\.)?+JvmName\s*+\(\s*+\"(\w++)\"")

_DEFAULT = [
    "kotlin",
    "kotlin.annotation",
    "kotlin.collections",
    "kotlin.comparisons",
    "kotlin.io",
    "kotlin.jvm",
    "kotlin.ranges",
    "kotlin.sequences",
    "kotlin.text",
]
"""What every file imports."""


def extract(text: str, stem: str) -> tuple[Unit, set[str]]:
    """Read one Kotlin file: its unit, and what its types have as members.

    `stem`: the file's name without suffix, by which Java calls its functions. An extension f is named ":f".
    """
    code = " ".join(_SKIP.split(text)).replace("`", "")
    found = _PACKAGE.on(code).search(code)
    package = found[1] if found else ""
    imports: dict[str, str] = {}
    on_demand: list[str] = []
    end = 0
    last = code.find("\n", code.rfind("import"))
    for match in _IMPORT.on(code).finditer(code, 0, last if last >= 0 else len(code)):
        if match[2]:
            on_demand.append(match[1])
        else:
            imports[match[3] or match[1].rpartition(".")[2]] = match[1]
        end = match.end()
    runs = _RUNS.of(" ".join(code[end:].split()).replace(". ", ".").replace(" :", ":"))
    own: set[str] = set(_PARAMETER.on(runs).findall(runs))
    declares: dict[str, None] = {}
    members: set[str] = set()
    facade = False
    for match, depth in levels(code, _DECLARED.on(code), "{("):
        name = match["type"] or match["function"] or match["property"]
        own.add(name)
        if depth == 0:
            declares[name] = None
            facade = facade or match["type"] is None
            if (match["called"] or match["valued"] or "").endswith("."):
                declares[f":{name}"] = None
        elif match["type"] is None:
            members.add(name)
    if facade:
        named = _ANNOTATED_NAME.search(text)
        declares[named[1] if named else f"{stem[:1].upper()}{stem[1:]}Kt"] = None
    names = set(_NAME.on(runs).findall(runs))
    names.update(f":{name}" for name in _AFTER_DOT.on(runs).findall(runs))
    unit = Unit(
        [(package, name) for name in declares],
        [package],
        imports,
        [*dict.fromkeys(on_demand), *_DEFAULT],
        names - own - declares.keys(),
        list(dict.fromkeys(_QUALIFIED.on(runs).findall(runs))),
    )
    return unit, members
