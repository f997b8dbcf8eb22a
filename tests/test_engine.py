"""Functions mapped by processes: in order, errors told, nothing left behind. Run as a program, this file is killed."""

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

ROOT = Path(__file__).parents[1]


def square(number: int) -> int:
    time.sleep(0.002 * (number % 3))
    return number * number


def fails(number: int) -> int:
    if number == 3:
        raise ValueError(f"no {number}")
    return number


def dies(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def refuses(number: int) -> int:
    raise UserError(f"worker {number} refuses")


def writes_for_ever(place: Path) -> None:
    """A line a hundredth of a second, for a minute at most."""
    with place.open("w") as file:
        for number in range(6000):
            print(number, file=file, flush=True)
            time.sleep(0.01)


def sleeps_in_the_second(number: int) -> int:
    if number:
        time.sleep(3600)
    return number


def fails_at_places(item: tuple[int, frozenset[int]]) -> list[int]:
    """Visits ten places of an item but those left out; at three of them it meets with an accident."""
    number, left_out = item
    found = []
    for place in range(10):
        if place in left_out:
            continue
        engine.at(number, place)
        if number == 1 and place == 2:
            os.kill(os.getpid(), signal.SIGSEGV)
        if number == 1 and place == 5:
            time.sleep(600)
        if number == 2 and place == 7:
            eaten = [b"x" * 50_000_000 for _ in range(20)]
            time.sleep(600 * len(eaten))
        found.append(place)
    engine.at(-1)
    return found


@pytest.mark.parametrize("processes", [2, None])
def test_a_place_that_crashes_hangs_or_eats_memory_is_left_out_and_the_rest_goes_on(processes: int | None) -> None:
    losses: list[tuple[tuple[int, ...], str]] = []

    def without(loss: engine.Loss[tuple[int, frozenset[int]]]) -> tuple[int, frozenset[int]]:
        losses.append((loss.at[:2], loss.why))
        if loss.why == "memory":
            assert loss.measure > loss.threshold == 400_000_000
        return loss.item[0], loss.item[1] | {loss.at[1]}

    items = [(number, frozenset[int]()) for number in range(4)]
    watch = engine.Watch(without, seconds=3, memory=400_000_000)
    with engine.Pool(processes) as pool:
        results = list(pool.map_ordered(fails_at_places, items, watch))
    whole = list(range(10))
    assert results == [whole, [0, 1, 3, 4, 6, 7, 8, 9], [0, 1, 2, 3, 4, 5, 6, 8, 9], whole]
    assert sorted(losses) == [((1, 2), "crash"), ((1, 5), "time"), ((2, 7), "memory")]


def length(place: Path) -> int:
    return place.stat().st_size if place.exists() else 0


def wait_for(condition: object, seconds: float = 30) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


@pytest.mark.parametrize("processes", [1, 2, 5, None])
def test_results_come_in_order_for_any_number_of_processes(processes: int | None) -> None:
    assert list(engine.map_ordered(square, range(20), processes)) == [number**2 for number in range(20)]


def test_one_item_or_one_process_needs_no_other_process() -> None:
    assert list(engine.map_ordered(lambda number: number + os.getpid(), [1], 4)) == [1 + os.getpid()]
    assert list(engine.map_ordered(lambda number: number, [1, 2, 3], 1)) == [1, 2, 3]
    assert list(engine.map_ordered(square, [], 4)) == []


@pytest.mark.parametrize("processes", [1, 2])
def test_an_exception_in_a_worker_is_raised_here_in_its_turn(processes: int) -> None:
    results = engine.map_ordered(fails, range(6), processes)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="no 3"):
        next(results)
    assert not workers_of(os.getpid()), "what is left is not worked on"


def test_a_workers_line_for_the_user_stays_one() -> None:
    with pytest.raises(UserError, match=r"^worker 0 refuses$"):
        list(engine.map_ordered(refuses, range(2), 2))


def test_a_worker_that_dies_is_one_line_for_the_user() -> None:
    with pytest.raises(UserError, match=r"a worker process died.*run the command again"):
        list(engine.map_ordered(dies, range(6), 2))


@pytest.mark.timeout(120)
def test_whoever_stops_early_waits_for_nothing() -> None:
    """Also where items are begun that take longer than anyone would wait."""
    results = engine.map_ordered(sleeps_in_the_second, range(2), 2)
    assert next(results) == 0
    results.close()
    wait_for(lambda: not workers_of(os.getpid()))


def workers_of(process: int) -> list[psutil.Process]:
    """Worker processes: all descendants but multiprocessing's own tracker of resources."""
    found = []
    for child in psutil.Process(process).children(recursive=True):
        try:
            if "spawn_main" in " ".join(child.cmdline()):
                found.append(child)
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_worker_outlives_a_parent_that_is_killed(tmp_path: Path, end: signal.Signals) -> None:
    places = [tmp_path / "0", tmp_path / "1"]
    command = [sys.executable, "-m", "tests.test_engine", *map(str, places)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True) as parent:
        wait_for(lambda: all(length(place) > 20 for place in places))
        workers = workers_of(parent.pid)
        assert len(workers) == 2
        parent.send_signal(end)  # to the parent alone
        parent.wait(30)
    psutil.wait_procs(workers, timeout=30)
    assert not [worker for worker in workers if worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE]
    before = [length(place) for place in places]
    time.sleep(0.2)
    assert [length(place) for place in places] == before


def test_interrupted_from_the_terminal_it_says_nothing_but_its_own_traceback(tmp_path: Path) -> None:
    """Ctrl-C goes to every process of the terminal's group; the command line turns the parent's into an exit code."""
    places = [tmp_path / "0", tmp_path / "1"]
    command = [sys.executable, "-m", "tests.test_engine", *map(str, places)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True) as parent:
        wait_for(lambda: len(workers_of(parent.pid)) == 2)
        os.killpg(parent.pid, signal.SIGINT)  # while they still start
        _, said = parent.communicate(timeout=30)
    assert said.count("Traceback") == 1, said
    assert said.endswith("KeyboardInterrupt\n")


def test_a_process_started_after_its_parent_went_ends_at_once() -> None:
    program = "from repoloom.engine import die_with_parent; die_with_parent(1 << 22); print('goes on')"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")


if __name__ == "__main__":
    from tests.test_engine import writes_for_ever as work  # as workers know it

    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in a shell's background
    for _ in engine.map_ordered(work, [Path(argument) for argument in sys.argv[1:]], 2):
        pass
