"""Without bubblewrap there is no sandbox, and one line says how to get it. (Runs without it, unlike its neighbours.)"""

import json
import subprocess
import sys
from pathlib import Path

_PROBE = "import json, dataclasses, repoloom.sandbox as s; print(json.dumps(dataclasses.asdict(s.probe())))"


def ask(path: str) -> dict[str, str | None]:
    done = subprocess.run([sys.executable, "-c", _PROBE], env={"PATH": path}, capture_output=True, check=True)
    answer: dict[str, str | None] = json.loads(done.stdout)
    return answer


def test_level_is_told(sandbox: None) -> None:
    answer = ask("/usr/bin:/bin")
    assert answer["reason"] is None
    assert "nobody" in str(answer["level"])


def test_no_bubblewrap(tmp_path: Path) -> None:
    answer = ask(str(tmp_path))
    assert answer["level"] is None
    assert "apt install bubblewrap" in str(answer["reason"])


def test_the_package_manager_of_this_system_is_named(tmp_path: Path) -> None:
    (tmp_path / "pacman").symlink_to("/bin/true")
    assert ask(str(tmp_path))["reason"] == "install bubblewrap (sudo pacman -S bubblewrap)"


def test_a_bubblewrap_that_does_not_work_is_refused(tmp_path: Path) -> None:
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n")
    fake.chmod(0o755)
    answer = ask(f"{tmp_path}:/usr/bin:/bin")
    assert answer["level"] is None
    assert "Permission denied" in str(answer["reason"])
    assert "\n" not in str(answer["reason"])


def test_one_that_only_runs_the_program_is_not_believed(tmp_path: Path) -> None:
    fake = tmp_path / "bwrap"
    fake.write_text('#!/bin/sh\necho \'{"word": "", "outcome": "passed", "detail": ""}\'\n')
    fake.chmod(0o755)
    assert ask(f"{tmp_path}:/usr/bin:/bin")["level"] is None
