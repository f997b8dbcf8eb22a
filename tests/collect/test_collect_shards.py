import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from repoloom import formats
from repoloom.stage import digest_file

SOURCE = "installed:rich,pygments,click,networkx,jinja2"

PROGRAM = """
import sys
from pathlib import Path
from repoloom.collect import collect
from repoloom.recipe import Collect
collect(Path(sys.argv[1]), Collect(sources=[sys.argv[2]], shard_megabytes=0.2), 0)
"""


def digests(out: Path) -> dict[str, str]:
    files = sorted(f for f in out.rglob("*.parquet") if ".partial" not in str(f))
    return {str(f.relative_to(out)): digest_file(f) for f in files}


def test_shards_are_sorted_bounded_and_split_only_what_is_larger(run):
    result = run(SOURCE, shard_megabytes=1)
    assert len(result.shards) > 3
    holders: dict[str, list[int]] = {}
    for number, shard in enumerate(result.shards):
        assert sum(row["size"] for row in shard) <= 1_000_000 or len({row["repo"] for row in shard}) == 1
        for row in shard:
            if number not in holders.setdefault(row["repo"], []):
                holders[row["repo"]].append(number)
    sizes = {entry["repo"]: entry["bytes"] for entry in result.counts["repositories"]}
    for repo, numbers in holders.items():
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        assert len(numbers) == 1 or sizes[repo] > 1_000_000
    for part in formats.parts(result.out, "shards"):
        assert pq.read_schema(part).equals(formats.SHARD)


def test_shard_size_changes_no_row(run):
    small, large = run(SOURCE, shard_megabytes=0.5), run(SOURCE, out="large", shard_megabytes=100)
    assert len(large.shards) == 1
    assert small.rows == large.rows
    assert sorted(small.drops, key=str) == sorted(large.drops, key=str)
    assert small.counts == large.counts


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> dict[str, str]:
    """Digests of what a run that nobody killed makes."""
    out = tmp_path_factory.mktemp("whole") / "out"
    subprocess.run([sys.executable, "-c", PROGRAM, str(out), SOURCE], check=True, capture_output=True)
    return digests(out)


@pytest.mark.parametrize("killed_at", [1, 12, 40])
def test_a_killed_run_resumes_with_the_same_bytes(tmp_path, uninterrupted, killed_at):
    command = [sys.executable, "-c", PROGRAM]
    out = tmp_path / "out"
    process = subprocess.Popen([*command, str(out), SOURCE], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len([*out.glob("shards/part-*.parquet")]) < killed_at and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    times = {f: f.stat().st_mtime_ns for f in out.glob("shards/part-*.parquet")}
    assert len(times) >= killed_at
    if not (out / "manifest.json").exists():
        assert (out / ".building.json").exists()
    subprocess.run([*command, str(out), SOURCE], check=True, capture_output=True)
    assert digests(out) == uninterrupted
    made_again = [f for f, t in times.items() if f.stat().st_mtime_ns != t]
    assert len(made_again) <= 1, "only the shard whose counts were not yet written is made again"
    assert not [f for f in out.rglob("*") if ".partial" in f.name]


def test_memory_does_not_grow_with_the_corpus(tmp_path):
    """120 MB in one repository, shards of 4 MB: seen at 121 MB of memory, 86 of them before the work begins."""
    folder = tmp_path / "large"
    folder.mkdir()
    line = b"x = %d  # some text that makes the line longer, as in real code\n"
    for i in range(60):
        (folder / f"{i}.py").write_bytes(b"".join(line % (i * 7919 + j) for j in range(29_000)))
    program = PROGRAM.replace("shard_megabytes=0.2", "shard_megabytes=4") + (
        "print(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "out"), f"dir:{folder}"]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert sum(f.stat().st_size for f in folder.iterdir()) > 110_000_000
    assert int(done.stdout) < 180_000
