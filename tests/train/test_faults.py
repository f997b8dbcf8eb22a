"""What a long training meets: it is stopped, killed, loses a process, a disk or bytes of it, and goes on all the same.

Each is really done to processes that really train; afterwards the run has to end as one that nothing happened to.
"""

import json
import resource
import shutil
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
import torch

from repoloom import recipe
from repoloom.train import checkpoint
from repoloom.train.checkpoint import Saver
from repoloom.train.loop import CHECKPOINTS
from repoloom.train.trainer import Trainer
from tests.train.spread import command, launch, lines, losses, started
from tests.train.tiny import Walks, job

HOW = {"steps": 30, "checkpoint_minutes": 1e-6, "validate_every": 15}
"""A checkpoint is always due: they are written one after the other, while training goes on."""
SLOW = {**HOW, "pause": 0.1}
"""Slow enough to be caught between two steps."""


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """The run of one process to which nothing happens."""
    out = tmp_path_factory.mktemp("one")
    assert launch(out, 1, **HOW)[0] == 0
    return out


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    """The same by four."""
    out = tmp_path_factory.mktemp("four")
    assert launch(out, 4, **HOW)[0] == 0
    return out


def begun(out: Path, processes: int, *options: str, **how):
    """A run that has trained for eight steps and written a checkpoint."""
    words = command(processes, str(Path(__file__).with_name("spread.py")), str(out), json.dumps(how))
    if options:
        words[3:3] = options
    return Begun(words, out)


class Begun:
    def __init__(self, words, out):
        self._started, self._out = started(words), out

    def __enter__(self):
        self.process = self._started.__enter__()
        deadline = time.monotonic() + 300
        while self.process.poll() is None and time.monotonic() < deadline:
            if step(self._out) >= 8 and saved(self._out):
                return self.process
            time.sleep(0.01)
        raise AssertionError(f"it did not get so far: {self.process.poll()}")

    def __exit__(self, *failure):
        self._started.__exit__(*failure)


def step(out: Path) -> int:
    path = out / "float32" / "metrics.jsonl"
    return sum('"loss"' in line for line in path.read_text().splitlines()) if path.exists() else 0


def saved(out: Path) -> list[Path]:
    return sorted((out / "float32" / CHECKPOINTS).glob("step-*"))


def workers(process):
    """The processes that train."""
    return psutil.Process(process.pid).children()


def close(out, other):
    assert losses(out) == pytest.approx(losses(other), abs=1e-5) and len(losses(out)) == HOW["steps"]


@pytest.fixture
def terminal():
    """Ctrl-C reaches what is started, as in a terminal: what a shell has in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(("sent", "name"), [(signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "Ctrl-C")])
def test_a_run_that_is_asked_to_stop_saves_and_leaves_and_goes_on_bit_for_bit(sent, name, one, tmp_path):
    with begun(tmp_path, 1, **SLOW) as process:
        process.send_signal(sent)
        said = process.communicate(timeout=300)[1]
    assert process.returncode == 128 + sent
    assert f"stopped by {name}, step {step(tmp_path)} is saved" in said
    assert saved(tmp_path)[-1].name == f"step-{step(tmp_path):09d}"
    assert 8 <= step(tmp_path) < HOW["steps"]
    code, said = launch(tmp_path, 1, **HOW)
    assert code == 0, said
    assert lines(tmp_path) == lines(one)


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_torchrun_that_is_asked_to_stop_saves_and_another_number_of_processes_goes_on(sent, one, tmp_path):
    with begun(tmp_path, 2, **SLOW) as process:
        children = workers(process)
        process.send_signal(sent)
        said = process.communicate(timeout=300)[1]
    assert process.returncode != 0 and "is saved: run it again" in said
    assert saved(tmp_path)[-1].name == f"step-{step(tmp_path):09d}"
    assert not any(child.is_running() for child in children)
    code, said = launch(tmp_path, 1, **HOW)
    assert code == 0, said
    close(tmp_path, one)


@pytest.mark.slow
def test_one_process_of_four_dies_and_the_run_goes_on(four, one, tmp_path):
    with begun(tmp_path, 4, **SLOW) as process:
        children = workers(process)
        assert len(children) == 4
        children[2].kill()
        said = process.communicate(timeout=300)[1]
    assert process.returncode != 0 and 'spread.py", line' not in said, "one line, no traceback but torchrun's own"
    assert not any(child.is_running() for child in children)
    shutil.copytree(tmp_path, other := tmp_path.with_name("other"))
    code, said = launch(tmp_path, 4, **HOW)
    assert code == 0, said
    assert lines(tmp_path) == lines(four)
    code, said = launch(other, 2, **HOW)
    assert code == 0, said
    close(other, one)


@pytest.mark.slow
def test_torchrun_starts_again_by_itself_where_it_may(one, tmp_path):
    with begun(tmp_path, 2, "--max-restarts=1", **SLOW) as process:
        workers(process)[1].kill()
        said = process.communicate(timeout=300)[1]
    assert process.returncode == 0, said
    close(tmp_path, one)


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_on_two_machines_each_torchrun_starts_its_own_again(one, tmp_path, killed):
    """Two torchruns on this one, as Slurm or Ray would start them. They count restarts apart."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        place = f"--rdzv-endpoint=localhost:{free.getsockname()[1]}"
    several = ["--nnodes=2", "--max-restarts=2", "--rdzv-id=two", "--rdzv-backend=c10d", place]
    script = [str(Path(__file__).with_name("spread.py")), str(tmp_path), json.dumps(SLOW)]
    words = [sys.executable, "-m", "torch.distributed.run", *several, "--nproc-per-node=1", *script]
    with started(words) as other, Begun(words, tmp_path) as process:
        workers([process, other][killed])[0].kill()
        said = [each.communicate(timeout=300)[1] for each in (process, other)]
    assert process.returncode == other.returncode == 0, said
    assert 'spread.py", line' not in "".join(said), "no traceback but torchrun's own"
    close(tmp_path, one)


