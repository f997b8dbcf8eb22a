"""What training asks of the C library: that memory given back by one tensor is there for the next."""

import os
import subprocess
import sys

import pytest

FAULTS = """
import resource, torch
from repoloom.train import speed
speed.keep_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(1 << 22)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
for _ in range(5):  # glibc sets the odd ends of the first few blocks apart, and cannot join what is between them
    faults()
print(faults())
"""
PAGES = 10 * 4 * (1 << 22) // os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(sys.platform != "linux" or os.confstr("CS_GNU_LIBC_VERSION") is None, reason="glibc's malloc")
@pytest.mark.parametrize(
    ("asked", "least", "most"), [({}, 0, PAGES // 100), ({"MALLOC_MMAP_THRESHOLD_": "65536"}, PAGES, 2 * PAGES)]
)
def test_pages_of_a_tensor_serve_the_next_one_unless_the_user_wants_them_given_back(asked, least, most):
    done = subprocess.run(
        [sys.executable, "-c", FAULTS], env=os.environ | asked, check=True, capture_output=True, text=True
    )
    assert least <= int(done.stdout) <= most
