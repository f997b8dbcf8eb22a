"""Megatron-Core's index (.idx) of a .bin of ids: the lengths of its sequences, and which of them make a document.

Little-endian: nine bytes of magic, version, code of the ids' type, number of sequences, number of document borders;
then int32 lengths, int64 offsets into the .bin in bytes, int64 borders (megatron/core/datasets/indexed_dataset.py).
"""

import hashlib
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

_MAGIC = b"MMIDIDX\x00\x00"
_HEAD = "<QBQQ"
_FIRST = len(_MAGIC) + struct.calcsize(_HEAD)
_CODES: dict[np.dtype[Any], int] = {np.dtype(np.int32): 4, np.dtype(np.uint16): 8}


_SAMPLES, _SAMPLE = 1024, 65_536
"""Of a larger file so many pieces of so many bytes are digested: to read terabytes takes an hour."""


class Index(NamedTuple):
    """What an index says."""

    dtype: np.dtype[Any]
    """Of the ids in the .bin."""
    ends: npt.NDArray[np.int64]
    """0, and where each sequence ends, in ids."""
    documents: npt.NDArray[np.int64]
    """The sequence that each document begins with, and their number at the end."""


def write(path: Path, lengths: npt.NDArray[np.int64], dtype: np.dtype[Any]) -> None:
    """Write the index of documents of these lengths, a sequence each."""
    with path.open("wb") as file:
        file.write(_MAGIC + struct.pack(_HEAD, 1, _CODES[dtype], len(lengths), len(lengths) + 1))
        file.write(lengths.astype(np.int32).tobytes())
        file.write(((np.cumsum(lengths) - lengths) * dtype.itemsize).astype(np.int64).tobytes())
        file.write(np.arange(len(lengths) + 1, dtype=np.int64).tobytes())


def read(path: Path) -> Index:
    """Read an index, also one that Megatron-Core wrote. Raises OSError or ValueError."""
    data = path.read_bytes()
    if not data.startswith(_MAGIC) or len(data) < _FIRST:
        raise ValueError("not a Megatron-Core index")
    version, code, sequences, borders = struct.unpack_from(_HEAD, data, len(_MAGIC))
    dtype = next((dtype for dtype, known in _CODES.items() if known == code), None)
    if version != 1 or dtype is None:
        raise ValueError(f"a Megatron-Core index of version {version}, ids of type {code}: known are 1, and 4 or 8")
    if len(data) != _FIRST + (4 + 8) * sequences + 8 * borders:
        raise ValueError(f"it is {len(data):,} bytes long, which is not what {sequences:,} sequences take")
    lengths = np.frombuffer(data, np.int32, sequences, _FIRST)
    if (lengths < 0).any():
        raise ValueError("some of its sequences have fewer than no ids")
    documents = np.frombuffer(data, np.int64, borders, _FIRST + (4 + 8) * sequences)
    if not len(documents) or documents[0] or documents[-1] != sequences or (np.diff(documents) < 0).any():
        raise ValueError("its documents do not cover its sequences")
    return Index(dtype, np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]), documents)


def digest(path: Path) -> str:
    """The BLAKE2b-128 digest of a file's length and bytes, in hexadecimal; of a large one, of pieces spread over it."""
    size = path.stat().st_size
    found = hashlib.blake2b(size.to_bytes(8, "little"), digest_size=16)
    with path.open("rb") as file:
        for number in range(_SAMPLES):
            if size > _SAMPLES * _SAMPLE:
                file.seek(number * (size - _SAMPLE) // (_SAMPLES - 1))
            found.update(file.read(_SAMPLE))
    return found.hexdigest()
