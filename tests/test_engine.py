"""Workers: results in order, errors of theirs raised here, none left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from repoloom import engine
from repoloom.errors import UserError


def square(number: int) -> int:
    time.sleep(0.02 * (number % 3))  # later items finish before earlier ones
    return number * number


def refuse(number: int) -> int:
    if number == 3:
        raise UserError("three is not wanted")
    return number


def die(number: int) -> int:
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def note(place: str) -> None:
    Path(place, str(os.getpid())).touch()
    time.sleep(120)


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_results_come_in_order(processes: int):
    assert list(engine.map_ordered(square, range(8), processes)) == [n * n for n in range(8)]


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_in_a_worker_is_raised_here(processes: int):
    with pytest.raises(UserError, match="three is not wanted"):
        list(engine.map_ordered(refuse, range(6), processes))


def test_a_worker_that_dies_ends_the_map_in_one_line():
    with pytest.raises(UserError, match="a worker process died"):
        list(engine.map_ordered(die, range(6), 2))


def test_workers_die_with_a_parent_that_is_killed(tmp_path: Path):
    program = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_engine import note\nfrom repoloom import engine\n"
        "if __name__ == '__main__': list(engine.map_ordered(note, [sys.argv[1]] * 2, 2))"
    )
    script = tmp_path / "parent.py"
    script.write_text(program)
    (tmp_path / "noted").mkdir()
    parent = subprocess.Popen([sys.executable, script, tmp_path / "noted"])
    try:
        workers: list[int] = []
        while len(workers) < 2:
            assert parent.poll() is None
            time.sleep(0.05)
            workers = [int(place.name) for place in (tmp_path / "noted").iterdir()]
    finally:
        parent.kill()
        parent.wait()
    gone, alive = psutil.wait_procs([psutil.Process(pid) for pid in workers if psutil.pid_exists(pid)], timeout=20)
    assert not alive, gone
