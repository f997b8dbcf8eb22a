import random
import re
import sysconfig
import warnings
from pathlib import Path

import pytest
from curated import SITE, package

from repoloom.curate.screen import LARGEST, SCREENED, THRESHOLD, misplaced, python_error, syntax
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
    for language in sorted(SCREENED - {"css"}):
        assert syntax(language, "a", PROSE) is not None, language


VALID = {
    "c": '#define X(a) a;\n#include <stdio.h>\nint main(void) { X(puts("hi")) return 0; }\n',
    "cpp": "template <class T> struct A { T t; auto operator<=>(const A&) const = default; };\n",
    "cuda": "__global__ void k(float* x) { x[threadIdx.x] = 0; }\nvoid f() { k<<<1, 2>>>(0); }\n",
    "c-sharp": "record P(int X); class A { int F() => this is { } ? 1 : 2; }\n",
    "css": "@media (min-width: 3em) { a:hover { color: #fff; } }\n",
    "go": "package a\n\nfunc Map[T any](x []T) []T { return x }\n",
    "java": "record P(int x) {}\nclass A { int f(Object o) { return o instanceof P(int x) ? x : 0; } }\n",
    "javascript": "const A = async ({ b, ...c }) => <p>{b ?? (await c?.d)}</p>;\nclass X { #y = 1; static { } }\n",
    "json": '{"a": [1, 2.5e3, null, true], "b": {"c": "\\u00e9"}}\n',
    "rust": 'fn f<\'a, T: Into<&\'a str>>(x: T) -> &\'a str { match x.into() { y @ ("a" | "b") => y, _ => "" } }\n',
    "typescript": "type A<T> = T extends infer U ? { [k in keyof U]?: U[k] } : never;\nenum B { C = 1 }\n",
}


@pytest.mark.parametrize("language", sorted(SCREENED))
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
    for text in ("print 'old'\n", "def f(:\n", "return 1\n", "x = (\n", "a\0b", "nonlocal x\n", "  x = 1\n y = 2\n"):
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


@pytest.mark.parametrize("text", ["[" * 300_000, "{" * 300_000, "a<" * 150_000, "(" * 300_000])
@pytest.mark.parametrize("language", ["c", "cpp", "javascript", "json", "typescript"])
def test_hostile_nesting_comes_to_an_end(language: str, text: str) -> None:
    failed = syntax(language, "a", text)
    assert failed is None or failed == (failed[0], THRESHOLD)


def test_other_languages_and_huge_files_pass() -> None:
    assert syntax("sql", "a.sql", PROSE) is None
    assert syntax("markdown", "a.md", PROSE) is None
    assert syntax("agda", "a.agda", PROSE) is None
    assert syntax("python", "a.py", "(" * (LARGEST + 1)) is None
