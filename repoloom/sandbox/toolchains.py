"""How each language's programs are compiled and run: one table, and what the tools need made once a process.

Compiling makes the command's `product`, run elsewhere by `run`. Where there is nothing to compile, the source is it.
"""

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from repoloom.errors import UserError
from repoloom.sandbox.javatuples import sources

_GIB = 1 << 30
_JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto -XX:ReservedCodeCacheSize=64m -XX:-UsePerfData -Xms16m"
_JAVAC = " ".join(f"-J{flag}" for flag in [*_JVM.split(), "-Xmx512m"])
_LISTENER = """
public class Ending : System.Diagnostics.DefaultTraceListener {
    public override void Fail(string message) { Fail(message, ""); }
    public override void Fail(string message, string detail) {
        System.Console.Error.WriteLine("Debug.Assert failed " + message);
        System.Environment.Exit(134);
    }
}
"""
_CONFIGURATION = """<configuration><system.diagnostics><trace><listeners><clear/>
<add name="ending" type="Ending, ending"/></listeners></trace></system.diagnostics></configuration>
"""
_CONSOLE = "interface Console { [name: string]: (...values: any[]) => void; }\ndeclare var console: Console;\n"
"""The browser's declarations, which have it, cost half a second a program and clash with the names of functions."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """One language. `{made}` in a command is where `make` put its files."""

    source: str
    run: str
    failed: str
    """Regular expression: on standard error, or the exit status, it says that an expectation did not hold."""
    tools: tuple[str, ...]
    compile: str | None = None
    product: str = ""
    """What the compiler leaves, as a shell pattern."""
    make: Callable[[Path], None] | None = None
    reserved_bytes: int = 0
    processes: int = 32
    proc: bool = False
    """Whether the tools need a /proc."""
    environment: Mapping[str, str] = field(default_factory=dict)


def _standard_library(folder: Path) -> None:
    """A precompiled header: g++ reads <bits/stdc++.h> in 0.2 s instead of 0.9."""
    (folder / "all.h").write_text("#include <assert.h>\n#include <bits/stdc++.h>\n")
    _tool(["g++", "-std=c++17", "-x", "c++-header", "all.h", "-o", "all.h.gch"], folder)


def _tuples(folder: Path) -> None:
    (folder / "src").mkdir(exist_ok=True)
    for name, text in sources().items():
        (folder / "src" / name).write_text(text)
    _tool(["javac", "-proc:none", "-d", ".", *(f"src/{name}" for name in sources())], folder)


def _listener(folder: Path) -> None:
    """Mono's own listener goes on after a failed Debug.Assert; this one ends the program."""
    (folder / "ending.cs").write_text(_LISTENER)
    (folder / "main.exe.config").write_text(_CONFIGURATION)
    _tool(["mcs", "-target:library", "-out:ending.dll", "ending.cs"], folder)


def _typescript(folder: Path) -> None:
    """The package, wherever npm installed it: NODE_PATH, or beside a global `tsc`."""
    places = [Path(place) / "typescript" for place in os.environ.get("NODE_PATH", "").split(":") if place]
    if found := shutil.which("tsc"):
        places.append(Path(found).resolve().parents[1])
    package = next((place for place in places if (place / "lib" / "tsc.js").is_file()), None)
    if package is None:
        raise UserError("no TypeScript compiler: npm install typescript, and name its node_modules in NODE_PATH")
    shutil.copytree(package / "lib", folder / "lib", ignore=lambda _, names: [n for n in names if not _needed(n)])
    (folder / "console.d.ts").write_text(_CONSOLE)


def _needed(name: str) -> bool:
    return name in ("tsc.js", "_tsc.js") or name.startswith("lib.")


