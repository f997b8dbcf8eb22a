"""Hostile programs in C++, Java, JavaScript and Bash: each fails, harms nothing, and leaves nothing running."""

import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from repoloom.sandbox import Limits, check
from repoloom.sandbox.toolchains import missing

pytestmark = pytest.mark.usefixtures("sandbox")

SUFFIXES = {".cpp": "cpp", ".java": "java", ".js": "javascript", ".sh": "shell"}
FOLDER = Path(__file__).parents[1] / "hostile" / "programs"
PROGRAMS = sorted(path for path in FOLDER.iterdir() if path.suffix in SUFFIXES)
LIMITS = Limits(seconds=5, memory_bytes=512 << 20)
TESTS = {
    ".cpp": (
        "}\nint main() {\n    auto candidate = add;\n{}}\n",
        "    assert(candidate({}, {}) == ({}));\n",
    ),
    ".java": (
        "    }\n    public static void main(String[] args) {\n{}    }\n}\n",
        "        assert(add({}l, {}l) == ({}l));\n",
    ),
    ".js": (
        "const assert = require('node:assert');\nfunction test() {\n  let candidate = add;\n{}}\ntest();\n",
        "  assert.deepEqual(candidate({}, {}),{});\n",
    ),
    ".sh": (
        '}\ncandidate() {\n    add "$@"\n}\nset -e\nrun_test() {\n{}}\nrun_test\n',
        '    [[ $(candidate "{}" "{}") = "{}" ]]\n',
    ),
}
"""As MultiPL-E writes the tests of a function `add`."""
CASES = ((2, 3, 5), (-1, 1, 0), (10, 20, 30))
RIGHT = {
    ".cpp": "#include <assert.h>\nlong add(long a, long b) {\n    return a + b;\n",
    ".java": "class Problem {\n    public static long add(long a, long b) {\n        return a + b;\n",
    ".js": "function add(a, b) {\n  return a + b;\n}\n",
    ".sh": "add() {\n    echo $(($1 + $2))\n",
}
BELIEVES_ANYTHING = """
cpp: exits_when_called static_initialiser_exits constructor_prints_success redefines_assert defines_main_away
cpp: equals_everything catches_abort overrides_assert_fail embeds_its_source leaves_a_daemon
java: static_initialiser_exits halts_when_called thread_halts forgives_errors halts_in_the_end turns_assertions_off
js: exits_when_called exits_at_once patches_assert patches_the_require_cache replaces_the_test
js: reads_the_test_function reads_its_source forgives_exceptions exits_well_in_the_end
sh: exits_at_once becomes_another traps_its_exit reads_its_source reads_its_source_by_bash_source
sh: reads_the_test_function skips_every_command leaves_a_daemon
"""
"""Programs that end with status 0 whatever the tests say: only a false test tells them from right ones."""
BELIEVERS = {
    f"{name}.{line.partition(':')[0]}"
    for line in BELIEVES_ANYTHING.strip().splitlines()
    for name in line.partition(":")[2].split()
}


def program(source: str, suffix: str, cases: Sequence[tuple[int, int, int]] = CASES) -> str:
    frame, line = TESTS[suffix]
    return source + frame.replace("{}", "".join(line.format(*case) for case in cases), 1)


def controls(source: str, suffix: str, cases: Sequence[tuple[int, int, int]] = CASES) -> list[str]:
    """One expectation made the next one's, for each."""
    found = []
    for place, (a, b, _) in enumerate(cases):
        wrong = (a, b, cases[(place + 1) % len(cases)][2])
        found.append(program(source, suffix, (*cases[:place], wrong, *cases[place + 1 :])))
    return found


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.name)
def test_fails(path: Path) -> None:
    language = SUFFIXES[path.suffix]
    if reason := missing(language):
        pytest.skip(reason)
    source = path.read_text()
    verdict = check(language, program(source, path.suffix), controls(source, path.suffix), LIMITS)
    assert not verdict.passed, verdict
    if path.name in BELIEVERS:
        assert verdict.outcome in ("passed a false test", "time limit"), verdict


def test_there_are_enough_and_the_list_names_them() -> None:
    assert len(PROGRAMS) >= 40
    assert {path.name for path in PROGRAMS} >= BELIEVERS


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_right_program_passes_the_same_tests(suffix: str) -> None:
    if reason := missing(SUFFIXES[suffix]):
        pytest.skip(reason)
    source = RIGHT[suffix]
    found = check(SUFFIXES[suffix], program(source, suffix), controls(source, suffix), Limits(seconds=30))
    assert found.passed, found


def test_nothing_stays_behind() -> None:
    def left() -> list[psutil.Process]:
        running = psutil.process_iter(["cmdline"])
        return [p for p in running if p.info["cmdline"] == ["sleep", "61.31"]]

    deadline = time.monotonic() + 30
    while left() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left() == []


def test_leaving_in_the_last_of_many_assertions_is_always_found() -> None:
    if reason := missing("javascript"):
        pytest.skip(reason)
    cases = [(number, 1, number + 1) for number in range(9)]
    source = "let calls = 0;\nfunction add(a, b) {\n  if (++calls == 9) process.exit(0);\n  return a + b;\n}\n"
    for _ in range(3):
        verdict = check("javascript", program(source, ".js", cases), controls(source, ".js", cases), LIMITS)
        assert verdict.outcome == "passed a false test"
