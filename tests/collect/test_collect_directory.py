import os
from pathlib import Path

import pytest

from repoloom.errors import UsageError, UserError


def fill(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    return folder


def test_rows_hold_the_files_as_they_are(tmp_path, run):
    folder = fill(
        tmp_path / "project",
        {
            "b.py": b"print(1)\r\nprint('\xc3\xa9')",
            "a/__init__.py": b"import b\n",
            "a/x.h": b"namespace n {}\n",
            "LICENSE": b"This is free and unencumbered software released into the public domain.\n",
            "README.md": b"# hello\n",
            "notes.txt": b"nothing\n",
            "run": b"#!/bin/sh\necho hello\n",
        },
    )
    result = run(f"dir:{folder}")
    assert result.paths == ["README.md", "a/__init__.py", "a/x.h", "b.py", "run"]
    by_path = {row["path"]: row for row in result.rows}
    assert by_path["b.py"] == {
        "repo": "project",
        "revision": "",
        "path": "b.py",
        "language": "python",
        "license": "Unlicense",
        "size": 21,
        "content": "print(1)\r\nprint('é')",
    }
    assert by_path["a/x.h"]["language"] == "cpp"
    assert by_path["run"]["language"] == "shell"
    assert result.rules == {"LICENSE": "language", "notes.txt": "language"}
    assert result.counts["repositories"] == [
        {"repo": "project", "revision": "", "license": "Unlicense", "files": 5, "bytes": 21 + 9 + 15 + 8 + 21}
    ]


def test_every_rule_of_the_intake(tmp_path, run):
    folder = fill(
        tmp_path / "p",
        {
            "ok.py": b"x = 1\n",
            "mark.py": b"\xef\xbb\xbfx = 1\n",
            "onlymark.py": b"\xef\xbb\xbf",
            "empty.py": b"",
            "nul.py": b"x = 1\n" * 2000 + b"\0",
            "utf16.py": "x = 1\n".encode("utf-16"),
            "latin1.py": "# é\n".encode("latin-1"),
            "truncated.py": "# é".encode()[:-1],
            "large.py": b"#" * 100_001,
            "image.png": b"\x89PNG\r\n\x1a\n\0\0",
            "text.unknown": b"text\n",
            "node_modules/x/index.js": b"1\n",
            "env/pyvenv.cfg": b"",
            "env/lib/a.py": b"1\n",
            "__pycache__/a.py": b"1\n",
            ".git/a.py": b"1\n",
            "cache/CACHEDIR.TAG": b"Signature: 8a477f597d28d172789f06886806bc55",
            "cache/a.json": b"{}\n",
        },
    )
    os.symlink("ok.py", folder / "link.py")
    os.mkfifo(folder / "pipe.py")
    result = run(f"dir:{folder}", file_megabytes=0.1)
    assert result.paths == ["empty.py", "mark.py", "ok.py", "onlymark.py"]
    assert [row["content"] for row in result.rows] == ["", "x = 1\n", "x = 1\n", ""]
    assert result.rules == {
        "nul.py": "binary",
        "utf16.py": "binary",
        "latin1.py": "encoding",
        "truncated.py": "encoding",
        "large.py": "size",
        "image.png": "binary",
        "text.unknown": "language",
        "node_modules": "environment",
        "env": "environment",
        "link.py": "symlink",
        "pipe.py": "special",
    }
    large = next(row for row in result.drops if row["path"] == "large.py")
    assert (large["measure"], large["threshold"], large["bytes"]) == (100_001, 100_000, 100_001)
    assert result.counts["dropped"]["encoding"]["files"] == 2


def test_a_run_inside_the_folder_does_not_change_it(tmp_path, run):
    folder = fill(tmp_path, {"a.py": b"x = 1\n"})
    first = run(f"dir:{folder}", out="runs/demo/collect")
    (tmp_path / "runs/demo/report").mkdir()
    fill(tmp_path / "runs/demo/report", {"index.html": b"<p>hello</p>\n"})
    again = run(f"dir:{folder}", out="runs/demo/collect")
    assert again.manifest["run"] == first.manifest["run"]
    assert again.paths == ["a.py"]


def test_a_changed_file_is_collected_anew_and_an_unchanged_folder_is_not(tmp_path, run):
    folder = fill(tmp_path / "p", {"a.py": b"x = 1\n"})
    first = run(f"dir:{folder}")
    assert run(f"dir:{folder}").manifest == first.manifest
    fill(folder, {"a.py": b"x = 12\n"})
    second = run(f"dir:{folder}")
    assert second.manifest["fingerprint"] != first.manifest["fingerprint"]
    assert second.rows[0]["content"] == "x = 12\n"


def test_two_folders_of_one_name_are_two_repositories(tmp_path, run):
    one = fill(tmp_path / "1/p", {"a.py": b"x = 1\n"})
    two = fill(tmp_path / "2/p", {"a.py": b"x = 2\n"})
    result = run(f"dir:{one}", f"dir:{two}", f"dir:{one}/../p")
    assert [(row["repo"], row["content"]) for row in result.rows] == [("p", "x = 1\n"), ("p-2", "x = 2\n")]


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        ("dir:{}/none", UserError, "does not exist"),
        ("dir:{}/file.txt", UserError, "is no folder"),
        ("dir:{}/bare", UserError, "holds no file in a known language"),
        ("dir:{}/unreadable", UserError, "holds no file that is UTF-8 text"),
        ("dir:", UsageError, "names no folder"),
        ("zip:x", UsageError, "known are installed:, installed:NAME,NAME, dir:PATH, git+file:PATH"),
        ("plain", UsageError, "is no source"),
        ("git+file:{}/bare", UserError, "cannot be opened as a git repository"),
        ("git+file:{}/none", UserError, "does not exist"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path, run, source, error, words):
    fill(tmp_path, {"file.txt": b"x", "bare/LICENSE": b"x", "unreadable/a.py": b"\xff\n"})
    with pytest.raises(error) as raised:
        run(source.format(tmp_path))
    message = str(raised.value)
    assert words in message
    assert "\n" not in message
    if error is UserError:
        assert type(raised.value) is UserError
        assert source.format(tmp_path) in message


def test_no_source_at_all_is_an_error(run):
    with pytest.raises(UsageError, match=r"collect\.sources is empty"):
        run()
