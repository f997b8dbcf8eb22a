import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    """Threads buy nothing at these sizes, and wait for each other where tests run side by side."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