@pytest.mark.slow
@pytest.mark.parametrize(("shared", "processes"), [({"tensor": 2}, 1), ({"replicate": 2}, 2), ({}, 4)])
def test_sigkill_of_all_and_a_damaged_newest_checkpoint(one, four, tmp_path, shared, processes):
    with begun(tmp_path, 4, parallel=shared, **SLOW) as process:
        children = workers(process)
        process.kill()  # of torchrun alone: what it started must not go on without it
        assert not psutil.wait_procs(children, timeout=30)[1]
    assert 2 <= len(saved(tmp_path)) <= 3, "the last two are kept, and one that was about to go"
    part = max(saved(tmp_path)[-1].glob("__*"), key=lambda file: (file.stat().st_size, file.name))
    part.write_bytes(part.read_bytes()[:-7])
    code, said = launch(tmp_path, processes, **HOW)
    assert code == 0, said
    assert said.count("is damaged: going on from the one before it") == 1
    close(tmp_path, one)
    if processes == 4:
        assert lines(tmp_path) == lines(four)


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_full_disk_ends_the_run_in_one_line_and_it_goes_on_when_there_is_room(one, tmp_path, processes):
    with begun(tmp_path, processes, **SLOW) as process:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=300)
    before = saved(tmp_path)[-1]
    words = command(processes, str(Path(__file__).with_name("spread.py")), str(tmp_path), json.dumps(SLOW))
    most = max(file.stat().st_size for file in before.iterdir()) - 1000
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))  # noqa: E731
    with started(words, preexec_fn=limit) as process:
        said = process.communicate(timeout=300)[1]
    assert process.returncode == 1 and "File too large" in said
    assert saved(tmp_path)[-1] == before, "the good one stands"
    assert not list(before.parent.glob(".partial-*")), "and nothing half-written takes the room"
    code, said = launch(tmp_path, 1, **HOW)
    assert code == 0, said
    close(tmp_path, one)


RECIPE = """
name = "wide"
model = { hidden = 128, mlp = 256, layers = 2, heads = 4, kv_heads = 2, context = 72 }
pretrain = { steps = 6, batch = 8, learning_rate = 1e-2, warmup = 4, precision = "float32", compile = "no" }
checkpoints = { every = 2 }
"""


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_a_full_disk_is_one_line_of_each_process_of_the_command(processes, street, small_disk, tmp_path):
    """A checkpoint has 5 MB. Afterwards there are 3 MB of room again."""
    (tmp_path / "recipe.toml").write_text(RECIPE)
    out = small_disk.place / "run"
    for name in ("pack", "tokenizer"):
        shutil.copytree(getattr(street, name), out / name)
    words = command(processes, "-m", "repoloom", "pretrain", str(tmp_path / "recipe.toml"), "--out", str(out))
    small_disk.fill(3_000_000)
    with started(words) as process:
        said = process.communicate(timeout=300)[1]
    assert process.returncode == 1
    line = f"repoloom: pretrain: no space left on the disk of {out / 'pretrain'}: free some, then run the command again"
    assert said.count(line) == processes and "CheckpointException" not in said
    assert not list((out / "pretrain" / CHECKPOINTS).iterdir())
    small_disk.empty()
    with started(words) as process:
        said = process.communicate(timeout=300)[1]
    assert process.returncode == 0, said


