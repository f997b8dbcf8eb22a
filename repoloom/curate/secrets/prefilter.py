"""The one pass over everything: which lines may hold something.

All hints are one RE2 automaton, which Arrow runs over the lines of a batch without a copy: linear, and at memory-like
speed however many hints there are. A hint matches wherever its detector does; a test holds both to that.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from repoloom.curate.secrets import keys
from repoloom.curate.secrets.detectors import detectors


@dataclass(frozen=True, slots=True)
class Line:
    """Bytes `start` to `end` of the text of this number, without the line break."""

    text: int
    start: int
    end: int


@cache
def hint() -> str:
    """The alternation of all hints, in RE2's syntax."""
    hints = dict.fromkeys([keys.HINT, *(detector.hint for detector in detectors())])
    return "|".join(f"(?:{hint})" for hint in hints)


def candidates(texts: Sequence[bytes]) -> Iterator[Line]:
    """The lines that some hint matches, in order."""
    data = b"\n".join(texts)
    breaks = np.flatnonzero(np.frombuffer(data, np.uint8) == 10)
    # Line n of the Arrow array holds the line break before it, too: one array of offsets must do.
    offsets = np.concatenate([[0], breaks, [len(data)]])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    # Binary, so that RE2 reads bytes as `re` does: its automaton for UTF-8 is larger.
    lines = pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(offsets) - 1, buffers)
    matched = np.flatnonzero(pc.match_substring_regex(lines, hint()).to_numpy(zero_copy_only=False))
    starts = np.cumsum([0, *(len(text) + 1 for text in texts)])
    for n, text in zip(matched, np.searchsorted(starts, offsets[matched + 1], "right") - 1, strict=True):
        first = int(offsets[n]) + (n > 0)
        yield Line(int(text), int(first - starts[text]), int(offsets[n + 1] - starts[text]))
