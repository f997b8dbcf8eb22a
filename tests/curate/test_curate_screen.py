import os
import random
import re
import shutil
import subprocess
import sys
import sysconfig
import warnings
from pathlib import Path

import pytest
from curated import SITE, package

from repoloom.curate import brackets, screen
from repoloom.curate.screen import DEEPEST, LARGEST, READ_WHOLE, SCREENS, misplaced, python_error, reason, syntax
from repoloom.languages import LANGUAGES, detect

PROSE = "This is a letter about the weather, it's been very nice: we went for a walk (and came back).\n" * 30


def headers(folder: Path, most: int) -> list[tuple[str, str, str]]:
    found = []
    for path in sorted(folder.rglob("*.h"))[: most * 3 : 3]:
        text = path.read_text("utf-8", "replace")
        language = detect(str(path), text[:4096])
        if language and len(text) < 200_000:
            found.append((language.id, str(path), text))
    return found


@pytest.mark.parametrize(
    ("folder", "at_most"),
    [
        (SITE / "numpy", 0.02),
        (SITE / "torch" / "include" / "ATen", 0.02),
        (SITE / "torch" / "include" / "c10", 0.02),
        (Path(sysconfig.get_path("include")), 0.02),
    ],
)
def test_valid_headers_full_of_macros_pass(folder: Path, at_most: float) -> None:
    files = headers(folder, 120)
    if len(files) < 20:
        pytest.skip(f"no headers in {folder.name}")
    failed = [path for language, path, text in files if syntax(language, path, text)]
    assert len(failed) <= at_most * len(files), failed


def test_shuffled_tokens_and_prose_fail() -> None:
    rng = random.Random(0)
    files = headers(SITE / "numpy", 60)
    caught = 0
    for language, path, text in files:
        tokens = re.findall(r"\w+|\s+|[^\w\s]", re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL))
        rng.shuffle(tokens)
        caught += syntax(language, path, "".join(tokens)) is not None
    assert caught > 0.5 * len(files)
    for language in sorted(SCREENS):
        if language not in {"css", "shell", "php"}:  # prose is a shell command, and what stands around PHP
            assert syntax(language, "a", PROSE) is not None, language


VALID = {
    "c": '#define X(a) a\n#include <stdio.h>\nint main(void) { X(puts("hi")); return 0; }\n',
    "cpp": "template <class T> struct A { T t; auto operator<=>(const A&) const = default; };\n",
    "cuda": "__global__ void k(float* x) { x[threadIdx.x] = 0; }\nvoid f() { k<<<1, 2>>>(0); }\n",
    "c-sharp": "record P(int X); class A { int F() => this is { } ? 1 : 2; }\n",
    "css": "@media (min-width: 3em) { a:hover { color: #fff; } }\n",
    "go": "package a\n\nfunc Map[T any](x []T) []T { return x }\n",
    "java": "record P(int x) {}\nclass A { int f(Object o) { return o instanceof P(int x) ? x : 0; } }\n",
    "javascript": "const A = async ({ b, ...c }) => <p>{b ?? (await c?.d)}</p>;\nclass X { #y = 1; static { } }\n",
    "json": '{"a": [1, 2.5e3, null, true], "b": {"c": "\\u00e9"}}\n',
    "rust": 'fn f<\'a, T: Into<&\'a str>>(x: T) -> &\'a str { match x.into() { y @ ("a" | "b") => y, _ => "" } }\n',
    "kotlin": "data class A(val x: Int)\nfun f(a: A?) = a?.x ?: 0\n",
    "lua": "local t = { [1] = function(...) return ... end }\ngoto done\n::done::\n",
    "php": "<?php enum A: string { case B = 'b'; }\nfn(int|string $x): ?A => $x?->y ?? throw new E;\n",
    "ruby": "def f(x:, **o) = x => { a: }\nputs <<~E\n  } #{f(x: 1)}\nE\n",
    "scala": 'case class A(x: Int)\nobject B { def f(a: A) = a match { case A(x) if x > 0 => s"${x}}" } }\n',
    "shell": "case $1 in a) echo ${x:-}} ;; esac\ncat <<E\n}\nE\n",
    "swift": "struct A<T> { let x: T?\n  func f() throws -> [T] { guard let y = x else { return [] }; return [y] } }\n",
    "typescript": "type A<T> = T extends infer U ? { [k in keyof U]?: U[k] } : never;\nenum B { C = 1 }\n",
}


@pytest.mark.parametrize("language", sorted(SCREENS))
def test_current_syntax_of_every_screened_language_passes(language: str) -> None:
    assert LANGUAGES[language].grammar
    assert misplaced(language, "a", VALID[language]) == 0


def test_tsx_is_read_as_tsx() -> None:
    text = "export const A = ({ b }: { b: string }) => <div className={b}>text <B<string> c /></div>;\n"
    assert syntax("typescript", "a.tsx", text) is None
    assert misplaced("typescript", "a.tsx", text) == 0


