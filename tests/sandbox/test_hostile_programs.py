"""Programs that cheat, break out or break things: each fails, harms nothing, and leaves nothing running."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from repoloom.sandbox import Limits, Verdict, close, judge

pytestmark = pytest.mark.usefixtures("sandbox")

PROGRAMS = sorted((Path(__file__).parents[1] / "hostile" / "programs").glob("*.py"))
TEST = """
def check(candidate):
    assert candidate(2, 3) == 5
    assert candidate(-1, 1) == 0
    assert candidate([1], [2]) == [1, 2]

check(add)
"""
LIMITS = Limits(seconds=4, memory_bytes=256 << 20)
ALLOWED = {
    "sleeps": "time limit",
    "spins": "time limit",
    "fork_bomb": "time limit",
    "prints_for_ever": "time limit",
    "stops_the_judge": "exception",
    "kills_everything": "exception",
    "exits_at_once": "exited",
    "exits_when_called": "exited",
    "exits_by_system_exit": "exited",
    "equals_everything": "wrong answer",
    "number_that_equals_everything": "wrong answer",
    "searches_frames": "wrong answer",
    "searches_files": "wrong answer",
    "reads_the_judges_memory": "wrong answer",
    "opens_sockets": "wrong answer",
    "writes_outside": "wrong answer",
    "wants_to_be_root": "wrong answer",
    "fills_memory": "exception",
    "fills_the_disk": "exception",
}
"""The outcome where it is certain; elsewhere any but a pass."""


@pytest.fixture(scope="module")
def before() -> set[int]:
    """What other tests left running: a compiler's pool, a resource tracker."""
    return {process.pid for process in psutil.Process().children(recursive=True)}


@pytest.fixture(scope="module")
def verdicts(before: set[int], sandbox: None) -> dict[str, Verdict]:
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda p: judge(p.read_text(), TEST, entry_point="add", limits=LIMITS), PROGRAMS)
        return {program.stem: verdict for program, verdict in zip(PROGRAMS, found, strict=True)}


@pytest.mark.parametrize("name", [program.stem for program in PROGRAMS])
def test_fails(verdicts: dict[str, Verdict], name: str) -> None:
    verdict = verdicts[name]
    assert not verdict.passed
    assert verdict.outcome == ALLOWED.get(name, verdict.outcome) != "passed", verdict
    assert verdict.seconds < LIMITS.seconds + 20


def test_nothing_stays_behind(before: set[int], verdicts: dict[str, Verdict]) -> None:
    assert len(verdicts) >= 10
    close()

    def left() -> list[psutil.Process]:
        return [p for p in psutil.Process().children(recursive=True) if p.is_running() and p.pid not in before]

    deadline = time.monotonic() + 30
    while left() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left() == []
    orphans = [p for p in psutil.process_iter(["cmdline", "ppid"]) if p.info["ppid"] == 1]
    assert [p for p in orphans if "/guest/repoloom" in " ".join(p.info["cmdline"] or [])] == []


def test_a_right_program_passes_beside_them() -> None:
    assert judge("def add(a, b):\n    return a + b\n", TEST, entry_point="add", limits=LIMITS).passed
