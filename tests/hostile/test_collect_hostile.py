"""Sources that mean harm, or that nobody meant to be sources: a clear line or a ledger row, never a traceback."""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from repoloom import formats, ledger
from repoloom.collect import collect
from repoloom.errors import UserError
from repoloom.languages import LANGUAGES, header
from repoloom.recipe import Collect

PROGRAM = """
import sys
from pathlib import Path
from repoloom.collect import collect
from repoloom.errors import UserError
from repoloom.recipe import Collect
try:
    collect(Path(sys.argv[1]), Collect(sources=sys.argv[2:]), 0)
except UserError as error:
    sys.exit(f"line: {error}")
"""


def run(out: Path, source: str, **settings: float) -> tuple[list[dict], dict[str, str]]:
    """Kept rows, and the rule of each dropped path; checks that the sums hold."""
    counts = collect(out, Collect(sources=(source,), **settings), 0)["counts"]
    rows = [row for part in formats.parts(out, "shards") for row in formats.rows(part)]
    drops = ledger.read(out).to_pylist()
    assert counts["in"]["files"] == len(rows) + len(drops)
    assert counts["in"]["bytes"] == sum(row["size"] for row in rows) + sum(row["bytes"] for row in drops)
    return rows, {row["path"]: row["rule"] for row in drops}


def unprivileged(out: Path, source: str) -> subprocess.CompletedProcess[str]:
    """Collect without root's privilege to read and write what permissions forbid."""
    command = [sys.executable, "-c", PROGRAM, str(out), source]
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root without util-linux's setpriv cannot give up its privileges")
        command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *command]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_links_are_not_followed_and_loops_end(tmp_path):
    folder = tmp_path / "p"
    (folder / "a/b").mkdir(parents=True)
    (folder / "a/x.py").write_text("x = 1\n")
    (folder / "a/b/loop").symlink_to(folder)
    (folder / "self.py").symlink_to("self.py")
    (folder / "passwd.py").symlink_to("/etc/passwd")
    (folder / "dangling.py").symlink_to("nowhere")
    rows, rules = run(tmp_path / "out", f"dir:{folder}")
    assert [row["path"] for row in rows] == ["a/x.py"]
    assert rules == dict.fromkeys(["a/b/loop", "dangling.py", "passwd.py", "self.py"], "symlink")


def test_a_source_that_is_a_loop_of_links_is_one_line(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UserError, match="dir:"):
        run(tmp_path / "out", f"dir:{tmp_path}/loop")
    with pytest.raises(UserError, match=r"git\+file:"):
        run(tmp_path / "out", f"git+file:{tmp_path}/loop")


@pytest.mark.timeout(120)
def test_a_huge_sparse_file_is_not_read(tmp_path):
    folder = tmp_path / "p"
    folder.mkdir()
    (folder / "x.py").write_text("x = 1\n")
    with (folder / "huge.py").open("wb") as file:
        file.truncate(10**13)
    rows, rules = run(tmp_path / "out", f"dir:{folder}")
    assert [row["path"] for row in rows] == ["x.py"]
    assert rules == {"huge.py": "size"}


