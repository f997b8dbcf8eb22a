"""What a program finds inside, and what becomes of it when it oversteps."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from repoloom.sandbox import Limits, run

pytestmark = pytest.mark.usefixtures("sandbox")

QUICK = Limits(seconds=5)


def shell(script: str, limits: Limits = QUICK, stdin: bytes = b"") -> str:
    result = run(["/bin/sh", "-c", script], limits, stdin=stdin)
    return result.stdout.decode()


def test_nobody_with_an_empty_environment_and_home() -> None:
    assert shell("id -u; id -g; id -G").split() == ["65534"] * 3
    names = {line.partition("=")[0] for line in shell("env").splitlines()}
    assert names <= {"PATH", "HOME", "TMPDIR", "LANG", "PWD", "OLDPWD", "SHLVL", "_"}
    assert shell("ls -A ~; pwd").split() == ["/work"]
    assert set(shell("ls /").split()) <= {"bin", "sbin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "usr", "work"}
    assert shell("hostname").strip() == "sandbox"


def test_it_is_nobody_in_truth_not_root_under_a_name() -> None:
    seen = []
    with subprocess.Popen([sys.executable, "-c", _RUN.format(command=["sleep", "7.31"])]) as process:
        deadline = time.monotonic() + 30
        while not seen and time.monotonic() < deadline:
            seen = [p.uids().real for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "7.31"]]
        process.kill()
    assert seen == [65534 if os.geteuid() == 0 else os.getuid()]


def test_where_memory_runs_out_it_is_the_program_that_is_killed() -> None:
    """By its score: to let the memory of this machine run out is no test."""
    seen = []
    with subprocess.Popen([sys.executable, "-c", _RUN.format(command=["sleep", "7.41"])]) as process:
        deadline = time.monotonic() + 30
        while not seen and time.monotonic() < deadline:
            pids = [p.pid for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "7.41"]]
            seen = [Path(f"/proc/{pid}/oom_score_adj").read_text().strip() for pid in pids]
        process.kill()
    assert seen == ["1000"]


def test_only_the_work_folder_can_be_written_and_not_without_end() -> None:
    assert shell("echo x >/usr/x || echo x >/x || echo x >/dev/x || echo x >/etc/x || echo none").strip() == "none"
    assert shell("echo x >/work/x && cat /work/x").strip() == "x"
    small = Limits(seconds=5, disk_bytes=1 << 20, file_bytes=1 << 19)
    assert "0" in shell("head -c 400000 /dev/zero >a; head -c 400000 /dev/zero >b; echo $?", small)
    assert "0" not in shell("for f in a b c d; do head -c 400000 /dev/zero >$f || echo full; done; ls -l d", small)[:4]
    assert shell("head -c 600000 /dev/zero >a; stat -c %s a", small).strip() in {"", "524288"}


def test_no_network_reaches_this_machine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        script = f"import socket; socket.create_connection(('127.0.0.1', {port}), 1)"
        result = run(["/usr/bin/env", "python3", "-c", script], QUICK)
        assert result.code != 0
        try:
            server.accept()
            reached = True
        except TimeoutError:
            reached = False
    assert not reached


def test_other_processes_cannot_be_seen() -> None:
    assert shell("ls /proc 2>/dev/null | wc -l").strip() == "0"
    assert shell(f"kill -0 {os.getpid()} 2>/dev/null && echo seen || echo none").strip() == "none"


def test_output_is_capped_while_it_is_read() -> None:
    result = run(["/bin/sh", "-c", "yes"], Limits(seconds=10, output_bytes=10_000))
    assert (result.end, len(result.stdout)) == ("output limit", 10_000)
    assert result.seconds < 9


def test_wall_clock_ends_the_whole_tree() -> None:
    result = run(["/bin/sh", "-c", "(sleep 61.17 & sleep 61.17 & sleep 61.17)"], Limits(seconds=0.5))
    assert result.end == "time limit"
    assert result.seconds < 30
    _gone(["sleep", "61.17"])


def test_a_program_that_closes_its_output_still_ends() -> None:
    result = run(["/bin/sh", "-c", "exec >&- 2>&-; sleep 61.19"], Limits(seconds=0.5))
    assert result.end == "time limit"
    _gone(["sleep", "61.19"])


def test_input_arrives_whole_and_a_program_may_ignore_it() -> None:
    data = os.urandom(300_000)
    assert run(["/bin/cat"], QUICK, stdin=data).stdout == data
    assert run(["/bin/true"], QUICK, stdin=data).code == 0


def test_a_missing_command_is_a_result() -> None:
    result = run(["/nowhere/compiler"], QUICK)
    assert result.end == "exited"
    assert result.code != 0


def test_the_tree_dies_with_its_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", _RUN.format(command=["sleep", "61.23"])]) as process:
        deadline = time.monotonic() + 30
        while not _running(["sleep", "61.23"]) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert _running(["sleep", "61.23"])
        process.send_signal(signal.SIGKILL)
    _gone(["sleep", "61.23"])


_RUN = "from repoloom.sandbox import Limits, run; run({command}, Limits(seconds=60))"


def _running(command: list[str]) -> bool:
    return any(p.info["cmdline"] == command for p in psutil.process_iter(["cmdline"]))


def _gone(command: list[str]) -> None:
    deadline = time.monotonic() + 30
    while _running(command) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _running(command)
