"""`--compilers`: a second opinion on syntax from each language's own compiler, where one is installed, in the sandbox.

Only parsing is asked for. A missing header, an unknown type or module is no syntax error, so each tool is stopped
before it resolves names, or only those of its complaints are heard that no name could cause:

| tool | asked | heard |
|---|---|---|
| gcc, g++ | `-fsyntax-only`, `#include` lines blanked | blocks, comments, `#if`s not closed; conflict markers |
| javac | compile policy stopped after parsing | every error |
| gofmt | `-e` | every error |
| node | `vm` compiles as CommonJS, else as a module; never runs it | refused as both |
| php | `-n -l` | its exit status |
| rustc | the crate under `#![cfg(any())]`: parsed whole, then left out | every error |

Nothing of a file is run, imported or resolved: the files lie read-only in a sandbox without network or home, many files
in one. A tool that runs out of time is asked again about half of them, then about one; what then still does not
end has no opinion. `go vet` is not asked: it needs the packages that a file imports.
"""

import re
import shlex
import shutil
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from repoloom.errors import UserError
from repoloom.sandbox import Limits, Result, bubblewrap

File = tuple[str, str, str]
"""Language, path and text of a file."""

BATCH = 100
"""Files a sandbox."""

_LIMITS = Limits(seconds=60, memory_bytes=1 << 40, processes=256, output_bytes=16 << 20)
"""Address space is no limit for a JVM or V8, which reserve far more than they use; their heaps are limited instead."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a compiler says of one file: the tool, whether it parses, and if not the first complaint (one line)."""

    tool: str
    ok: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far the screen and the compilers agree on one language's files."""

    language: str
    files: int
    both_pass: int
    both_fail: int
    screen_fails: int
    """Failed by the screen alone."""
    compiler_fails: int
    """Failed by the compiler alone."""


def opinions(files: Sequence[File]) -> list[Opinion | None]:
    """An opinion for each file; None where the language has no compiler here, or the compiler came to no end.

    Raises UserError where the sandbox is missing. `missing` says which compilers are.
    """
    if reason := bubblewrap.missing():
        raise UserError(f"compilers run in the sandbox only: {reason}")
    found: list[Opinion | None] = [None] * len(files)
    batches: defaultdict[_Tool, list[int]] = defaultdict(list)
    for number, (language, path, _) in enumerate(files):
        tool = _tool(language, path)
        if tool is not None and _place(tool.program) is not None:
            batches[tool].append(number)
    for tool, numbers in batches.items():
        for start in range(0, len(numbers), BATCH):
            for number, opinion in _ask(tool, numbers[start : start + BATCH], files):
                found[number] = opinion
    return found


def missing(languages: Iterable[str]) -> list[str]:
    """One line for each compiler that is not installed and that `languages` would ask."""
    asked = {_TOOLS[language].program for language in languages if language in _TOOLS}
    return [
        f"{program} is not installed: no second opinion from it" for program in sorted(asked) if not _place(program)
    ]


def agreement(rows: Iterable[tuple[str, bool, Opinion | None]]) -> list[Agreement]:
    """The table of (language, whether the screen passes it, opinion); files without an opinion do not count."""
    counts: defaultdict[str, defaultdict[tuple[bool, bool], int]] = defaultdict(lambda: defaultdict(int))
    for language, passes, opinion in rows:
        if opinion is not None:
            counts[language][passes, opinion.ok] += 1
    return [
        Agreement(
            language,
            sum(count.values()),
            count[True, True],
            count[False, False],
            count[False, True],
            count[True, False],
        )
        for language, count in sorted(counts.items())
    ]


def _tool(language: str, path: str) -> "_Tool | None":
    """JSX is JavaScript to us and to its authors, but not to node."""
    return None if path.endswith(".jsx") else _TOOLS.get(language)


Command = Callable[[str, Sequence[str]], list[str]]
Judge = Callable[[Result], dict[str, str] | None]


@dataclass(frozen=True, slots=True, eq=False)
class _Tool:
    program: str
    suffix: str
    command: Command
    """The command line for the program and the files, both by their places inside."""
    judge: Judge
    """The first complaint about each file that has one, by name; None if the tool broke down."""
    prepare: Callable[[str], str] = str


def _ask(tool: _Tool, numbers: Sequence[int], files: Sequence[File]) -> Iterator[tuple[int, Opinion]]:
    place = _place(tool.program)
    assert place is not None
    # A toolchain under /usr is there already; another one is bound where nobody can read it.
    prefix = place.parents[1]
    inside = prefix if prefix.is_relative_to("/usr") else Path("/tool")
    binds = {} if inside == prefix else {str(inside): prefix}
    settings = (prefix / "conf" / "security" / "java.security").resolve().parents[1]
    if settings.is_relative_to("/etc"):  # Debian's JDK keeps them there
        binds[str(settings)] = settings
    names = {f"{number}{tool.suffix}": number for number in numbers}
    with tempfile.TemporaryDirectory(prefix="repoloom-compilers-") as folder:
        Path(folder).chmod(0o755)  # it is nobody who reads it
        for name, number in names.items():
            # A NUL parts the answers of some tools; what stands in its place is as wrong.
            text = tool.prepare(files[number][2].replace("\0", "\ufffd"))
            Path(folder, name).write_bytes(text.encode("utf-8", "surrogatepass"))
        result = bubblewrap.run(
            tool.command(str(inside / place.relative_to(prefix)), [f"/files/{name}" for name in names]),
            _LIMITS,
            binds={"/files": Path(folder), **binds},
            # Without /proc a program does not find the libraries beside it by itself.
            environment={"LD_LIBRARY_PATH": f"{inside}/lib"},
        )
    complaints = tool.judge(result) if result.end == "exited" else None
    if complaints is not None:
        for name, number in names.items():
            yield number, Opinion(tool.program, name not in complaints, complaints.get(name, ""))
    elif len(numbers) > 1:
        half = len(numbers) // 2
        yield from _ask(tool, numbers[:half], files)
        yield from _ask(tool, numbers[half:], files)


