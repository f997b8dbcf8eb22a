"""The filter refuses what its table names, by the kernel's own word, and lets the rest through."""

import errno
import platform
import re
import struct
from pathlib import Path

import pytest

from repoloom.sandbox import Limits, run
from repoloom.sandbox.guest import seccomp

HEADERS = {"x86_64": "/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "aarch64": "/usr/include/asm-generic/unistd.h"}
CALL = """
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
for line in sys.stdin:
    numbers = [ctypes.c_long(int(n)) for n in line.split()]
    ctypes.set_errno(0)
    libc.syscall(*numbers)
    print(ctypes.get_errno())
"""


def errors(calls: list[list[int]]) -> list[int]:
    stdin = "".join(" ".join(map(str, call)) + "\n" for call in calls).encode()
    result = run(["/usr/bin/env", "python3", "-c", CALL], Limits(seconds=60), stdin=stdin)
    return [int(line) for line in result.stdout.split()]


@pytest.mark.skipif(platform.machine() not in HEADERS, reason="no filter for this machine")
@pytest.mark.usefixtures("sandbox")
def test_the_kernel_refuses_each() -> None:
    which = list(HEADERS).index(platform.machine())
    numbers = [numbers[which] for numbers in seccomp.REFUSED.values() if numbers[which] is not None]
    found = errors([[number, -1, 0, 0, 0, 0, 0] for number in numbers if number is not None])
    assert found == [errno.EPERM] * len(numbers)
    clone, clone3, socket = ((56, 220)[which], 435, (41, 198)[which])
    newer, x32 = seccomp.NEWEST + 1, 0x40000000 + 39
    assert errors([[clone3, 0, 0], [newer], [x32]]) == [errno.ENOSYS] * 3
    assert errors([[clone, flag, 0, 0, 0, 0] for flag in (0x10000000, 0x20000, 0x40000000)]) == [errno.EPERM] * 3
    assert errors([[socket, family, 1, 0] for family in (2, 10, 16, 17, 38, 40)]) == [errno.EAFNOSUPPORT] * 6
    assert errors([[socket, 1, 1, 0]]) == [0]


@pytest.mark.parametrize("machine", HEADERS)
def test_the_numbers_are_the_headers(machine: str) -> None:
    path = Path(HEADERS[machine])
    if not path.is_file():
        pytest.skip(f"no kernel headers for {machine}")
    defined = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", path.read_text())
    numbers = {name: int(number) for name, number in reversed(defined)}
    which = list(HEADERS).index(machine)
    wrong = {n: v[which] for n, v in seccomp.REFUSED.items() if v[which] is not None and numbers.get(n) != v[which]}
    assert wrong == {}


@pytest.mark.parametrize("machine", HEADERS)
def test_jumps_stay_inside(machine: str) -> None:
    code = list(struct.iter_unpack("<HBBI", seccomp.program(machine)))
    assert len(code) < 4096
    for place, (kind, if_true, if_false, _) in enumerate(code):
        assert kind in (0x20, 0x15, 0x35, 0x45, 0x06)
        assert kind in (0x20, 0x06) or place + 1 + max(if_true, if_false) < len(code)
    assert code[-1] == (0x06, 0, 0, 0x7FFF0000)


def test_an_unknown_machine_has_none() -> None:
    with pytest.raises(KeyError):
        seccomp.program("riscv64")
