"""The sandbox's tests need the sandbox: where it is missing they say so instead of passing."""

import pytest

from repoloom.sandbox import probe


@pytest.fixture(scope="session")
def sandbox() -> None:
    reason = probe().reason
    if reason is not None:
        pytest.skip(f"no sandbox: {reason}")
