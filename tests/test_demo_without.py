"""The street where a tool is missing, bubblewrap or a C++ compiler. It finishes, and says in one line what is left out.

Real absence, not a mock: the PATH holds links to what a small system has and nothing else.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
SITE = Path(sysconfig.get_path("purelib"))
TOOLS = (
    "sh",
    "bash",
    "env",
    "dirname",
    "grep",
    "touch",
    "mktemp",
    "rm",
    "cat",
    "id",
    "prlimit",
    "choom",
    "setpriv",
    "git",
    "xz",
)
RECIPE = """
name = "tiny"
collect = {{ sources = ["dir:{site}/click", "dir:{site}/jinja2"] }}
curate = {{ heldout = 0.5 }}
tokenizer = {{ vocabulary = 400, sample_megabytes = 0.2 }}
model = {{ hidden = 32, mlp = 64, layers = 1, heads = 2, kv_heads = 1, context = 320, tied = true }}
pretrain = {{ steps = 3, batch = 4, learning_rate = 1e-3, warmup = 1, precision = "float32" }}
tune = {{ steps = 2, batch = 2, warmup = 1, pairs = 20 }}
evaluate = {{ heldout_tokens = 1000, infilling_tasks = 2, new_tokens = 1, samples = 3 }}
"""


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """An environment whose PATH has neither a compiler, nor bubblewrap, nor a package manager."""
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        if (found := shutil.which(tool)) is not None:
            (tmp_path / "bin" / tool).symlink_to(found)
    kept = {name: value for name, value in os.environ.items() if name not in {"CXX", "CC"}}
    return kept | {"PATH": str(tmp_path / "bin"), "OMP_NUM_THREADS": "1"}


def run(tmp_path: Path, environment: dict[str, str], *changes: str) -> tuple[Path, list[str]]:
    """The run's folder and what it said."""
    place = tmp_path / "tiny.toml"
    if not place.exists():
        place.write_text(RECIPE.format(site=SITE))
    command = [sys.executable, "-m", "repoloom", "run", place, "--out", tmp_path / "run"]
    words = [*command, *(word for change in changes for word in ("--set", change))]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return tmp_path / "run", done.stderr.splitlines()


def test_without_bubblewrap_it_finishes_and_says_how_to_have_it(tmp_path: Path, bare: dict[str, str]):
    out, said = run(tmp_path, bare)
    results = json.loads((out / "evaluate" / "results.json").read_text())
    assert results["benchmarks"]["humaneval"]["not_run"].startswith("no sandbox: install bubblewrap")
    assert "no benchmark was run: humaneval: no sandbox" in (out / "report" / "index.html").read_text()
    assert [line for line in said if "bubblewrap" in line] == [
        "humaneval: not run: no sandbox: install bubblewrap (apt install bubblewrap, or dnf install bubblewrap)"
    ]


def test_without_a_compiler_it_trains_eager_and_says_so(tmp_path: Path, bare: dict[str, str]):
    """Each stage says it once, and that it would have compiled is not left open: it was asked to."""
    out, said = run(tmp_path, bare, "pretrain.compile=yes", "evaluate.benchmarks=[]")
    lines = [line for line in said if "eager" in line]
    assert lines == [
        f"{name}: trains eager, since there is no C++ compiler (g++, clang++)" for name in ("pretrain", "tune")
    ]
    counts = json.loads((out / "pretrain" / "manifest.json").read_text())["counts"]
    assert (counts["compiled"], counts["eager_because"]) == (False, "no C++ compiler (g++, clang++)")


def test_minutes_without_a_compiler_are_planned_by_the_eager_step(tmp_path: Path, bare: dict[str, str]):
    (tmp_path / "tiny.toml").write_text(RECIPE.format(site=SITE).replace("steps = 3, batch", "minutes = 0.15, batch"))
    out, _ = run(tmp_path, bare, "evaluate.benchmarks=[]")
    plan = json.loads((out / "pretrain" / "plan.json").read_text())
    assert not plan["compiled"]
    assert 1 <= plan["steps"] <= 0.15 * 60 / plan["step_seconds"]
    assert json.loads((out / "pretrain" / "manifest.json").read_text())["counts"]["steps"] == plan["steps"]


@pytest.mark.parametrize(
    ("manager", "how"),
    [
        (None, "on Debian or Ubuntu: sudo apt-get install bubblewrap"),
        ("apt-get", "sudo apt-get install -y -q bubblewrap"),
        ("dnf", "sudo dnf install -y -q bubblewrap"),
    ],
)
def test_setup_goes_on_where_bubblewrap_cannot_be_installed(
    tmp_path: Path, bare: dict[str, str], manager: str | None, how: str
):
    """tools/setup as it stands, in a folder whose `.venv` is complete already: pip has nothing to do and no network.

    A package manager that fails at everything is the program `false` under its name.
    """
    if manager is not None:
        (tmp_path / "bin" / manager).symlink_to(shutil.which("false") or "/bin/false")
    for name in ("requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "setup", tmp_path / "tools" / "setup")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    python = tmp_path / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\n[ "$1" = -m ] && exit 0\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    words = ["bash", tmp_path / "tools" / "setup"]
    done = subprocess.run(
        words, env=bare | {"PYTHON": sys.executable, "TORCH_INDEX": ""}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if "bubblewrap" in line] == [
        f"setup: no bubblewrap: HumanEval will not run (nothing is run without a sandbox). To have it, {how}"
    ]
    assert (tmp_path / ".venv" / ".ready").exists()
