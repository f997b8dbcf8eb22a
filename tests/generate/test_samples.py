"""Samples by file: resumed after a kill, never mixed, the same whatever happened."""

import json
import subprocess
import sys
import textwrap
import time

import pytest

from repoloom.errors import UserError
from repoloom.generate import Sampling, backends, samples
from repoloom.generate.backends import Prompt
from repoloom.model import huggingface

SAMPLING = Sampling(max_tokens=24, temperature=0.8, top_p=0.95, seed=3)
TASKS = [(f"task/{number}", Prompt(f"def f{number}(x):\n" + "    x += 1\n" * (number % 5))) for number in range(12)]


@pytest.fixture(scope="module")
def folder(generator, tokenizer_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("model") / "model"
    huggingface.save(generator.model, tokenizer_folder, out)
    return out


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory):
    """The file of a run that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole") / "samples.jsonl"
    samples.write(backends.open(str(folder)), TASKS, 4, SAMPLING, out)
    return out.read_bytes()


def test_every_sample_of_every_task(whole):
    rows = [json.loads(line) for line in whole.splitlines()]
    assert [(row["task_id"], row["sample"]) for row in rows] == [(name, n) for name, _ in TASKS for n in range(4)]
    assert all(set(row) == {"task_id", "sample", "completion", "finish", "tokens"} for row in rows)
    assert len({row["completion"] for row in rows[:4]}) > 1  # each sample draws for itself


def test_resumed_after_any_cut(whole, folder, tmp_path):
    """What a kill leaves: some rows, in the order in which they were finished, the last one torn."""
    backend = backends.open(str(folder))
    out = tmp_path / "samples.jsonl"
    samples.write(backend, TASKS, 4, SAMPLING, out)
    lines = whole.splitlines(keepends=True)
    for kept in (0, 1, 17, 47):
        out.write_bytes(b"".join(reversed(lines[:kept])) + lines[kept][:-9])
        if kept == 0:
            out.write_bytes(lines[0])
        samples.write(backend, TASKS, 4, SAMPLING, out)
        assert out.read_bytes() == whole


def test_a_killed_process_is_resumed(whole, folder, tmp_path):
    out = tmp_path / "samples.jsonl"
    program = f"""
        import torch
        torch.set_num_threads(1)
        from tests.generate.test_samples import SAMPLING, TASKS
        from repoloom.generate import backends, samples, generator
        generator.ROWS = 2
        from pathlib import Path
        samples.write(backends.open({str(folder)!r}), TASKS, 4, SAMPLING, Path({str(out)!r}))
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)])
    while process.poll() is None and not (out.exists() and out.read_bytes().count(b"\n") > 3):
        time.sleep(0.005)
    process.kill()
    process.wait()
    samples.write(backends.open(str(folder)), TASKS, 4, SAMPLING, out)
    assert out.read_bytes() == whole


def test_more_samples_are_added(whole, folder, tmp_path):
    out = tmp_path / "samples.jsonl"
    backend = backends.open(str(folder))
    samples.write(backend, TASKS, 2, SAMPLING, out)
    samples.write(backend, TASKS, 4, SAMPLING, out)
    assert out.read_bytes() == whole


def test_nothing_is_mixed(folder, tmp_path):
    out = tmp_path / "samples.jsonl"
    backend = backends.open(str(folder))
    samples.write(backend, TASKS[:2], 1, SAMPLING, out)
    before = out.read_bytes()
    with pytest.raises(UserError, match="another temperature"):
        samples.write(backend, TASKS[:2], 1, Sampling(max_tokens=24, top_p=0.95, seed=3), out)
    with pytest.raises(UserError, match="another prompts"):
        samples.write(backend, TASKS[:3], 1, SAMPLING, out)
    assert out.read_bytes() == before
    (tmp_path / "samples.settings.json").unlink()
    with pytest.raises(UserError, match="does not say of what"):
        samples.write(backend, TASKS[:2], 1, SAMPLING, out)


def test_a_broken_line_is_named(folder, tmp_path):
    out = tmp_path / "samples.jsonl"
    backend = backends.open(str(folder))
    samples.write(backend, TASKS[:2], 1, SAMPLING, out)
    out.write_bytes(b'{"task_id": 1}\n' + out.read_bytes())
    with pytest.raises(UserError, match="line 1: not a sample"):
        samples.write(backend, TASKS[:2], 1, SAMPLING, out)