def test_python_is_judged_by_its_compiler() -> None:
    texts = package("sympy", 50)
    assert all(syntax("python", path, text) is None for path, text in texts.items())
    bad = ("print 'old'\n", "def f(:\n", "def f(a, a): 1\n", "x = (\n", "a\0b", "nonlocal x\n", "  x = 1\n y = 2\n")
    for text in bad:
        assert syntax("python", "a.py", text) == (1.0, 0.0)
    assert syntax("python", "a.py", "\ufeffx = 1\n") is None
    assert python_error("x = 1\ndef f(:\n") == "line 2: invalid syntax"


@pytest.mark.parametrize(
    "text",
    [
        "(" * 10**5,
        "-" * 10**5 + "1",
        "a" + ".b" * 10**5,
        "lambda:" * 10**5 + "1",
        "1+" * 10**5 + "1",
        "a" + "()" * 10**5,
    ],
)
def test_hostile_python_is_refused_not_followed(text: str) -> None:
    assert syntax("python", "a.py", text) == (1.0, 0.0)


def test_warnings_and_execution_stay_out(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert syntax("python", "a.py", 'print("ran")\nx = "\\d" is 1\n') is None
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("language", sorted(set(VALID) - {"c", "ruby", "scala", "shell"}))
def test_any_bracket_dropped_fails(language: str) -> None:
    text = VALID[language]
    for spot in (match.start() for match in re.finditer(r"[(){}\[\]]", text)):
        broken = text[:spot] + text[spot + 1 :]
        assert syntax(language, "a", broken) is not None, broken


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("c", "#define X(a) a\nint main(void) { X(1); return 0; \n"),
        ("ruby", "def f(x:, **o) = x => { a: \nputs <<~E\n  } #{f(x: 1)}\nE\n"),
        ("ruby", "class A\n  def f\n    1\nend\n"),
        ("scala", 'case class A(x: Int)\nobject B { def f(a: A) = a match { case A(x) if x > 0 => s"${x}}" }\n'),
        ("shell", "case $1 in a) echo ${x:-}} ;;\n"),
        ("shell", "f() {\n  echo }\n"),
        ("shell", "if true; then\n  for x in 1; do echo; done\n"),
        ("lua", "local function f()\n  if x then\n  return 1\nend\n"),
    ],
)
def test_a_block_left_open_fails_whatever_strings_hold(language: str, text: str) -> None:
    assert syntax(language, "a", text) is not None


@pytest.mark.parametrize("language", sorted(SCREENS.keys() | READ_WHOLE))
def test_conflict_markers_and_nuls_fail_in_every_language(language: str) -> None:
    text = VALID.get(language, "x = 1\n")
    assert syntax(language, "a", text) is None
    conflict = f"{text}<<<<<<< HEAD\n{text}||||||| base\n=======\n{text}>>>>>>> theirs\n"
    assert syntax(language, "a", conflict) == (1.0, 0.0)
    assert reason(language, "a", conflict) == f"line {text.count(chr(10)) + 1}: a merge conflict"
    assert syntax(language, "a", text + "\0") == (1.0, 0.0)
    assert reason(language, "a", text) == ""


def test_what_only_resembles_a_conflict_passes() -> None:
    for text in ("Title\n=======\n", ">>>>>>> quoted\n", "<<<<<<< a\n", "x = 1  # <<<<<<< a\n=======\n>>>>>>> b\n"):
        assert syntax("python", "a.py", f'"""\n{text}"""\n') is None


C_VALID = [
    "#ifdef A\nif (x) {\n#else\nif (y) {\n#endif\n}\n",
    "#if 0\nit's not { code\n#endif\nint x;\n",
    "#if 0\n{\n#else\nint x;\n#endif\n",
    "#define OPEN {\n#define F(x) do { \\\n  x( \n",
    '#ifdef __cplusplus\nextern "C" {\n#endif\nint f(void);\n#ifdef __cplusplus\n}\n#endif\n',
    "char a = '{', b = '\\'', *c = \"\\\"{\"; // {\n/* { */ int d;\n",
    "int x = 1'000'000; char32_t c = u8'('; int y = 0xFF'FF;\n",
    'auto s = R"x({ ")" )x"; auto t = LR"({)";\n',
    "// a comment \\\n that goes on {\nint x;\n",
    "#if A\n{\n#elif B\n{\n#elif C\n{\n#endif\n}\n",
    "#if A\n#if B\n{\n#else\n{\n#endif\n#else\n{\n#endif\n}\n",
]
C_BROKEN = [
    "int f(void) { return 0;\n",
    "int f(void) return 0; }\n",
    "#ifndef A\n#define A\nint x;\n",
    "int x;\n#endif\n",
    "int x; /* and so on\n",
    "int f(int x[3) { }\n",
    "#ifdef A\nif (x) {\n#else\nif (y) {\n#endif\n",
    "#ifndef A\nvoid f() {\n#else\n#error no\n#endif\n",
    "#ifdef A\n{}\n#else\n{\n#endif\n",
]


