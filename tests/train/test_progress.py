"""What is said while it trains: a line's count and the time left, and the loss, speed, share and memory beside it."""

import json
import re
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from repoloom import progress
from repoloom.train.loop import METRICS, PLAN, train
from tests.train.tiny import CONTEXT, job


def test_a_line_says_how_far_it_is_and_how_long_the_rest_takes_at_the_speed_of_this_run(monkeypatch, capsys):
    """Forty of a hundred were done by an earlier run: they say nothing of the speed."""
    now = SimpleNamespace(seconds=1000.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now.seconds))
    with progress.bar("pretrain", 100, 40) as bar:
        for _ in range(10):
            now.seconds += 4.0
            bar.advance(2, "loss 2.500")
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "  pretrain: 48/100, 104 s left  loss 2.500",
        "  pretrain: 56/100, 88 s left  loss 2.500",
    ], "2 units in 4 seconds; a line every fifteen seconds at most"


def test_lines_of_several_unbuffered_processes_are_not_mixed():
    """Eight say a hundred lines each into one pipe: every line comes out whole."""
    script = "from repoloom.progress import say\nfor _ in range(100): say('x' * 200)"
    with subprocess.Popen(
        ["sh", "-c", 'for i in 1 2 3 4 5 6 7 8; do "$0" -u -c "$1" & done; wait', sys.executable, script],
        stderr=subprocess.PIPE,
        text=True,
    ) as several:
        assert several.communicate()[1] == 800 * ("x" * 200 + "\n")


def test_beside_it_stand_the_numbers_of_the_step(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    done = job(steps=12)
    train(done, tmp_path, time.monotonic())
    said = re.findall(
        r"^  pretrain: (\d+)/12, \d+ s left  loss ([\d.]+)  ([\d,]+) tokens/s  ([\d.]+) of peak  ([\d.]+) GB$",
        capsys.readouterr().err,
        re.M,
    )
    assert [int(line[0]) for line in said] == list(range(1, 13))
    written = [json.loads(line) for line in (tmp_path / METRICS).read_text().splitlines()]
    peak = json.loads((tmp_path / PLAN).read_text())["peak"]
    for (_, loss, rate, share, memory), line in zip(said, [line for line in written if "loss" in line], strict=True):
        assert float(loss) == pytest.approx(line["loss"], abs=6e-4)
        assert float(rate.replace(",", "")) == pytest.approx(line["tokens_per_second"], abs=1)
        operations = done.model.config.flops_per_token(CONTEXT) * line["tokens_per_second"]
        assert float(share) == pytest.approx(operations / peak, abs=0.006)
        assert 0.1 < float(memory) < 20
