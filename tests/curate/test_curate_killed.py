"""SIGKILL at random instants, then the command once more: the bytes of a run that nothing disturbed."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from curated import package

from repoloom.curate import chain, curate, measure, source, weave
from repoloom.engine import cores
from repoloom.recipe import Curate
from repoloom.stage import read_manifest

PACKAGES = ("click", "h11", "httpcore", "httpx", "jinja2", "pluggy")
RECIPE = "name = 'killed'\nseed = 5\n[curate]\nheldout = 0.3\ndocument_megabytes = 0.05\nshard_megabytes = 0.2\n"
SETTINGS = Curate(heldout=0.3, document_megabytes=0.05, shard_megabytes=0.2)

Start = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def start(collected: Callable[..., Path], tmp_path: Path) -> Iterator[Start]:
    """Starts `repoloom curate` on the packages into `tmp_path/out`, as a session of its own."""
    shards = collected({name: package(name, 12) for name in PACKAGES}, shard_megabytes=0.15)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE)
    command = [sys.executable, "-m", "repoloom", "curate", shards, "--out", tmp_path / "out", "--recipe", recipe]
    # Pieces of work so small that these few files make several, for two workers.
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text("from repoloom.curate import source\nsource.PIECE = 100_000\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), *sys.path])}
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        started.append(
            subprocess.Popen(
                list(map(str, command)),
                env=environment,
                start_new_session=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        )
        return started[-1]

    yield start
    for process in started:
        with process:  # which closes its pipe
            for left in session(process.pid):
                os.kill(left, signal.SIGKILL)


def whole(out: Path) -> dict[str, int]:
    """The files that stand whole, the stage's cache among them, and when each was written."""
    found = {}
    for folder, _, names in os.walk(out):
        if Path(folder).is_relative_to(out / ".work"):
            continue  # scratch
        for path in (Path(folder, name) for name in names if not name.startswith(".")):
            with contextlib.suppress(FileNotFoundError):
                found[str(path.relative_to(out))] = path.stat().st_mtime_ns
    return found


def session(leader: int) -> list[int]:
    """The processes of a session that still run."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def test_killed_again_and_again_it_ends_with_the_same_bytes(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(0)
    out = tmp_path / "out"
    kills = 0
    for kind, number in ((".cache/measured", 1), (".cache/woven", 1), ("documents/", 1), ("ledger/", 1)):
        before = whole(out)
        process = start()
        while process.poll() is None and sum(name.startswith(kind) for name in whole(out).keys() - before) < number:
            time.sleep(0.002)
        if not kills:
            assert len(session(process.pid)) >= 4 or cores() == 1  # two workers and what multiprocessing adds
        time.sleep(rng.random() * 0.02)
        process.send_signal(signal.SIGKILL)
        if process.wait() != -signal.SIGKILL:
            break  # it was faster
        kills += 1
        deadline = time.monotonic() + 60
        while (left := session(process.pid)) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not left, "workers outlive their parent"
        after = whole(out)
        assert all(after[name] == before[name] for name in before if name in after)  # nothing whole is made again
    assert kills >= 2
    process = start()
    _, errors = process.communicate()
    assert process.returncode == 0, errors.decode()

    other = tmp_path / "undisturbed"
    for module in (source, measure, weave, chain):
        monkeypatch.setattr(module, "PIECE", 100_000)
    curate(tmp_path / "collect", other, SETTINGS, 5, processes=1)
    expected, found = read_manifest(other), read_manifest(out)
    assert found["outputs"] == expected["outputs"] and found["counts"] == expected["counts"]
    for name in expected["outputs"]:
        assert (out / name).read_bytes() == (other / name).read_bytes()
    assert whole(out).keys() == whole(other).keys()
    assert not [path for path in out.rglob("*") if path.name == ".work" or path.name.startswith(".partial")]
