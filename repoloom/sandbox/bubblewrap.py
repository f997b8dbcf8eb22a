"""The walls: a bubblewrap command line that leaves a program nothing but its toolchain, read-only, and a small disk.

User, mount, process, network, IPC, host-name and cgroup namespaces are its own; the uid is nobody's, without
capabilities, without a way to new ones; the environment is what the caller names. Only `/work` can be written, a tmpfs
of limited size. There is no /proc, hence no look at other processes.

Started by root, bubblewrap alone would map "nobody" onto root: the kernel then counts no processes (RLIMIT_NPROC does
not bind root) and every file of root's opens. So root first puts the toolchain where nobody reaches it (it may stand
under /root) in a mount namespace of its own, becomes nobody in truth, and only then builds the walls.
"""

import functools
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

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
LEVEL = "bubblewrap: own user, mount, pid, network, ipc, uts and cgroup namespaces, nobody, no capabilities, rlimits"

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
) -> Result:
    """Run `command` inside, with `binds` (place inside -> file or folder here) to read. Never raises for what it does.

    The result tells how it ended, never whether it was right: an exit code is the program's own claim.
    """
    inside = [*_limits(limits), *command]
    return execute(_walls(inside, limits, binds or {}, environment or {}), limits, stdin)


def missing() -> str | None:
    """The tool that this machine lacks, and how to get it; None where all are there."""
    if shutil.which("bwrap") is None:
        here = next((command for name, command in _MANAGERS.items() if shutil.which(name)), None)
        return INSTALL if here is None else f"install bubblewrap (sudo {here} bubblewrap)"
    for tool in ("prlimit", "setpriv"):
        if shutil.which(tool) is None:
            return f"{tool} not found: install util-linux"
    return None


def _limits(limits: Limits) -> list[str]:
    """Set inside: the kernel then counts the processes of this user namespace, not all of nobody's (Linux 5.14)."""
    rules = {
        "cpu": limits.cpu_seconds,
        "as": limits.memory_bytes,
        "nproc": limits.processes,
        "fsize": limits.file_bytes,
        "nofile": limits.open_files,
        "core": 0,
    }
    return [_tool("prlimit"), *(f"--{name}={value}" for name, value in rules.items()), "--"]


def _walls(
    command: Sequence[str], limits: Limits, binds: Mapping[str, Path], environment: Mapping[str, str]
) -> list[str]:
    outside: list[str] = []
    sources = {place: str(path) for place, path in binds.items()}
    if os.geteuid() == 0:
        outside = [_tool("bwrap"), "--die-with-parent", "--unshare-pid", "--dev-bind", "/", "/", "--tmpfs", _STAGE]
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
    walls += ["--remount-ro", "/", "--chdir", "/work"]
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