@cache
def _place(program: str) -> Path | None:
    """Where the program itself stands, behind links and rustup's proxy."""
    found = shutil.which(program)
    if found is None:
        return None
    if program == "rustc":
        asked = subprocess.run([found, "--print", "sysroot"], capture_output=True, text=True, check=False)
        real = Path(asked.stdout.strip(), "bin", "rustc")
        return real if asked.returncode == 0 and real.exists() else None
    return Path(found).resolve()


def _fixed(*words: str) -> Command:
    return lambda program, files: [program, *words, *files]


def _each(words: str) -> Command:
    """One process a file. NULs stand around each answer, and none in a source, so that no source can imitate one."""
    script = (
        f'for f; do printf \'\\0%s\\0\' "${{f##*/}}"; "$program" {words} "$f" 2>&1 </dev/null || printf \'\\0\'; done'
    )
    return lambda program, files: ["/bin/sh", "-c", f"program={shlex.quote(program)}; {script}", "sh", *files]


def _lines(pattern: str, *, only_these: bool) -> Judge:
    """What a tool says on stderr in lines that match `pattern` (name, complaint).

    With `only_these`, a tool that fails and has said nothing of the kind has broken down.
    """
    line = re.compile(pattern, re.MULTILINE)

    def judge(result: Result) -> dict[str, str] | None:
        found: dict[str, str] = {}
        for match in line.finditer(result.stderr.decode("utf-8", "replace")):
            found.setdefault(match[1], match[2].strip()[:_MESSAGE])
        return None if result.code < 0 or (only_these and result.code and not found) else found

    return judge


def _answers(result: Result) -> dict[str, str] | None:
    """What `_each` and node's script print: NUL, name, NUL, words, and one more NUL if the file is refused."""
    if result.code < 0:
        return None
    found = {}
    for match in _ANSWER.finditer(result.stdout.decode("utf-8", "replace")):
        found[match[1]] = next((line.strip()[:_MESSAGE] for line in match[2].splitlines() if line.strip()), "")
    return found


_MESSAGE = 200
_ANSWER = re.compile(r"\0([^\0/]+)\0([^\0]*)\0(?=\0|\Z)")
_INCLUDE = re.compile(r"^([ \t]*)#[ \t]*include\b.*", re.MULTILINE)
_SHEBANG = re.compile(r"\A#!(?!\s*\[).*")
_STRUCTURE = (
    r"^/files/([^:\n]+):\d+(?::\d+)?: (?:fatal )?error: (expected declaration or statement at end of input|"
    r"expected .}. at end of input|unterminated [^\n]*|#\w+ without #if|version control conflict marker in file"
)
_STRAY = "|expected identifier or .\\(. before .}. token"
"""A `}` too many; g++ also complains of one after a class whose base it does not know."""
_NODE = """
const fs = require('fs'), vm = require('vm');
for (const file of process.argv.slice(1)) {
  const text = fs.readFileSync(file, 'utf8').replace(/^\\uFEFF/, '').replace(/^#!.*/, '');
  let refused = '';
  try { vm.compileFunction(text, ['exports', 'require', 'module', '__filename', '__dirname']); } catch (script) {
    refused = String(script);
    if (/^\\s*(import|export)\\b|\\bawait\\b|\\bimport\\.meta\\b/m.test(text))
      try { new vm.SourceTextModule(text); refused = ''; } catch (module) { refused = String(module); }
  }
  fs.writeSync(1, '\\0' + file.replace(/.*\\//, '') + '\\0' + refused.replaceAll('\\0', '') + (refused ? '\\0' : ''));
}
"""


def _c(program: str, suffix: str, complaints: str) -> _Tool:
    words = ("-fsyntax-only", "-w", "-nostdinc", "-fmax-errors=0", "-fno-diagnostics-show-caret")
    return _Tool(
        program, suffix, _fixed(*words), _lines(complaints, only_these=False), lambda text: _INCLUDE.sub("", text)
    )


_TOOLS = {
    "c": _c("gcc", ".c", f"{_STRUCTURE}{_STRAY})"),
    "cpp": _c("g++", ".cpp", f"{_STRUCTURE})"),
    "java": _Tool(
        "javac",
        ".java",
        _fixed(
            *("-J-Xmx512m", "-proc:none", "-XDrawDiagnostics", "-Xmaxerrs", "100000", "-d", "/work"),
            *("-XDshould-stop.ifNoError=PARSE", "-XDshould-stop.ifError=PARSE"),
        ),
        _lines(r"^([^:\n]+\.java):\d+:\d+: (compiler\.err\.[^\n]*)", only_these=True),
    ),
    "go": _Tool("gofmt", ".go", _fixed("-e", "-l"), _lines(r"^/files/([^:\n]+):\d+:\d+: ([^\n]*)", only_these=True)),
    "javascript": _Tool(
        "node",
        ".js",
        _fixed("--experimental-vm-modules", "--no-warnings", "--max-old-space-size=512", "--eval", _NODE, "--"),
        _answers,
    ),
    "php": _Tool("php", ".php", _each("-n -l"), _answers),
    "rust": _Tool(
        "rustc",
        ".rs",
        _each("--edition 2021 --crate-type lib --emit metadata -o /work/out -A warnings --error-format short"),
        _answers,
        # On the first line, so that no line number moves; a byte order mark or #! there would no longer be the first.
        lambda text: "#![cfg(any())] " + _SHEBANG.sub("", text.removeprefix("\ufeff")),
    ),
}
