"""Random numbers keyed by names, never by the order of calls."""

import hashlib

import numpy as np


def philox(*names: object, counter: int = 0) -> np.random.Philox:
    """The counter-based generator Philox 4x64, its key a hash of the names, at the given block of four numbers."""
    key = hashlib.blake2b("/".join(map(str, names)).encode(), digest_size=16).digest()
    return np.random.Philox(key=int.from_bytes(key, "little"), counter=counter)
