"""The walls: a bubblewrap command line that leaves a program nothing but its toolchain, read-only, and a small disk.

User, mount, process, network, IPC, host-name and cgroup namespaces are its own; the uid is nobody's, without
capabilities, without a way to new ones; the environment is what the caller names. Only `/work` can be written, a tmpfs
of limited size. There is no /proc unless it is asked for, hence no look at other processes.

Started by root, bubblewrap alone would map "nobody" onto root: the kernel then counts no processes (RLIMIT_NPROC does
not bind root) and every file of root's opens. So root first puts the toolchain where nobody reaches it (it may stand
under /root) in a mount namespace of its own, becomes nobody in truth, and only then builds the walls.
"""

import functools
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from repoloom.sandbox.guest import landlock, seccomp
from repoloom.sandbox.process import Limits, Result, execute

NOBODY = "65534"
INSTALL = "install bubblewrap (apt install bubblewrap, or dnf install bubblewrap)"
_MANAGERS = {
    "apt-get": "apt-get install",
    "dnf": "dnf install",
    "pacman": "pacman -S",
    "zypper": "zypper install",
    "apk": "apk add",
}
UNSAFE = "none: unsafe (rlimits and a kill of the process group only)"

_NAMESPACES = (
    "bubblewrap: own user, mount, pid, network, ipc, uts and cgroup namespaces, nobody, no capabilities, rlimits"
)
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc/alternatives", "/etc/ld.so.cache")
_STAGE = "/mnt"
"""Where root puts the toolchain for nobody; any directory that exists everywhere would do."""


def run(
    command: Sequence[str],
    limits: Limits,
    *,
    stdin: bytes = b"",
    binds: Mapping[str, Path] | None = None,
    environment: Mapping[str, str] | None = None,
    proc: bool = False,
    unsafe: bool = False,
) -> Result:
    """Run `command` inside, with `binds` (place inside -> file or folder here) to read. Never raises for what it does.

    The result tells how it ended, never whether it was right: an exit code is the program's own claim. With `proc`
    there is a /proc, of the sandbox's own processes (JVM and Mono do not start without one). With `unsafe` there are
    no walls, only a folder of its own for /work, and what stands in `binds` must stand there in truth.
    """
    inside = [*_limits(limits), *command]
    if unsafe:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            home = {"HOME": folder, "TMPDIR": folder, "LANG": "C.UTF-8", **(environment or {})}
            return execute(inside, limits, stdin, environment=home, folder=Path(folder))
    with _filter() as (words, descriptors):
        words += ["--proc", "/proc"] if proc else []
        walls = _walls(inside, limits, binds or {}, environment or {}, words)
        return execute(walls, limits, stdin, descriptors=descriptors)


def nursery(command: Sequence[str], binds: Mapping[str, Path], environment: Mapping[str, str]) -> list[str]:
    """The command line of a warm sandbox: it may make namespaces and mounts in its own, and filters its cases itself.

    It does not die with the thread that started it (what --die-with-parent means), but ends when its socket closes.
    """
    words = _walls(command, Limits(), binds, environment, ["--cap-add", "CAP_SYS_ADMIN", "--cap-add", "CAP_SETPCAP"])
    words.remove("--die-with-parent")  # the outermost
    return words


def level(unsafe: bool = False) -> str:
    """Every layer that `run` has on this machine, in one line."""
    if unsafe:
        return UNSAFE
    filtered = "seccomp" if seccomp.known() else "no seccomp (unknown architecture)"
    version = landlock.version()
    return f"{_NAMESPACES}, {filtered}, {f'Landlock {version}' if version else 'no Landlock'}"


def missing() -> str | None:
    """The tool that this machine lacks, and how to get it; None where all are there."""
    if shutil.which("bwrap") is None:
        here = next((command for name, command in _MANAGERS.items() if shutil.which(name)), None)
        return INSTALL if here is None else f"install bubblewrap (sudo {here} bubblewrap)"
    for tool in ("prlimit", "setpriv", "choom"):
        if shutil.which(tool) is None:
            return f"{tool} not found: install util-linux"
    return None


def _limits(limits: Limits) -> list[str]:
    """Set inside: the kernel then counts the processes of this user namespace, not all of nobody's (Linux 5.14)."""
    rules = {
        "cpu": limits.cpu_seconds,
        "data": limits.memory_bytes,
        "as": limits.memory_bytes + limits.reserved_bytes,
        "nproc": limits.processes,
        "fsize": limits.file_bytes,
        "nofile": limits.open_files,
        "core": 0,
    }
    return [_tool("prlimit"), *(f"--{name}={value}" for name, value in rules.items()), "--"]


@contextmanager
def _filter() -> Iterator[tuple[list[str], list[int]]]:
    """The words and the descriptor that hand bubblewrap the system-call filter; it installs it last, before exec."""
    if not seccomp.known():
        yield [], []
        return
    reader, writer = os.pipe()
    os.write(writer, seccomp.program())  # smaller than any pipe
    os.close(writer)
    try:
        yield ["--seccomp", str(reader)], [reader]
    finally:
        os.close(reader)


def _walls(
    command: Sequence[str],
    limits: Limits,
    binds: Mapping[str, Path],
    environment: Mapping[str, str],
    words: Sequence[str],
) -> list[str]:
    outside = [_tool("choom"), "-n", "1000", "--"]  # memory is limited a process: if it runs out, the kernel kills ours
    sources = {place: str(path) for place, path in binds.items()}
    if os.geteuid() == 0:
        outside += [_tool("bwrap"), "--die-with-parent", "--unshare-pid", "--dev-bind", "/", "/", "--tmpfs", _STAGE]
        for number, (place, path) in enumerate(sources.items()):
            sources[place] = f"{_STAGE}/{number}"
            outside += ["--ro-bind", path, sources[place]]
        outside += ["--", _tool("setpriv"), f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        outside += ["--inh-caps=-all", "--ambient-caps=-all", "--"]
    walls = [_tool("bwrap"), "--die-with-parent", "--new-session", "--unshare-user", "--unshare-pid", "--unshare-net"]
    walls += ["--unshare-ipc", "--unshare-uts", "--unshare-cgroup", "--uid", NOBODY, "--gid", NOBODY]
    walls += ["--hostname", "sandbox", "--cap-drop", "ALL", "--clearenv", *_system()]
    for place, path in sources.items():
        walls += ["--ro-bind", path, place]
    walls += ["--dev", "/dev", "--remount-ro", "/dev", "--size", str(limits.disk_bytes), "--tmpfs", "/work"]
    walls += [*words, "--remount-ro", "/", "--chdir", "/work"]
    inside = {"PATH": "/usr/bin:/bin", "HOME": "/work", "TMPDIR": "/work", "LANG": "C.UTF-8", **environment}
    for name, value in inside.items():
        walls += ["--setenv", name, value]
    return [*outside, *walls, "--", *command]


def _system() -> list[str]:
    """The system's folders, links as links (a merged /usr has /bin -> usr/bin)."""
    words: list[str] = []
    for place in map(Path, _SYSTEM):
        if place.is_symlink():
            words += ["--symlink", str(place.readlink()), str(place)]
        elif place.exists():
            words += ["--ro-bind", str(place), str(place)]
    return words


@functools.cache
def _tool(name: str) -> str:
    return shutil.which(name) or name
