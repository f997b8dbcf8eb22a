"""What this machine can do: its matmul rate in a precision, the precision to train in, whether it can compile."""

import ctypes
import os
import shutil
import sys
import sysconfig
import time
from functools import cache
from pathlib import Path
from typing import Literal

import torch

Precision = Literal["float32", "bfloat16"]

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""M_TRIM_THRESHOLD and M_MMAP_MAX of <malloc.h>."""

_SIDE = {"cpu": 1024, "cuda": 8192}
_SECONDS = 0.5
_WORTH = 1.2
"""bfloat16 has to multiply so much faster than float32: it rounds more, and its casts cost time too."""


def device() -> torch.device:
    """The GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@cache
def peak(device: torch.device, precision: Precision) -> float:
    """FLOP/s of square matrix products: the best of half a second of them, after a first that is not counted.

    The best, not the median: it is what the machine can do, and other work on it can only take away from that.
    """
    side = _SIDE[device.type]
    left, right = (torch.ones(side, side, device=device, dtype=getattr(torch, precision)) for _ in range(2))
    _timed(left, right)
    times: list[float] = []
    while len(times) < 3 or sum(times) < _SECONDS:
        times.append(_timed(left, right))
    return 2.0 * side**3 / min(times)


def _timed(left: torch.Tensor, right: torch.Tensor) -> float:
    clock = time.perf_counter()
    torch.matmul(left, right)
    synchronize(left.device)
    return time.perf_counter() - clock


def synchronize(device: torch.device) -> None:
    """Wait for what was started on `device`, so that a clock can be read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def precision(asked: Literal["auto", "float32", "bfloat16"], device: torch.device) -> Precision:
    """What to train in. `auto`: bfloat16 where this device multiplies it well faster than float32.

    Measured rather than read off the processor's flags: avx512_bf16, AMX, SVE and GPUs differ in name, and some
    processors that take bfloat16 emulate it.
    """
    if asked != "auto":
        return asked
    return "bfloat16" if peak(device, "bfloat16") > _WORTH * peak(device, "float32") else "float32"


def keep_memory() -> None:
    """Have glibc keep what tensors leave for those to come, unless the user has set how it is given back.

    A block of some megabytes goes back to the system at once, and its pages are made and zeroed anew for the next
    tensor: at 41M parameters a training step took 1.13 times as long (docs/training.md). Any other C library is left
    as it is.
    """
    if os.environ.keys() & {"MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"}:
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, -1)


def compiler() -> str | None:
    """The C++ compiler that `torch.compile` would call for a CPU; None where there is none."""
    names = [os.environ.get("CXX", ""), "g++", "clang++", "c++"]
    return next((found for name in names if name and (found := shutil.which(name))), None)


def cannot_compile(device: torch.device) -> str | None:
    """Why nothing can be compiled for `device` here, in a few words; None where it can."""
    if device.type != "cpu":
        return None
    if compiler() is None:
        return "no C++ compiler (g++, clang++)"
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").exists():
        return f"no Python headers (python{sys.version_info.major}.{sys.version_info.minor}-dev)"
    return None
