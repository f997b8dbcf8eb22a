"""What other tools say about a repository's dependencies; bench_dependencies.py compares with them.

Every reference is a function (folder, its files, options) -> Reference. None runs code of the folder.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from repoloom.curate.imports import File, edges

Pair = tuple[str, str]
_TOOLS = Path(__file__).resolve().parents[1] / "tests/curate/tools"
_MOST_STUBS = 60


@dataclass
class Reference:
    """The edges that a tool found."""

    edges: set[Pair]
    files: int
    counts: Callable[[Pair], bool]
    """Whether an edge of ours is one that the tool would have seen."""
    form: Callable[[Pair], Pair] = field(default=lambda pair: pair)
    """An edge of ours in the tool's terms (modules, packages)."""


def grimp(folder: Path, files: Sequence[File], options: str) -> Reference:
    """Modules and their direct imports by Python's own parser; `options` are the packages."""
    import grimp

    sys.path.insert(0, str(folder))
    graph = grimp.build_graph(*options.split(","), cache_dir=None)
    sys.path.pop(0)
    pairs = {(user, used) for user in graph.modules for used in graph.find_modules_directly_imported_by(user)}

    def form(pair: Pair) -> Pair:
        user, used = (path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in pair)
        return user, used

    def counts(pair: Pair) -> bool:
        return all(path.endswith(".py") for path in pair) and set(form(pair)) <= graph.modules

    return Reference(pairs, len(graph.modules), counts, form)


def gcc(folder: Path, files: Sequence[File], options: str) -> Reference:
    """The `#include` lines that the preprocessor takes, over the source files of the folder.

    `options`: the include path (`-Ilib`) and the folders whose sources that path is meant for (all where none is
    named). `-dI` keeps the lines that were taken, and a line marker follows where the file was entered; where it was
    not (an include guard), the name is looked up beside the file and along the include path, in gcc's order. A header
    that the build would generate is an empty file here. An edge of ours counts where a line with that name was taken.
    """
    words = options.split(",")
    include = [(folder / word.removeprefix("-I")).resolve() for word in words if word.startswith("-I")]
    below = tuple(f"{word}/" for word in words if word and not word.startswith("-I")) or ""
    known = {file.path for file in files}
    pairs: set[Pair] = set()
    taken: dict[str, set[str]] = {}
    with tempfile.TemporaryDirectory() as stubs:
        for file in files:
            if file.language not in ("c", "cpp") or Path(file.path).suffix.startswith((".h", ".i")):
                continue
            if not file.path.startswith(below):
                continue
            program = ["gcc", "-std=gnu11"] if file.path.endswith(".c") else ["g++", "-std=gnu++17"]
            command = [*program, "-E", "-dI", "-w", *(f"-I{i}" for i in include), "-idirafter", stubs, file.path]
            for user, name, used in _taken(_preprocess(command, folder, Path(stubs)), folder, include):
                taken.setdefault(user, set()).add("/" + re.sub(r"^(\.\.?/)*", "", name))
                if used in known:
                    pairs.add((user, used))
    return Reference(
        {pair for pair in pairs if pair[0] in known},
        len(known & set(taken)),
        lambda pair: pair in pairs or f"/{pair[1]}".endswith(tuple(taken.get(pair[0], ()))),
    )


def _preprocess(command: list[str], folder: Path, stubs: Path) -> str:
    for _ in range(_MOST_STUBS):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
        missing = re.search(r"fatal error: (\S+): No such file or directory", done.stderr)
        if missing is None or ".." in missing[1] or missing[1].startswith("/"):
            break
        (stubs / missing[1]).parent.mkdir(parents=True, exist_ok=True)
        (stubs / missing[1]).touch()
    return done.stdout


_LINE = re.compile(r'# \d+ "(?P<file>[^"]*)"(?P<flags>[ \d]*)|#include(?:_next)? (?P<open>["<])(?P<name>[^">]+)[">]')


def _taken(output: str, folder: Path, include: list[Path]) -> Iterator[tuple[str, str, str]]:
    """(user, name as written, used) of each include line in a preprocessor's output, paths seen from the folder."""

    def seen(name: str | Path) -> str:
        place = Path(os.path.normpath(folder / name))
        return place.relative_to(folder).as_posix() if place.is_relative_to(folder) else ""

    here, asked = "", None
    for line in output.splitlines():
        match = _LINE.match(line) if line.startswith("#") else None
        if match is None:
            continue
        entered = match["file"] is not None and "1" in match["flags"].split()
        if asked is not None and entered:
            yield seen(here), asked["name"], seen(match["file"])
        elif asked is not None:
            beside = [(folder / here).parent] if asked["open"] == '"' else []
            found = next((p for root in (*beside, *include) if (p := root / asked["name"]).is_file()), None)
            yield seen(here), asked["name"], "" if found is None else seen(found)
        asked = match if match["name"] is not None else None
        here = match["file"] if match["file"] is not None else here