class Trained:
    """A trainer, its folder, and what the weights were after each step."""

    def __init__(self, folder, keep=None):
        self.trainer, self.folder, self.weights = Trainer(job(), "float32", 8), folder, {}
        self.saver = Saver(folder, keep)

    def step(self, number, save=True, heldout_loss=None):
        self.trainer.step(Walks()[number], 1e-2)
        self.weights[number] = [parameter.detach().clone() for parameter in self.trainer.model.parameters()]
        if save:
            self.saver.save(number, self.trainer.model, self.trainer.optimizer, heldout_loss)

    def names(self):
        self.saver.wait()
        return [int(place.name.removeprefix("step-")) for place in sorted(self.folder.glob("step-*"))]


def test_training_goes_on_while_a_checkpoint_is_written_and_does_not_change_it(tmp_path, monkeypatch):
    room, write = threading.Event(), checkpoint.save_distributed

    def slow(*arguments, **how):
        assert room.wait(60)
        return write(*arguments, **how)

    monkeypatch.setattr(checkpoint, "save_distributed", slow)
    trained = Trained(tmp_path)
    trained.step(1)
    for number in (2, 3):
        trained.step(number, save=False)
    assert not list(tmp_path.glob("step-*")), "three steps are taken and the first is still being written"
    second = threading.Thread(target=trained.step, args=(4,))
    second.start()
    time.sleep(0.2)
    assert second.is_alive(), "a second one waits for the first"
    room.set()
    second.join(60)
    assert trained.names() == [1, 4]
    shutil.rmtree(tmp_path / "step-000000004")
    other = Trainer(job(reset=lambda model: model.initialise(9)), "float32", 8)
    assert checkpoint.load(tmp_path, other.model, other.optimizer) == 1
    assert all(torch.equal(a, b) for a, b in zip(other.model.parameters(), trained.weights[1], strict=True))


KEPT = {
    "the last two": ({}, [6, 7]),
    "the last": ({"last": 1}, [7]),
    "every third": ({"every": 3}, [3, 6, 7]),
    "the best": ({"best": True, "last": 1}, [4, 7]),
    "all of these": ({"every": 5, "best": True, "last": 2}, [4, 5, 6, 7]),
}


@pytest.mark.parametrize("policy", KEPT)
def test_what_is_kept(tmp_path, policy):
    settings, expected = KEPT[policy]
    trained = Trained(tmp_path, recipe.Checkpoints(**settings))
    for number in range(1, 8):
        trained.step(number, heldout_loss={2: 3.0, 4: 2.0, 6: 2.5}.get(number))
    assert trained.names() == expected


def test_when_one_is_due(tmp_path):
    by_steps = Saver(tmp_path, recipe.Checkpoints(every=4), seconds=3600)
    assert [step for step in range(1, 13) if by_steps.due(step)] == [4, 8, 12]
    by_time = Saver(tmp_path, seconds=0.2)
    assert not by_time.due(1)
    time.sleep(0.25)
    assert by_time.due(2)
    trained = Trained(tmp_path, recipe.Checkpoints(best=True))
    trained.step(1, heldout_loss=3.0)
    assert trained.saver.due(2, 2.9) and not trained.saver.due(2, 3.1) and not trained.saver.due(2)
    trained.saver.wait()
    assert not Saver(tmp_path, recipe.Checkpoints(best=True)).due(9, 3.1), "also after the run was interrupted"


def test_a_checkpoint_that_cannot_be_written_is_told_and_leaves_nothing(tmp_path):
    trained = Trained(tmp_path)
    trained.step(1)
    trained.saver.wait()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        trained.step(2)
        while not trained.saver.failed:
            time.sleep(0.01)
        with pytest.raises(BaseException, match=r"File too large|unexpected pos"):
            trained.saver.wait()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert not trained.saver.failed and [place.name for place in tmp_path.iterdir()] == ["step-000000001"]
    trained.step(3)
    assert trained.names() == [1, 3]
