"""Controls: every assertion of every translated task, changed in its expectation alone."""

import json
import subprocess
from pathlib import Path

import pytest

from repoloom.tasks import load
from repoloom.tasks.controls import closing, controls

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "benchmarks"
ASSERTIONS = {"cpp": 1130, "cs": 1102, "java": 1102, "js": 1130, "php": 1130, "sh": 1121, "ts": 1115}
"""Lines of the published files that begin with an assertion."""


@pytest.mark.parametrize(
    ("language", "test", "changed"),
    [
        ("cpp", '  assert(candidate(("a)(")) == (0));\n  assert(candidate(("b")) == (1));\n', ["(1)", "(0)"]),
        ("java", '  assert(f(("")) == (0l));\n  assert(f((")")) == (1l));\n', ["(1l)", "(0l)"]),
        (
            "java",
            '  assert(f(("\\")")).equals((g((long)1l))));\n  assert(f(("x")).equals(("y)")));\n',
            ['("y)")', "(g((long)1l))"],
        ),
        ("c-sharp", "  Debug.Assert(F((1L)).SequenceEqual((a)));\n  Debug.Assert(F((2L)) == (b));\n", ["(b)", "(a)"]),
        (
            "javascript",
            '  assert.deepEqual(candidate([1, 2], "),"),[3, 4]);\n  assert.deepEqual(candidate(1),5);\n',
            ["5", "[3, 4]"],
        ),
        (
            "typescript",
            "  assert.deepEqual(candidate(1),true);\n  assert.deepEqual(candidate(2),false);\n",
            ["false", "true"],
        ),
        (
            "php",
            '    if (candidate(array(1)) !== 3) { throw 1; }\n    if (candidate(") !== 7") !== 4) { throw 1; }\n',
            ["4", "3"],
        ),
        ("shell", '    [[ $(candidate "a") = "x y" ]]\n    [[ $(candidate ") = ") = "z" ]]\n', ['"z"', '"x y"']),
    ],
)
def test_each_assertion_gets_another_expectation(language: str, test: str, changed: list[str]) -> None:
    first, last = test.splitlines()
    old = [changed[1], changed[0]]
    expected = [f"{_swap(first, old[0], changed[0])}\n{last}\n", f"{first}\n{_swap(last, old[1], changed[1])}\n"]
    assert list(controls(language, test)) == expected


def _swap(line: str, old: str, new: str) -> str:
    before, _, after = line.rpartition(old)
    return before + new + after


@pytest.mark.parametrize(
    ("language", "test", "negated"),
    [
        ("cpp", "  assert(candidate((1)) == (0));\n", "  assert(!(candidate((1)) == (0)));\n"),
        ("c-sharp", "  Debug.Assert(F((1)) == (0));\n", "  Debug.Assert(!(F((1)) == (0)));\n"),
        ("javascript", "  assert.deepEqual(candidate(1),0);\n", "  assert.notDeepEqual(candidate(1),0);\n"),
        ("php", "    if (candidate(1) !== 0) { throw 1; }\n", "    if (!(candidate(1) !== 0)) { throw 1; }\n"),
        ("shell", '    [[ $(candidate "1") = "0" ]]\n', '    [[ ! $(candidate "1") = "0" ]]\n'),
    ],
)
def test_where_all_expect_the_same_the_comparison_is_negated(language: str, test: str, negated: str) -> None:
    assert controls(language, test) == (negated,)
    assert controls(language, test + test) == (negated + test, test + negated)


def test_numbers_that_mean_the_same_are_no_change() -> None:
    test = "  assert(candidate((1)) == (2.0));\n  assert(candidate((1)) == (2.00f));\n"
    assert all("!(" in control for control in controls("cpp", test))
    assert controls("cpp", "  assert(candidate((1)) == ") == ()
    assert controls("cpp", "int main() {}") == ()


def test_brackets_close_outside_of_strings() -> None:
    assert closing('(\')\' + "\\")" [{}])x', 0) == 17
    for text in ("(", '(")', "(')\\'", "({)"[:2]):
        with pytest.raises(ValueError, match="not closed"):
            closing(text, 0)


@pytest.mark.parametrize("name", ASSERTIONS)
def test_every_published_assertion_is_found_and_nothing_else_changed(name: str) -> None:
    data = SHARED / f"humaneval-{name}.jsonl"
    if not data.exists():
        pytest.skip("../shared/data is not here")
    tasks = load(f"humaneval-{name}", data)
    assert len(tasks) == len(data.read_text().splitlines())
    assert sum(len(task.controls) for task in tasks) == ASSERTIONS[name]
    for task in tasks:
        places = []
        for control in task.controls:
            before = next(place for place, (a, b) in enumerate(zip(task.test, control, strict=False)) if a != b)
            after = next(p for p, (a, b) in enumerate(zip(task.test[::-1], control[::-1], strict=False)) if a != b)
            changed = task.test[before : len(task.test) - after]
            # Between the places is one line's worth of one assertion; strings of the data may hold line breaks.
            assert changed.count("assert") + changed.count("throw") + changed.count("[[") <= 1, changed
            places.append(before)
        assert places == sorted(places), "from the first assertion to the last"


PROGRAMS = {
    "sh": ("bash", "    echo ${#1}\n"),
    "js": ("node", "  return string.length;\n}\n"),
    "cpp": ("g++", "    return string.length();\n"),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_right_program_passes_its_test_and_fails_every_control(name: str, tmp_path: Path) -> None:
    """Outside of the sandbox: the program is ours. The real shell, node and g++ say what the texts mean."""
    tool, body = PROGRAMS[name]
    data = SHARED / f"humaneval-{name}.jsonl"
    if not data.exists():
        pytest.skip("../shared/data is not here")
    if subprocess.run(["which", tool], capture_output=True, check=False).returncode:
        pytest.skip(f"{tool} is not here")
    task = next(task for task in load(f"humaneval-{name}", data) if task.task_id == "HumanEval_23_strlen")
    ends = [_ends(name, f"{task.prompt}{body}{test}", tmp_path) for test in (task.test, *task.controls)]
    assert ends == [True] + [False] * len(task.controls)


def _ends(name: str, program: str, folder: Path) -> bool:
    source = folder / f"program.{name}"
    source.write_text(program)
    command = {"sh": ["bash", str(source)], "js": ["node", str(source)], "cpp": [str(folder / "out")]}[name]
    if name == "cpp":
        subprocess.run(["g++", "-std=c++17", "-O0", str(source), "-o", str(folder / "out")], check=True)
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_rows_without_stop_texts_or_assertions_are_refused(tmp_path: Path) -> None:
    from repoloom.errors import UserError

    row = {"name": "a", "prompt": "int f() {", "tests": "}\nint main() {}\n", "stop_tokens": ["\n}"]}
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(row))
    with pytest.raises(UserError, match="line 1: expected assertions as MultiPL-E writes them under 'test'"):
        load("humaneval-cpp", path)