def javac(folder: Path, files: Sequence[File], options: str) -> Reference:
    """Types of other files that javac's attribution finds named in a file."""
    pairs = _lines(["java", str(_TOOLS / "JavaEdges.java"), str(folder)])
    return Reference(pairs, sum(file.language == "java" for file in files), lambda pair: True)


def go_list(folder: Path, files: Sequence[File], options: str) -> Reference:
    """Imports between packages, as folders, tests apart; files that build tags leave out count neither way."""
    environment = {**os.environ, "GOFLAGS": "-mod=readonly", "GOPROXY": "off", "GOWORK": "off", "GOTOOLCHAIN": "local"}
    packages = []
    for manifest in sorted(folder.rglob("go.mod")):
        command = ["go", "list", "-e", "-json", "./..."]
        done = subprocess.run(command, cwd=manifest.parent, env=environment, capture_output=True, text=True)
        decoder, text = json.JSONDecoder(), done.stdout.lstrip()
        while text:
            package, end = decoder.raw_decode(text)
            packages.append(package)
            text = text[end:].lstrip()

    def seen(path: str) -> str:
        return Path(path).relative_to(folder).as_posix().removeprefix(".")

    place = {package["ImportPath"]: seen(package["Dir"]) for package in packages if "Dir" in package}
    pairs: set[Pair] = set()
    built: set[str] = set()
    usable: set[str] = set()
    for package in packages:
        home = place.get(package["ImportPath"])
        if home is None:
            continue
        for test, kinds in (("", ["Imports"]), ("_test", ["TestImports", "XTestImports"])):
            names = {name for kind in kinds for name in package.get(kind) or ()}
            pairs |= {(home + test, place[name]) for name in names if name in place}
        for kind in ("GoFiles", "CgoFiles", "TestGoFiles", "XTestGoFiles"):
            built |= {f"{home}/{name}".lstrip("/") for name in package.get(kind) or ()}
        for kind in ("GoFiles", "CgoFiles", "IgnoredGoFiles"):
            usable |= {f"{home}/{name}".lstrip("/") for name in package.get(kind) or ()}

    def form(pair: Pair) -> Pair:
        user, used = (path.rpartition("/")[0] for path in pair)
        return user + "_test" * pair[0].endswith("_test.go"), used if pair[1] in usable else pair[1]

    return Reference(pairs, len(built), lambda pair: pair[0] in built, form)


def madge(folder: Path, files: Sequence[File], options: str) -> Reference:
    """madge's graph. It follows relative names and tsconfig's `paths`; names of packages count neither way."""
    config = folder / "tsconfig.json"
    command = [
        "madge",
        "--json",
        "--extensions",
        "js,jsx,mjs,cjs,ts,tsx",
        *(["--ts-config", str(config)] * config.is_file()),
        ".",
    ]
    with tempfile.TemporaryFile("w+") as output:  # a pipe would be cut at its first 64 KiB: madge exits too early
        subprocess.run(command, cwd=folder, stdout=output, stderr=subprocess.DEVNULL, env=_node(), check=True)
        output.seek(0)
        graph: dict[str, list[str]] = json.load(output)
    pairs = {(user, used) for user, found in graph.items() for used in found if "node_modules/" not in used}
    known = {file.path for file in files}
    scripts = {file.path for file in files if file.language in ("javascript", "typescript")}
    plain = [replace(file, text="") if file.path.endswith("package.json") else file for file in files]
    followed = {(plain[user].path, plain[used].path) for user, used in edges(plain)}
    by_package = {(files[user].path, files[used].path) for user, used in edges(files)} - followed
    pairs = {pair for pair in pairs - by_package if set(pair) <= known and pair[0] in scripts}
    return Reference(pairs, len(scripts & set(graph)), lambda pair: pair in followed and set(pair) <= set(graph))


def typescript(folder: Path, files: Sequence[File], options: str) -> Reference:
    """Module names that the TypeScript compiler resolves to files of the folder."""
    scripts = [file.path for file in files if file.language in ("javascript", "typescript")]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as listed:
        listed.write("\n".join(scripts))
        listed.flush()
        pairs = _lines(["node", str(_TOOLS / "script_edges.cjs"), str(folder), listed.name])
    return Reference(pairs, len(scripts), lambda pair: set(pair) <= set(scripts))


def _lines(command: list[str]) -> set[Pair]:
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=_node())
    pairs = (line.split("\t") for line in done.stdout.splitlines())
    return {(user, used) for user, used in pairs}


def _node() -> dict[str, str]:
    """The environment with the programs of the packages in NODE_PATH on PATH."""
    folder = os.environ.get("NODE_PATH", "")
    return {**os.environ, "PATH": f"{folder}/.bin{os.pathsep}{os.environ['PATH']}"}


REFERENCES: dict[str, dict[str, Callable[[Path, Sequence[File], str], Reference]]] = {
    "python": {"grimp": grimp},
    "c": {"gcc": gcc},
    "cpp": {"g++": gcc},
    "java": {"javac": javac},
    "go": {"go list": go_list},
    "javascript": {"madge": madge, "TypeScript": typescript},
    "typescript": {"madge": madge, "TypeScript": typescript},
}
