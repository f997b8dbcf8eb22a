"""One warm sandbox, many programs: nothing of one reaches the next, and the sandboxes end when nobody wants them."""

import contextlib
import multiprocessing
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from repoloom.sandbox import Limits, close, judge, warm
from repoloom.sandbox.guest import landlock

pytestmark = pytest.mark.usefixtures("sandbox")

PATIENT = Limits(seconds=60)


def answer(program: str, limits: Limits = PATIENT) -> str:
    """What `f()` of the program gives, told by a test that fails with it."""
    found = judge(program, "raise ValueError(str(f()))", entry_point="f", limits=limits)
    return found.detail.removeprefix("ValueError: ")


def nurseries() -> list[psutil.Process]:
    found = [p for p in psutil.Process().children() if p.name() == "bwrap"]
    return [process for process in found if "nursery.py" in " ".join(process.cmdline())]


def test_nothing_of_one_program_reaches_the_next() -> None:
    leaves = """
import builtins, os, sys, math, random
open("/work/left", "w").write("x")
builtins.left = math.left = sys.left = os.environ["LEFT"] = "x"
if os.fork() == 0:
    os.setsid()
    import time
    time.sleep(60)
def f():
    return os.listdir("/work")
"""
    looks = """
import builtins, math, os, socket, sys
def f():
    found = os.listdir("/work") + [n for m in (builtins, math, sys) for n in dir(m) if n == "left"]
    pids = [pid for pid in range(1, 400) if alive(pid)]
    return found, os.environ.get("LEFT"), pids == [1, os.getpid()], os.getpid() < 10
def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
"""
    for _ in range(4):
        assert answer(leaves) == "['left']"
        assert answer(looks) == "([], None, True, True)"


def test_each_program_has_its_own_limits() -> None:
    look = "import resource\ndef f():\n    return [resource.getrlimit(r)[0] for r in (2, 7, 6)]"
    for memory, files, processes in ((300 << 20, 100, 20), (400 << 20, 50, 30)):
        limits = Limits(seconds=60, memory_bytes=memory, open_files=files, processes=processes)
        assert answer(look, limits) == str([memory, files, processes])
    disk = """
def f():
    try:
        open("x", "wb").write(b"0" * 300_000)
        return "fits"
    except OSError:
        return "full"
"""
    assert answer(disk, Limits(seconds=60, disk_bytes=200_000)) == "full"
    assert answer(disk, Limits(seconds=60, disk_bytes=1 << 20)) == "fits"


def test_no_capability_is_left_and_none_can_be_had() -> None:
    program = """
import ctypes, os
libc = ctypes.CDLL(None)
def f():
    header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    got = libc.capget(header, data), list(data)
    bound = [number for number in range(64) if libc.prctl(23, number, 0, 0, 0) == 1]
    return got, libc.prctl(39, 0, 0, 0, 0), libc.prctl(21, 0, 0, 0, 0), bound, os.getuid()
"""
    assert answer(program) == "((0, [0, 0, 0, 0, 0, 0]), 1, 2, [], 65534)"


def test_landlock_forbids_what_the_walls_might_let_through() -> None:
    program = """
import os
def f():
    try:
        os.kill(1, 0)
        return "reaches the judge"
    except PermissionError:
        return "refused"
"""
    if landlock.version() < 6:
        pytest.skip("this kernel's Landlock scopes no signals")
    assert answer(program) == "refused"


def test_a_landlock_that_refuses_is_no_weaker_sandbox() -> None:
    """In a process of its own, since what the refusal leaves behind cannot be undone."""
    program = "from repoloom.sandbox.guest import landlock\nlandlock._RESTRICT = 9999\nlandlock.lock('/tmp')\n"
    if not landlock.version():
        pytest.skip("this kernel has no Landlock")
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 1 and "refuses to lock" in ended.stderr


def test_a_program_that_ran_out_of_time_holds_up_nothing() -> None:
    assert (
        judge("def f():\n    while True: pass", "f()", entry_point="f", limits=Limits(seconds=1)).outcome
        == "time limit"
    )
    assert judge("def f():\n    return 1", "assert f() == 1", entry_point="f", limits=PATIENT).passed


def test_where_memory_runs_out_warm_sandboxes_go_first() -> None:
    assert answer("def f():\n    return 1") == "1"
    scores = {Path(f"/proc/{nursery.pid}/oom_score_adj").read_text().strip() for nursery in nurseries()}
    assert scores == {"1000"}  # and so of all that they start


def test_a_sandbox_that_was_killed_is_replaced() -> None:
    assert answer("def f():\n    return 1") == "1"
    for process in nurseries():
        inside = process.children(recursive=True)
        for child in inside:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(inside, 10)
    assert answer("def f():\n    return 2") == "2"


def test_they_outlive_the_thread_that_started_them_and_end_when_closed() -> None:
    close()
    thread = threading.Thread(target=answer, args=("def f():\n    return 1",))
    thread.start()
    thread.join()
    before = {process.pid for process in nurseries()}
    assert before
    assert answer("def f():\n    return 1") == "1"
    assert before <= {process.pid for process in nurseries()}
    close()
    deadline = time.monotonic() + 30
    while nurseries() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert nurseries() == []


def _in_a_fork(queue: "multiprocessing.Queue[str]") -> None:
    queue.put(answer("def f():\n    return 'forked'"))
    close()


def test_a_fork_has_its_own() -> None:
    assert answer("def f():\n    return 1") == "1"
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=_in_a_fork, args=(queue,))
    process.start()
    assert queue.get(timeout=60) == "forked"
    process.join()
    assert answer("def f():\n    return 2") == "2"
    assert warm._busy == 0
