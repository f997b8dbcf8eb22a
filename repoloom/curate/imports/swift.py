"""Swift: types and functions of the file's own module, and of the repository's modules that it imports, by their name.

Inside a module files see each other without imports; a file uses the file that declares a name it uses. Modules are the
targets of `Package.swift` where it stands among the files, else the folders below `Sources/` and `Tests/`; what lies in
neither is one module (a project of Xcode's).
"""

import re
from collections.abc import Iterator, Sequence

from repoloom.curate.imports.blocks import LINE_COMMENT, NESTED_COMMENT, STRING, levels
from repoloom.curate.imports.file import File
from repoloom.curate.imports.paths import ancestors, folder, join
from repoloom.curate.imports.scopes import Unit, uses
from repoloom.curate.imports.words import Pattern, Runs

_SKIP = re.compile(
    rf"""
      {LINE_COMMENT}
    | {NESTED_COMMENT}
    | \#(?P<marks>\#{{0,7}}+)"(?:"".*?(?:"{{3}}\#(?P=marks)|\Z)|[^\n]*?(?:"\#(?P=marks)|$))
    | \"\"\"[^"\\]*+(?:(?:\\.?+|"(?!""))[^"\\]*+)*+(?:"{{3}}|\Z)
    | {STRING}
    | \#(?:else)?+if\b[^\n]*+
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_KINDS = "class|struct|enum|protocol|typealias|associatedtype|actor|macro"
_IMPORT = Pattern(
    rf"^[ \t]*+(?:@\w++(?:\([^()\n]*+\))?+[ \t]++|(?:public|internal|package|private|fileprivate)[ \t]++)*+"
    rf"import[ \t]++(?:(?P<kind>{_KINDS}|func|var|let)[ \t]++)?+(?P<name>\w++(?:\.\w++)*+)",
    re.MULTILINE,
)
_DECLARED = Pattern(
    rf"\b(?=[acefilmpstv])(?:(?:(?:{_KINDS})\s++(?!func\b|var\b|let\b)(?P<type>\w++)"
    rf"|func\s++(?:(?P<function>\w++)|[^\s\w<(){{}}:]++)|init\b[?!]?+|subscript\b)(?:\s*+<(?P<generic>[^<>(){{}}]*+))?+"
    rf"|(?:let|var)\s++(?P<value>\w++))"
)
_RUNS = Runs(".({")
_TYPE_NAME = Pattern(r"[A-Z_](?<![\w.][A-Z_])\w*+|[A-Z](?<=\.\.\.[A-Z])\w*+")
_FUNCTION_NAME = Pattern(r"[a-z_](?<![\w.][a-z_])\w*+(?=[({])")
_QUALIFIED = Pattern(r"[A-Z_](?<![\w.][A-Z_])\w*+(?:\.[A-Z_]\w*+)++")
_TARGET = re.compile(r"\.(?:target|executableTarget|testTarget|macro|plugin|systemLibrary)\s*+\(")
_FIELD = re.compile(r'\b(name|path)\s*+:\s*+"([^"\n]{1,200}+)"')
_SOURCES = frozenset({"Sources", "Source", "Tests", "Plugins", "src"})


def extract(text: str, module: str) -> Unit:
    """Read one Swift file of `module`."""
    code = " ".join(piece for piece in _SKIP.split(text) if piece).replace("`", "")
    return _unit(code, module)


def _unit(code: str, module: str) -> Unit:
    imports: dict[str, str] = {}
    on_demand: dict[str, None] = {}
    end = code.find("\n", code.rfind("import"))  # of the last line that may import
    head, code = (code[:end], code[end:]) if end >= 0 else (code, "")
    for match in _IMPORT.on(head).finditer(head):
        if match["kind"]:
            imports[match["name"].rpartition(".")[2]] = match["name"]
        else:
            on_demand[match["name"].partition(".")[0]] = None
    code = _IMPORT.on(head).sub(" ", head) + code
    own: set[str] = set()
    declares: dict[str, None] = {}
    for match, depth in levels(code, _DECLARED.on(code)):
        name = match["type"] or match["function"] or match["value"]
        if match["generic"]:
            own.update(parameter.partition(":")[0].strip() for parameter in match["generic"].split(","))
        if name:
            own.add(name)
            if depth == 0:
                declares[name] = None
    runs = _RUNS.of(code.replace(" {", "{"))
    names = {*_TYPE_NAME.on(runs).findall(runs), *_FUNCTION_NAME.on(runs).findall(runs)} - own
    qualified = _QUALIFIED.on(runs).findall(runs)
    return Unit([(module, name) for name in declares], [module], imports, list(on_demand), names, qualified)


def edges(files: Sequence[File], among: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The edges of the Swift files."""
    swift = [n for n in among if files[n].language == "swift"]
    modules = _modules(files, swift)
    units = {n: extract(files[n].text, _module(files[n].path, modules)) for n in swift}
    for user, _, used in uses(files, units):
        yield user, used


def _modules(files: Sequence[File], swift: Sequence[int]) -> dict[str, str]:
    """Folder -> the module whose sources it holds, as the manifests say."""
    found: dict[str, str] = {}
    for n in swift:
        path = files[n].path
        if path.rpartition("/")[2] != "Package.swift":
            continue
        for piece in _TARGET.split(files[n].text)[1:]:
            fields = dict(reversed(_FIELD.findall(piece)))
            if "name" in fields and "path" in fields and (place := join(folder(path), fields["path"])) is not None:
                found.setdefault(place, fields["name"])
    return found


def _module(path: str, modules: dict[str, str]) -> str:
    """The module that a file belongs to."""
    place = folder(path)
    for above in ancestors(place):
        if above in modules:
            return modules[above]
    parts = place.split("/")
    for position, part in enumerate(parts[:-1]):
        if part in _SOURCES:
            return parts[position + 1]
    return ""
