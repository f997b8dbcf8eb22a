"""requirements.lock holds an exact version of all that .venv is made of, in the range that pyproject.toml states."""

import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
UNLOCKED = {"wandb", "trackio"}
"""Clients of services, hundreds of megabytes; only who asks for one installs it."""


def test_the_lock_satisfies_every_range():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    lines = (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    locked = {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in pins}
    extras = [lines for name, lines in project["project"]["optional-dependencies"].items() if name not in UNLOCKED]
    stated = [project["project"]["dependencies"], *extras, project["dependency-groups"]["dev"]]
    needed = [Requirement(line) for lines in stated for line in lines if not line.startswith("repoloom")]
    assert len(needed) > 20
    for requirement in needed:
        version = locked.get(canonicalize_name(requirement.name))
        assert version and version in requirement.specifier, f"{requirement}, locked: {version}"
