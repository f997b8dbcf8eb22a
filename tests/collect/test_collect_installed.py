import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

from repoloom.collect import installed
from repoloom.errors import UserError


def test_a_distribution_is_a_repository(run):
    result = run("installed:rich,Markdown_It.PY")
    assert {row["repo"] for row in result.rows} == {"rich", "markdown-it-py"}
    mine = [row for row in result.rows if row["repo"] == "rich"]
    root = Path(str(importlib.metadata.distribution("rich").locate_file("")))
    on_disk = {str(f.relative_to(root)) for f in (root / "rich").rglob("*.py") if f.stat().st_size}
    assert {row["path"] for row in mine} == on_disk
    assert len(on_disk) > 50
    for row in mine:
        assert row["content"].encode() == (root / row["path"]).read_bytes()
        assert (row["revision"], row["license"], row["language"]) == (
            importlib.metadata.version("rich"),
            "MIT",
            "python",
        )


def test_scripts_bytecode_and_installer_notes_are_left_out(run):
    result = run("installed:pip,pytest,pygments")
    names = [*result.paths, *result.rules]
    assert not [name for name in names if "__pycache__" in name or ".dist-info" in name or "bin/" in name]
    assert any(row["repo"] == "pygments" for row in result.rows)


def test_the_whole_environment_without_repoloom():
    found = {distribution.name for distribution in installed.find()}
    expected = {installed.normalised(d.metadata["Name"]) for d in importlib.metadata.distributions()}
    assert "repoloom" not in found
    assert {"rich", "pygments", "pyarrow"} <= found <= expected


def test_an_unknown_name_is_refused():
    with pytest.raises(UserError, match="installed:nosuchthing: the distribution is not installed here"):
        installed.find(["rich", "nosuchthing"])


def test_nothing_is_imported(tmp_path):
    """A forged distribution whose RECORD points outside of its folder, and whose code would leave a trace."""
    site = tmp_path / "site"
    info = site / "evil-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "evil.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')\n")
    (tmp_path / "outside.py").write_text("secret = 1\n")
    (site / "inside").symlink_to(tmp_path)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\nLicense-Expression: MIT\n")
    (info / "RECORD").write_text(
        "evil.py,,\n../outside.py,,\n/etc/hostname.py,,\ninside/outside.py,,\nmissing.py,,\na//b.py,,\nevil.py,,\n\n"
        '"line\nbreak.py",,\n'
    )
    program = """
import sys
from pathlib import Path
from repoloom import formats, ledger
from repoloom.collect import collect
from repoloom.recipe import Collect
out = Path(sys.argv[1])
collect(out, Collect(sources=["installed:evil"]), 0)
print([(r["repo"], r["revision"], r["path"], r["license"]) for r in formats.rows(out / "shards/part-00000.parquet")])
print({r["path"]: r["rule"] for r in ledger.read(out).to_pylist()})
"""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.append({str(site)!r})\n{program}", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=True,
    )
    kept, dropped = map(eval, done.stdout.splitlines())
    assert kept == [("evil", "1.0", "evil.py", "MIT")]
    assert dropped == {
        "inside/outside.py": "symlink",
        "missing.py": "unreadable",
        "a//b.py": "name",
        "linebreak.py": "unreadable",
    }
    assert not (tmp_path / "executed").exists()