def test_a_folder_without_permission_is_one_line(tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir()
    (folder / "x.py").write_text("x = 1\n")
    folder.chmod(0)
    done = unprivileged(tmp_path / "out", f"dir:{folder}")
    folder.chmod(0o700)
    assert done.returncode == 1
    assert done.stderr == f"line: dir:{folder} cannot be read: permission denied\n"


def test_what_cannot_be_read_inside_a_folder_reaches_the_ledger(tmp_path):
    folder = tmp_path / "p"
    (folder / "closed").mkdir(parents=True)
    (folder / "closed/y.py").write_text("y = 1\n")
    (folder / "x.py").write_text("x = 1\n")
    (folder / "secret.py").write_text("s = 1\n")
    (folder / "secret").write_text("s = 1\n")
    (folder / "secret.py").chmod(0)
    (folder / "secret").chmod(0)
    (folder / "closed").chmod(0)
    done = unprivileged(tmp_path / "out", f"dir:{folder}")
    (folder / "closed").chmod(0o700)
    assert (done.returncode, done.stderr) == (0, "")
    rules = {row["path"]: row["rule"] for row in ledger.read(tmp_path / "out").to_pylist()}
    assert rules == dict.fromkeys(["closed", "secret", "secret.py"], "unreadable")


def test_an_output_without_permission_is_one_line(tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p/x.py").write_text("x = 1\n")
    (tmp_path / "work").mkdir(mode=0o500)
    done = unprivileged(tmp_path / "work/out", f"dir:{tmp_path}/p")
    assert done.returncode == 1
    assert done.stderr == f"line: cannot write to {tmp_path}/work/out: Permission denied\n"


def test_names_that_are_no_plain_names(tmp_path):
    folder = tmp_path / "p"
    folder.mkdir()
    hostile = [b"line\nbreak.py", b"back\\slash.py", b"\xff\xfe.py", "line\u2028sep.py".encode(), b"\x1b[31mred.py"]
    for name in [b"ok.py", "größe.py".encode(), b'it\'s "fine".py', b"--.py", *hostile]:
        with open(os.path.join(os.fsencode(folder), name), "wb") as file:
            file.write(b"x = 1\n")
    os.mkdir(os.path.join(os.fsencode(folder), b"dir\nwith break"))
    rows, rules = run(tmp_path / "out", f"dir:{folder}")
    assert {row["path"] for row in rows} == {"ok.py", "größe.py", 'it\'s "fine".py', "--.py"}
    assert set(rules.values()) == {"name"}
    assert len(rules) == len(hostile) + 1
    assert all(path.isprintable() for path in rules)
    assert all(len(header(row["path"], LANGUAGES["python"]).splitlines()) == 1 for row in rows)


def test_a_folder_deeper_than_any_project(tmp_path):
    place = tmp_path / "p"
    place.mkdir()
    handle = os.open(place, os.O_RDONLY)
    for depth in range(300):
        if depth in (10, 64, 65):
            with open(os.open("x.py", os.O_WRONLY | os.O_CREAT, dir_fd=handle), "w") as file:
                file.write("x = 1\n")
        os.mkdir("directory", dir_fd=handle)
        inner = os.open("directory", os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = inner
    os.close(handle)
    try:
        rows, rules = run(tmp_path / "out", f"dir:{place}")
        assert [row["path"].count("/") for row in rows] == [64, 10]
        assert list(rules.values()) == ["depth"]
    finally:
        subprocess.run(["rm", "-rf", str(place)], check=True)


# Git trees are forged object by object: `git` itself refuses to make most of them.


class Forge:
    """Writes loose objects into a bare repository."""

    def __init__(self, folder: Path) -> None:
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(folder)], check=True)
        self.folder = folder

    def object(self, kind: str, data: bytes, claimed: int | None = None) -> bytes:
        whole = b"%s %d\0" % (kind.encode(), len(data) if claimed is None else claimed) + data
        id = hashlib.sha1(whole).digest()
        place = self.folder / "objects" / id.hex()[:2] / id.hex()[2:]
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(zlib.compress(whole))
        return id

    def tree(self, *entries: tuple[str, bytes, bytes]) -> bytes:
        return self.object("tree", b"".join(b"%s %s\0%s" % (mode.encode(), name, id) for mode, name, id in entries))

    def commit(self, tree: bytes) -> None:
        person = b"x <x@example.org> 0 +0000"
        text = b"tree %s\nauthor %s\ncommitter %s\n\nx\n" % (tree.hex().encode(), person, person)
        (self.folder / "refs/heads/main").write_text(self.object("commit", text).hex() + "\n")


@pytest.fixture
def forge(tmp_path):
    return Forge(tmp_path / "forged.git")


def test_hostile_names_in_a_git_tree(tmp_path, forge):
    blob = forge.object("blob", b"x = 1\n")
    names = [b"..", b".", b".git", b"a/b.py", b"../../escape.py", b"/etc/x.py", b"line\nbreak.py", b"a\\b.py"]
    names += [b"\xff.py", b"n" * 60_000 + b".py", b"bell\x07.py", "u\u2029.py".encode()]
    inner = forge.tree(("100644", b"ok.py", blob), ("40000", b"..", forge.tree(("100644", b"x.py", blob))))
    files = [("100644", name, blob) for name in names]
    forge.commit(forge.tree(*files, ("100755", b"ok.py", blob), ("40000", b"sub", inner)))
    rows, rules = run(tmp_path / "out", f"git+file:{forge.folder}")
    assert [row["path"] for row in rows] == ["ok.py", "sub/ok.py"]
    assert set(rules.values()) == {"name"}
    drops = ledger.read(tmp_path / "out").to_pylist()
    assert len(drops) == len(names) + 1
    assert all(len(row["path"]) < 5000 and row["path"].isprintable() for row in drops)


def test_one_path_twice_in_a_git_tree(tmp_path, forge):
    one, two = forge.object("blob", b"x = 1\n"), forge.object("blob", b"x = 2\n")
    forge.commit(forge.tree(("100644", b"x.py", one), ("100644", b"x.py", two)))
    rows, rules = run(tmp_path / "out", f"git+file:{forge.folder}")
    assert [row["content"] for row in rows] == ["x = 1\n"]
    assert rules == {"x.py": "name"}


def test_objects_that_are_missing_broken_or_of_another_kind(tmp_path, forge):
    blob = forge.object("blob", b"x = 1\n")
    lying = forge.object("blob", b"x = 1\n" * 1000, claimed=5)
    broken = forge.object("blob", b"x = 2\n")
    place = forge.folder / "objects" / broken.hex()[:2] / broken.hex()[2:]
    place.write_bytes(b"not zlib")
    nothing = bytes(range(20))
    forge.commit(
        forge.tree(
            ("100644", b"broken.py", broken),
            ("40000", b"folder-missing", nothing),
            ("40000", b"folder-of-blob", blob),
            ("100644", b"lying.py", lying),
            ("120000", b"link.py", blob),
            ("100644", b"missing.py", nothing),
            ("100644", b"ok.py", blob),
            ("160000", b"submodule", nothing),
        )
    )
    rows, rules = run(tmp_path / "out", f"git+file:{forge.folder}")
    assert [row["path"] for row in rows] == ["ok.py"]
    assert rules == {
        "broken.py": "unreadable",
        "folder-missing": "unreadable",
        "folder-of-blob": "unreadable",
        "lying.py": "unreadable",
        "link.py": "symlink",
        "missing.py": "unreadable",
        "submodule": "submodule",
    }


def test_a_deep_git_tree(tmp_path, forge):
    blob = forge.object("blob", b"x = 1\n")
    tree = forge.tree(("100644", b"x.py", blob))
    for _ in range(300):
        tree = forge.tree(("40000", b"d", tree))
    forge.commit(forge.tree(("100644", b"ok.py", blob), ("40000", b"z", tree)))
    rows, rules = run(tmp_path / "out", f"git+file:{forge.folder}")
    assert [row["path"] for row in rows] == ["ok.py"]
    assert list(rules.values()) == ["depth"]


@pytest.mark.timeout(120)  # ten thousand million files would take days
@pytest.mark.parametrize("leaf", ["file", "nothing"])
def test_a_git_bomb_ends_in_one_line(tmp_path, forge, leaf):
    """Ten levels of ten times the same folder: 10^10 files, or folders alone, in eleven objects."""
    entries = [("100644", b"x.py", forge.object("blob", b"x = 1\n"))] if leaf == "file" else []
    tree = forge.tree(*entries)
    for _ in range(10):
        tree = forge.tree(*[("40000", b"%d" % i * 100, tree) for i in range(10)])
    forge.commit(tree)
    with pytest.raises(UserError, match="holds too many files to be one repository"):
        run(tmp_path / "out", f"git+file:{forge.folder}")


def test_a_huge_blob_is_not_inflated(tmp_path, forge):
    """300 MB of zeros are 1 MB of zlib; the header alone says how large it is."""
    head = b"blob 300000000\0"
    compressor = zlib.compressobj(1)
    data = compressor.compress(head)
    zeros = bytes(10_000_000)
    data += b"".join(compressor.compress(zeros) for _ in range(30)) + compressor.flush()
    id = bytes(range(1, 21))
    place = forge.folder / "objects" / id.hex()[:2] / id.hex()[2:]
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(data)
    forge.commit(forge.tree(("100644", b"huge.py", id), ("100644", b"ok.py", forge.object("blob", b"x = 1\n"))))
    program = PROGRAM + "print(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])"
    command = [sys.executable, "-c", program, str(tmp_path / "out"), f"git+file:{forge.folder}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 180_000
    assert {row["path"]: row["rule"] for row in ledger.read(tmp_path / "out").to_pylist()} == {"huge.py": "size"}


def test_a_tree_with_an_endless_name_is_one_line(tmp_path, forge):
    forge.commit(forge.tree(("100644", b"n" * 100_000 + b".py", forge.object("blob", b"x = 1\n"))))
    with pytest.raises(UserError, match="can't parse filename"):
        run(tmp_path / "out", f"git+file:{forge.folder}")


def test_a_clone_of_another_user_is_one_line(tmp_path, forge):
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder to another user")
    forge.commit(forge.tree(("100644", b"ok.py", forge.object("blob", b"x = 1\n"))))
    subprocess.run(["chown", "-R", "12345:12345", str(forge.folder)], check=True)
    with pytest.raises(UserError, match="belongs to another user"):
        run(tmp_path / "out", f"git+file:{forge.folder}")


@pytest.mark.parametrize("damage", ["HEAD", "config", "refs"])
def test_a_broken_clone_is_one_line(tmp_path, forge, damage):
    forge.commit(forge.tree(("100644", b"ok.py", forge.object("blob", b"x = 1\n"))))
    if damage == "refs":
        (forge.folder / "refs/heads/main").write_text("0" * 40)
    else:
        (forge.folder / damage).write_bytes(b"[\0\xff nonsense")
    with pytest.raises(UserError) as raised:
        run(tmp_path / "out", f"git+file:{forge.folder}")
    assert "\n" not in str(raised.value)


def on_small_disk(tmp_path: Path, size: str, source: str) -> subprocess.CompletedProcess[str]:
    """Collect into a file system of `size` in a mount namespace of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    probe = subprocess.run(
        ["unshare", "-rm", "mount", "-t", "tmpfs", "none", str(disk)], capture_output=True, check=False
    )
    if probe.returncode:
        pytest.skip("no mount namespaces here")
    script = 'mount -t tmpfs -o size="$1" none "$2" && shift 2 && exec "$@"'
    command = [sys.executable, "-c", PROGRAM, str(disk / "out"), source]
    return subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", size, str(disk), *command],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(shutil.which("unshare") is None, reason="util-linux's unshare is not here")
@pytest.mark.parametrize(
    ("size", "words"),
    [("1m", "too little disk: "), ("3500k", "no space left on the disk")],
)
def test_too_little_disk_is_one_line(tmp_path, size, words):
    """Seen before the work where the estimate says so, at the first write that fails where it was too low."""
    folder = tmp_path / "p"
    folder.mkdir()
    for i in range(8):
        (folder / f"{i}.py").write_text(base64.b64encode(os.urandom(500_000)).decode())
    done = on_small_disk(tmp_path, size, f"dir:{folder}")
    assert done.returncode == 1
    assert done.stderr.startswith("line: ")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