TOOLCHAINS = {
    "cpp": Toolchain(
        source="main.cpp",
        compile="g++ -std=c++17 -w -include {made}/all.h main.cpp -o main",
        product="main",
        run="exec ./main",
        failed=r"Assertion .* failed",
        tools=("g++",),
        make=_standard_library,
        environment={"SOURCE_DATE_EPOCH": "0"},  # __TIME__ is no coin to toss
    ),
    "java": Toolchain(
        source="Problem.java",
        compile=f"javac {_JAVAC} -proc:none -nowarn -cp {{made}} Problem.java",
        product="*.class",
        run=f"exec java -ea {_JVM} -Xmx512m -cp .:{{made}} Problem",
        failed="AssertionError",
        tools=("javac", "java"),
        make=_tuples,
        reserved_bytes=8 * _GIB,
        proc=True,
        processes=64,
    ),
    "c-sharp": Toolchain(
        source="main.cs",
        compile="mcs -d:DEBUG -warn:0 -r:System.Numerics.dll -out:main.exe main.cs",
        product="main.exe",
        run="cp {made}/ending.dll {made}/main.exe.config . && exec mono --debug main.exe",
        failed="Debug.Assert failed",
        tools=("mcs", "mono"),
        make=_listener,
        reserved_bytes=4 * _GIB,
        proc=True,
        processes=64,
    ),
    "typescript": Toolchain(
        source="main.ts",
        compile="node --max-old-space-size=512 {made}/lib/tsc.js --target es2022 --module commonjs --lib es2022 "
        "--skipLibCheck {made}/console.d.ts main.ts",
        product="main.js",
        run="exec node --max-old-space-size=512 main.js",
        failed="AssertionError",
        tools=("node",),
        make=_typescript,
        reserved_bytes=64 * _GIB,
        processes=64,
    ),
    "javascript": Toolchain(
        source="main.js",
        run="exec node --max-old-space-size=512 main.js",
        failed="AssertionError",
        tools=("node",),
        reserved_bytes=64 * _GIB,
        processes=64,
    ),
    "php": Toolchain(source="main.php", run="exec php main.php", failed="Test failed!", tools=("php",)),
    "shell": Toolchain(source="main.sh", run="exec bash main.sh", failed="^status 1$", tools=("bash",)),
    "python": Toolchain(source="main.py", run="exec {python} -S -B main.py", failed="AssertionError", tools=()),
}
"""By the ids of languages.toml."""

CONFIGURATION = ("/etc/java-17-openjdk", "/etc/java-21-openjdk", "/etc/mono", "/etc/php")
"""What Debian keeps out of /usr, and the tools read."""


def missing(language: str) -> str | None:
    """Why programs of this language cannot run here, in one line; None where they can."""
    absent = [tool for tool in TOOLCHAINS[language].tools if shutil.which(tool) is None]
    if absent:
        return f"{', '.join(absent)} not installed (docs/sandbox.md says what each language needs)"
    try:
        made(language)
    except UserError as error:
        return str(error)
    return None


def made(language: str) -> Path | None:
    """What the toolchain needs beside its tools, made once a process and gone with it. Raises UserError."""
    with _making:
        return _make(language)


_making = threading.Lock()


@functools.cache
def _make(language: str) -> Path | None:
    make = TOOLCHAINS[language].make
    if make is None:
        return None
    folder = Path(_folder().name) / language
    folder.mkdir(exist_ok=True)
    make(folder)
    return folder


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="repoloom-toolchains-", ignore_cleanup_errors=True)
    Path(folder.name).chmod(0o755)
    return folder


def _tool(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise UserError(f"{command[0]} does not work here: {last[0] if last else f'status {done.returncode}'}")


PYTHON = f"/python/bin/python{sys.version_info.major}.{sys.version_info.minor}"
"""The interpreter may stand under a home that nobody can enter: inside it always stands here."""

PYTHON_ENVIRONMENT = {"PYTHONHOME": "/python", "LD_LIBRARY_PATH": "/python/lib", "OPENBLAS_NUM_THREADS": "1"}


def python_binds() -> dict[str, Path]:
    """The interpreter that runs us, without its site-packages, and the room's guest modules."""
    return {"/python": Path(sys.base_prefix), "/guest/repoloom/sandbox/guest": Path(__file__).parent / "guest"}


def library_binds() -> dict[str, Path]:
    """Every library of this environment, for tests that stand on them (DS-1000's on seven)."""
    return {"/site": Path(sysconfig.get_path("purelib"))}


def numpy_binds() -> dict[str, Path]:
    """NumPy, which HumanEval's published prelude imports, where it is installed."""
    numpy = importlib.util.find_spec("numpy")
    if numpy is None or numpy.origin is None:
        return {}
    site = Path(numpy.origin).parents[1]
    return {f"/site/{name}": site / name for name in ("numpy", "numpy.libs") if (site / name).is_dir()}