@pytest.mark.parametrize("text", C_VALID)
def test_brackets_of_c_live_with_macros(text: str) -> None:
    assert brackets.c_family_error(text.encode()) is None
    assert brackets.c_family_error(text.replace("\n", "\r\n").encode()) is None


@pytest.mark.parametrize("text", C_BROKEN)
def test_brackets_of_c_that_do_not_close_are_seen(text: str) -> None:
    assert brackets.c_family_error(text.encode()) is not None
    assert syntax("c", "a.c", text) == (1.0, 0.0)


def test_a_brace_dropped_anywhere_in_a_real_header_is_seen() -> None:
    data = (SITE / "pyarrow" / "include" / "arrow" / "type.h").read_bytes()
    assert brackets.c_family_error(data) is None
    spots = [match.end() for match in re.finditer(rb"(?m)^ *[{}]$", data)]
    assert len(spots) > 50
    assert all(brackets.c_family_error(data[: spot - 1] + data[spot:]) for spot in spots)


@pytest.mark.parametrize(("program", "flag", "language"), [("bash", "-n", "shell"), ("ruby", "-c", "ruby")])
def test_what_its_own_interpreter_parses_passes(program: str, flag: str, language: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    if program == "ruby":
        asked = subprocess.run(["ruby", "-e", "puts RbConfig::CONFIG['rubylibdir']"], capture_output=True, text=True)
        paths = sorted(Path(asked.stdout.strip()).rglob("*.rb"))[::20]
    else:
        paths = sorted(Path(shutil.which(program) or "").parent.iterdir())
    files = []
    for path in paths:
        if path.is_file() and not path.is_symlink() and os.path.getsize(path) < 50_000 and len(files) < 60:
            text = path.read_bytes().decode("utf-8", "replace")
            known = detect(str(path), text[:4096]) if "\0" not in text else None
            if known and known.id == language:
                files.append((path, text))
    accepted = [f for f in files if subprocess.run([program, flag, f[0]], capture_output=True).returncode == 0]
    if len(accepted) < 10:
        pytest.skip("too few scripts here")
    assert sum(syntax(language, str(p), text) is not None for p, text in accepted) <= 0.05 * len(accepted)


@pytest.mark.parametrize("language", sorted(SCREENS.keys() | {"shell"}))
def test_hostile_nesting_comes_to_an_end(language: str) -> None:
    """In a process of its own, so that a crash of a parser is seen for what it is."""
    code = (
        "import sys\nfrom repoloom.curate.screen import syntax\n"
        "for text in ('[' * 10**6, '{' * 10**6, '(' * 10**6, 'a<' * 5000, 'if(x)' * 5000, '-' * 10**4):\n"
        "    print(syntax(sys.argv[1], 'a', text))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, language], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:3] == ["(1.0, 0.0)"] * 3


def test_nesting_is_measured_as_deep_as_it_is() -> None:
    assert brackets.deeper(b"(" * 10**6, 10**6 - 1) and not brackets.deeper(b"(" * 10**6, 10**6)
    assert brackets.deeper(b"()" * 10**5 + b"[{(", 2) and not brackets.deeper(b"()" * 10**5 + b"[{(", 3)
    assert not brackets.deeper(b"))))(", 0)
    fits = "[" * DEEPEST + "]" * DEEPEST
    assert syntax("json", "a.json", fits) is None
    assert syntax("json", "a.json", f"[{fits}]") == (1.0, 0.0)


def test_a_parser_that_runs_away_is_ended_and_the_next_file_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = "a<" * 150_000  # seconds in tree-sitter's C++
    assert syntax("cpp", "a.cpp", VALID["cpp"]) is None
    monkeypatch.setattr(screen, "SECONDS", 0.05)
    monkeypatch.setattr(screen, "SECONDS_A_MEGABYTE", 0.0)
    assert syntax("cpp", "a.cpp", slow) == (1.0, 0.0)
    assert reason("cpp", "a.cpp", slow) == "the parser did not come to an end"
    monkeypatch.undo()
    assert syntax("cpp", "a.cpp", VALID["cpp"]) is None


@pytest.mark.timeout(120)  # a quadratic one would take hours
@pytest.mark.parametrize(
    "text", ["/*" * 10**5, '"\\' * 10**5, 'R"(' * 10**5, "'a" * 10**5, "#if\n" * 10**5, "//\\\n" * 10**5, "}" * 10**5]
)
def test_the_scanner_of_c_is_linear_on_hostile_text(text: str) -> None:
    brackets.c_family_error((text * 20).encode())


@pytest.mark.timeout(120)  # a quadratic one would take hours
def test_a_conflict_is_sought_in_linear_time() -> None:
    syntax("json", "a.json", "<<<<<<< a\n" * 50_000 + "=======\n" * 30_000 + "# >>>>>>> ")


def test_other_languages_and_huge_files_pass() -> None:
    assert syntax("sql", "a.sql", PROSE) is None
    assert syntax("markdown", "a.md", PROSE) is None
    assert syntax("agda", "a.agda", PROSE) is None
    assert syntax("python", "a.py", "(" * (LARGEST + 1)) is None
