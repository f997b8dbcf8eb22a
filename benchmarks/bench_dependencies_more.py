"""Import edges of C#, Kotlin, PHP, Ruby, Scala and Swift against tools that others wrote; MB/s a core with --speed.

Each argument is LANGUAGE:FOLDER, for kotlin and scala LANGUAGE:FOLDER:OPTIONS with what the compiler must be told. The
references are programs in tests/curate/tools: NRefactory (mono, mcs), kotlinc with a plugin (KOTLIN_HOME says where),
nikic/PHP-Parser (php), Ruby itself (it runs the code: in bubblewrap, for trusted gems alone), scalac's typer. A
language whose tool is missing is skipped with a line. Swift has no reference: its scanner is compared with
tree-sitter's grammar, which settles what is a name, not what it means.

    python benchmarks/bench_dependencies_more.py php:composer ruby:webrick c-sharp:cecil scala:akka-actor/src/main
    python benchmarks/bench_dependencies_more.py --speed php:composer

Precision counts the edges whose two files the tool read without error. Recall counts every edge of the tool whose name
stands in the user's text (compilers also see inferred types, which no file names).
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from repoloom.curate.imports import File, edges

Pair = tuple[str, str]
_TOOLS = Path(__file__).resolve().parents[1] / "tests/curate/tools"
_SUFFIXES = {
    ".cs": "c-sharp", ".java": "java", ".kt": "kotlin", ".php": "php", ".inc": "php", ".module": "php", ".rb": "ruby",
    ".scala": "scala", ".swift": "swift", ".json": "json",
}  # fmt: skip
_REPLACED = re.compile(r"^(?:\w+ )*(?:expect|actual|typealias) ", re.MULTILINE)
"""In Kotlin: what the compiler replaces by another declaration before it can be asked; such edges count neither way."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repositories", nargs="+", metavar="LANGUAGE:FOLDER[:OPTIONS]")
    parser.add_argument("--speed", action="store_true", help="MB/s a core instead of precision and recall")
    asked = parser.parse_args()
    print(
        "| repository | files | MB | MB/s |"
        if asked.speed
        else "| repository | files | ours | theirs | precision | recall |"
    )
    for repository in asked.repositories:
        language, place, options = [*repository.split(":", 2), ""][:3]
        files = _read(Path(place))
        if asked.speed:
            _speed(place, [file for file in files if file.language in (language, "json")])
            continue
        with tempfile.TemporaryDirectory() as scratch:
            try:
                told, log = _REFERENCES[language](Path(place).resolve(), Path(scratch), options)
            except FileNotFoundError as missing:
                print(f"skipped {repository}: {missing} is missing")
                continue
        _score(place, files, told, log)


def _read(place: Path) -> list[File]:
    files = []
    for path in sorted(place.rglob("*")):
        if path.suffix in _SUFFIXES and path.is_file() and path.stat().st_size < 3_000_000:
            try:
                text = path.read_text("utf-8")
            except UnicodeDecodeError:
                continue
            files.append(File(path.relative_to(place).as_posix(), _SUFFIXES[path.suffix], text))
    return files


def _score(place: str, files: list[File], told: str, log: str) -> None:
    """`told`: lines "user TAB used [TAB kind or name]"; `log`: "read TAB file" for each file read without error."""
    text = {file.path: file.text for file in files}
    words = {path: set(re.findall(r"\w+", content)) for path, content in text.items()}
    read = {line.split("\t")[1] for line in log.splitlines() if line.startswith("read\t")}
    replaced = {path for path in text if path.endswith(".kt") and _REPLACED.search(text[path])}
    truth: set[Pair] = set()
    neither: set[Pair] = set()
    for line in told.splitlines():
        user, used, *rest = line.split("\t")
        unclear = rest[:1] in (["2"], ["member"]) or (
            rest[-1:] not in ([], ["1"]) and rest[-1] not in words.get(user, ())
        )
        (neither if unclear or (rest[:1] and rest[0].isdigit() and rest[0] != "1") else truth).add((user, used))
    truth = {
        (user, used) for user, used in truth if user != used and {user, used} <= text.keys() and used not in replaced
    }
    found = {(files[user].path, files[used].path) for user, used in edges(files)}
    ours = {pair for pair in found - (neither - truth) if set(pair) <= read and pair[1] not in replaced}
    precision, recall = len(ours & truth) / max(1, len(ours)), len(found & truth) / max(1, len(truth))
    print(f"| {place} | {len(read)} | {len(ours)} | {len(truth)} | {precision:.4f} | {recall:.4f} |", flush=True)


def _speed(place: str, files: list[File]) -> None:
    megabytes = sum(len(file.text.encode()) for file in files) / 1e6
    times = []
    for _ in range(5):
        start = time.process_time()
        edges(files)
        times.append(time.process_time() - start)
    print(f"| {place} | {len(files)} | {megabytes:.1f} | {megabytes / statistics.median(times):.1f} |", flush=True)


def _run(*command: str | Path, **environment: str) -> tuple[str, str]:
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, env={**os.environ, **environment}
    )
    return done.stdout, done.stderr


