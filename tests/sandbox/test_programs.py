"""Programs in eight languages: right ones pass, wrong ones fail, and no pass counts that a false test gets too."""

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from repoloom.errors import UsageError
from repoloom.languages import LANGUAGES
from repoloom.sandbox import Limits, Verdict, check
from repoloom.sandbox.toolchains import TOOLCHAINS, missing
from repoloom.tasks.controls import controls

pytestmark = pytest.mark.usefixtures("sandbox")

TABLES = sorted((Path(__file__).parent / "programs").glob("*.toml"))
REAL = Path(__file__).parents[3] / "shared" / "data" / "benchmarks"
SHORT = {"cpp": "cpp", "java": "java", "c-sharp": "cs", "typescript": "ts"}
SHORT |= {"javascript": "js", "php": "php", "shell": "sh"}
BRACED = ("typescript", "javascript", "php")
"""Where the tests do not begin with the brace that closes the function."""
LIMITS = Limits(seconds=60)
CASES = [(table.stem, task) for table in TABLES for task in tomllib.loads(table.read_text()) if task[0] == "H"]


def read(language: str) -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "programs" / f"{language}.toml").read_text())


def need(language: str) -> None:
    if reason := missing(language):
        pytest.skip(reason)


def program(language: str, task: str, body: str, expected: list[str] | None = None) -> str:
    """The program with `body`, and its own tests or others' expectations."""
    table = read(language)
    case = table[task]
    name = re.findall(r"\w+", case["signature"].partition("(")[0])[-1]
    wanted = expected or [value for _, value in case["tests"]]
    lines = [
        table["test"].replace("ARGUMENTS", arguments).replace("EXPECTED", value)
        for (arguments, _), value in zip(case["tests"], wanted, strict=True)
    ]
    text: str = table["form"].replace("SIGNATURE", case["signature"]).replace("BODY", body)
    return text.replace("TESTS", "\n    ".join(lines)).replace("NAME", name)


def twins(language: str, task: str, body: str) -> Iterator[str]:
    """The same program with one expectation made another's."""
    wanted = [value for _, value in read(language)[task]["tests"]]
    for place, value in enumerate(wanted):
        for other in wanted:
            if other != value:
                yield program(language, task, body, [*wanted[:place], other, *wanted[place + 1 :]])
                break


def verdict(language: str, task: str, body: str) -> Verdict:
    """With one control, which saves compiling two more; the hostile programs have all theirs."""
    return check(language, program(language, task, body), [next(twins(language, task, body))], LIMITS)


def test_there_are_ten_of_each() -> None:
    assert {language: sum(language == each for each, _ in CASES) for language in SHORT} == dict.fromkeys(SHORT, 10)


@pytest.mark.parametrize(("language", "task"), CASES)
def test_right_and_wrong(language: str, task: str) -> None:
    need(language)
    case = read(language)[task]
    right = verdict(language, task, case["right"])
    assert right.passed, right
    wrong = verdict(language, task, case["wrong"])
    assert wrong.outcome in ("wrong answer", "exception", "syntax error"), wrong


@pytest.mark.slow
@pytest.mark.parametrize(("language", "task"), CASES)
def test_right_and_wrong_against_the_real_tests(language: str, task: str) -> None:
    path = REAL / f"humaneval-{SHORT[language]}.jsonl"
    if not path.is_file():
        pytest.skip("no benchmark data beside the repository")
    need(language)
    row = next(row for row in map(json.loads, path.read_text().splitlines()) if row["name"] == task)
    for body, passes in ((read(language)[task]["right"], True), (read(language)[task]["wrong"], False)):
        start = f"{row['prompt']}    {body}\n{'}' if language in BRACED else ''}\n"
        false = [start + controls(language, row["tests"])[0]]
        found = check(language, start + row["tests"], false, LIMITS)
        assert found.passed == passes, found


def test_a_pass_that_false_tests_get_too_is_none() -> None:
    text = "print('all tests passed')\nraise SystemExit(0)\nassert 1 == {}\n"
    assert check("python", text.format(1), [text.format(2)], LIMITS).outcome == "passed a false test"
    text = "assert 1 == {}\n"
    assert check("python", text.format(1), [text.format(2)], LIMITS).passed
    assert check("python", text.format(2), [text.format(1)], LIMITS).outcome == "wrong answer"


def test_python_programs_have_this_environments_libraries() -> None:
    text = "import networkx, pyarrow\nassert len(pyarrow.array([1, 2])) + len(networkx.path_graph(3)) == {}\n"
    assert check("python", text.format(5), [text.format(4)], LIMITS).passed
    assert not check("python", "open('/site/left', 'w')\n", ["assert False\n"], LIMITS).passed


def test_python_programs_have_numpy_and_the_interpreter_that_runs_us() -> None:
    ours = tuple(sys.version_info[:3])
    text = f"import sys, numpy\nassert sys.version_info[:3] == {ours}\nassert numpy.sum([1, 2]) == {{}}\n"
    assert check("python", text.format(3), [text.format(4)], LIMITS).passed


def test_without_walls_the_verdicts_are_the_same() -> None:
    for language, text in (("python", "assert 1 == {}"), ("shell", "[[ 1 = {} ]]"), ("cpp", _UNSAFE_CPP)):
        need(language)
        assert check(language, text.format(1), [text.format(2)], LIMITS, unsafe=True).passed
        assert not check(language, text.format(2), [text.format(1)], LIMITS, unsafe=True).passed


_UNSAFE_CPP = "#include <cassert>\nint main() {{ assert(1 == {}); }}"


def test_it_refuses_what_proves_nothing() -> None:
    with pytest.raises(UsageError, match="control"):
        check("python", "assert True", [], LIMITS)
    with pytest.raises(UsageError, match="no toolchain for 'cobol'"):
        check("cobol", "", [""], LIMITS)


def test_runs_share_no_disk_and_see_no_source_where_it_is_compiled() -> None:
    need("cpp")
    text = (
        "#include <cassert>\n#include <fstream>\nint main() {{\n"
        'assert(!std::ifstream("main.cpp") && !std::ifstream("seen"));\nstd::ofstream("seen") << 1;\n'
        "assert(1 == {});\n}}\n"
    )
    found = check("cpp", text.format(1), [text.format(2), text.format(3)], LIMITS)
    assert found.passed, found


def test_every_language_of_the_table_is_known() -> None:
    assert set(TOOLCHAINS) <= set(LANGUAGES)
