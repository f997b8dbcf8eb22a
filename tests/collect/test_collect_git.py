import os
from pathlib import Path

import pytest

from repoloom.errors import UserError


@pytest.fixture
def working(tmp_path, git):
    """A clone with two commits, a submodule entry, a link, a filter, hooks, and uncommitted changes."""
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "old.py").write_text("gone = True\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    (folder / "old.py").unlink()
    (folder / "src").mkdir()
    (folder / "src/a.py").write_bytes(b"x = 1\r\n")
    (folder / "main.c").write_text("int main(void) { return 0; }\n")
    (folder / "LICENSE").write_text("Boost Software License - Version 1.0 - August 17th, 2003\n")
    (folder / ".gitattributes").write_text("*.c filter=evil\n")
    os.symlink("main.c", folder / "link.c")
    git(folder, "add", ".")
    git(folder, "update-index", "--add", "--cacheinfo", f"160000,{git(folder, 'rev-parse', 'HEAD')},vendored")
    git(folder, "commit", "-qm", "second")
    git(folder, "config", "filter.evil.smudge", f"touch {tmp_path}/executed")
    hook = folder / ".git/hooks/post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/executed\n")
    hook.chmod(0o755)
    (folder / "src/a.py").write_text("not committed\n")
    (folder / "new.py").write_text("not committed\n")
    return folder


def check(result, commit: str, tmp_path: Path) -> None:
    assert [(row["path"], row["language"], row["content"]) for row in result.rows] == [
        ("main.c", "c", "int main(void) { return 0; }\n"),
        ("src/a.py", "python", "x = 1\r\n"),
    ]
    assert {row["revision"] for row in result.rows} == {commit}
    assert {row["license"] for row in result.rows} == {"BSL-1.0"}
    assert {row["repo"] for row in result.rows} == {"project"}
    assert result.rules == {
        ".gitattributes": "language",
        "LICENSE": "language",
        "link.c": "symlink",
        "vendored": "submodule",
    }
    assert not (tmp_path / "executed").exists()


def test_a_working_clone_is_read_at_its_head(working, tmp_path, git, run):
    check(run(f"git+file:{working}"), git(working, "rev-parse", "HEAD"), tmp_path)


def test_a_bare_packed_clone_gives_the_same_bytes(working, tmp_path, git, run):
    bare = tmp_path / "bare" / "project.git"
    bare.parent.mkdir()
    git(tmp_path, "clone", "-q", "--bare", str(working), str(bare))
    git(bare, "gc", "-q")
    result = run(f"git+file:{bare}", out="bare-out")
    check(result, git(working, "rev-parse", "HEAD"), tmp_path)
    outputs = run(f"git+file:{working}").manifest["outputs"]
    assert result.manifest["outputs"] == outputs


def test_a_linked_worktree_is_a_clone_too(working, tmp_path, git, run):
    git(working, "worktree", "add", "-q", "--no-checkout", "--detach", str(tmp_path / "linked"), "HEAD~1")
    result = run(f"git+file:{tmp_path / 'linked'}")
    assert result.paths == ["old.py"]


def test_the_dot_git_folder_names_its_clone(working, run):
    assert run(f"git+file:{working}/.git").rows[0]["repo"] == "project"


def test_a_new_commit_changes_the_fingerprint(working, git, run):
    before = run(f"git+file:{working}")
    git(working, "commit", "-qam", "third")
    after = run(f"git+file:{working}")
    assert before.manifest["fingerprint"] != after.manifest["fingerprint"]
    assert [row["content"] for row in after.rows if row["path"] == "src/a.py"] == ["not committed\n"]


def test_a_folder_inside_a_clone_is_no_clone(working, run):
    with pytest.raises(UserError, match="cannot be opened as a git repository"):
        run(f"git+file:{working}/src")


def test_a_clone_without_commits_is_refused(tmp_path, git, run):
    git(tmp_path, "init", "-q", "empty")
    with pytest.raises(UserError, match="no commit that can be read"):
        run(f"git+file:{tmp_path}/empty")