def _needed(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            raise FileNotFoundError(program)


def _csharp(folder: Path, scratch: Path, options: str) -> tuple[str, str]:
    _needed("mcs", "mono")
    for library in [
        *Path("/usr/lib/cli").glob("ICSharpCode.NRefactory*/*.dll"),
        Path("/usr/lib/mono-cecil/Mono.Cecil.dll"),
    ]:
        shutil.copy(library, scratch)
    names = ("ICSharpCode.NRefactory", "ICSharpCode.NRefactory.CSharp", "ICSharpCode.NRefactory.Cecil")
    _run("mcs", f"-out:{scratch}/edges.exe", *(f"-r:{scratch / name}.dll" for name in names), _TOOLS / "CSharpEdges.cs")
    return _run("mono", scratch / "edges.exe", folder)


def _php(folder: Path, scratch: Path, options: str) -> tuple[str, str]:
    _needed("php")
    return _run("php", _TOOLS / "PhpEdges.php", folder)


def _ruby(folder: Path, scratch: Path, options: str) -> tuple[str, str]:
    _needed("ruby", "bwrap")
    sandbox = ("bwrap", "--unshare-all", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc")
    return _run(*sandbox, "ruby", _TOOLS / "ruby_edges.rb", folder)


def _scala(folder: Path, scratch: Path, options: str) -> tuple[str, str]:
    _needed("scalac", "java")
    jars = [*map(str, sorted(Path("/usr/share/scala/lib").glob("*.jar"))), *options.split(":")]
    classpath = ":".join(filter(None, jars))
    _run("scalac", "-nobootcp", "-d", scratch, "-cp", classpath, _TOOLS / "ScalaEdges.scala")
    return _run("java", "-Xss16m", "-Dscala.usejavacp=true", "-cp", f"{scratch}:{classpath}", "ScalaEdges", folder)


def _kotlin(folder: Path, scratch: Path, options: str) -> tuple[str, str]:
    """All Kotlin below `commonMain` is one fragment, which all else refines."""
    _needed("java", "bash")
    home = Path(os.environ.get("KOTLIN_HOME", "KOTLIN_HOME"))
    if not home.is_dir():
        raise FileNotFoundError("KOTLIN_HOME")
    kotlinc, library = home / "bin/kotlinc-jvm", home / "lib/kotlin-compiler.jar"
    services = scratch / "plugin/META-INF/services"
    services.mkdir(parents=True)
    (services / "org.jetbrains.kotlin.compiler.plugin.CompilerPluginRegistrar").write_text("KotlinEdges")
    _run("bash", kotlinc, "-cp", library, "-d", scratch / "plugin", _TOOLS / "KotlinEdges.kt")
    sources = sorted([*folder.rglob("*.kt"), *folder.rglob("*.java")])
    common = [file for file in sources if "commonMain" in file.parts]
    told: list[str | Path] = ["-nowarn", f"-Xplugin={scratch}/plugin", "-d", scratch / "out", *options.split()]
    if common:
        told += ["-Xmulti-platform", "-Xfragments=c,j", "-Xfragment-refines=j:c", "-Xexpect-actual-classes"]
        told += [f"-Xfragment-sources={'c' if f in common else 'j'}:{f}" for f in sources if f.suffix == ".kt"]
    _, problems = _run("bash", kotlinc, *told, *sources, EDGES_OUT=str(scratch / "edges"))
    if not (scratch / "edges").is_file():
        raise FileNotFoundError(f"a clean compilation ({problems[:300]})")
    log = "".join(f"read\t{file.relative_to(folder).as_posix()}\n" for file in sources if file.suffix == ".kt")
    return (scratch / "edges").read_text().replace(f"{folder}/", ""), log


def _swift(folder: Path, scratch: Path, options: str) -> tuple[str, str]:
    """Names used and declared as tree-sitter's grammar has them; one that a single other file declares at its top."""
    from tree_sitter_language_pack import get_parser

    from repoloom.curate.imports import swift

    files = [file for file in _read(folder) if file.language == "swift"]
    modules = swift._modules(files, range(len(files)))
    parser = get_parser("swift")
    declared: dict[tuple[str, str], set[str]] = {}
    used: dict[str, tuple[str, set[str]]] = {}
    log = ""
    for file in files:
        tree = parser.parse(file.text.encode())
        module = swift._module(file.path, modules)
        names: set[str] = set()
        visible = [module]
        stack = [(tree.root_node, 0)]
        own: set[str] = set()
        while stack:
            node, depth = stack.pop()
            text = (node.text or b"").decode() if not node.children else ""
            parent = node.parent.type if node.parent else ""
            if node.type == "directive":
                continue  # `#if os(Linux)` names no type
            if node.type == "import_declaration":
                visible.append((node.text or b"").decode().split()[-1].partition(".")[0])
                continue
            name = node.child_by_field_name("name")
            if name is not None and node.type.endswith(("_declaration", "_function_declaration")):
                extension = any(child.type == "extension" for child in node.children)
                if not extension:
                    own.add((name.text or b"").decode())
                    if depth == 1:
                        declared.setdefault((module, (name.text or b"").decode()), set()).add(file.path)
            head = node.type == "type_identifier" and parent == "user_type" and node.prev_sibling is None
            if head or (node.type == "simple_identifier" and (parent == "call_expression" or text[:1].isupper())):
                names.update({text} if parent not in ("navigation_suffix", "value_argument_label") else ())
            stack += [(child, depth + 1) for child in node.children]
        used[file.path] = (",".join(visible), names - own)
        log += f"{'unread' if tree.root_node.has_error else 'read'}\t{file.path}\n"
    lines = []
    for path, (visible_in, names) in used.items():
        for word in names:
            homes = next((declared[m, word] for m in visible_in.split(",") if (m, word) in declared), set())
            if len(homes) == 1:
                lines.append(f"{path}\t{next(iter(homes))}\t{word}")
    return "\n".join(lines), log


_REFERENCES: dict[str, Callable[[Path, Path, str], tuple[str, str]]] = {
    "c-sharp": _csharp, "kotlin": _kotlin, "php": _php, "ruby": _ruby, "scala": _scala, "swift": _swift,
}  # fmt: skip


if __name__ == "__main__":
    main()
