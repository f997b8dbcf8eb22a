"""Text that repeats itself: lines of a file that stood in it before."""

import numpy as np

from repoloom.curate.filters.batch import Batch
from repoloom.curate.filters.utf8 import Array, Floats


def repeated_lines(batch: Batch) -> Floats:
    """Bytes in lines that stood in the file before, over the bytes in all lines."""
    return batch.scanned(_repeated)


def bound(batch: Batch) -> Floats:
    """Never less than `repeated_lines`, and cheap: lines are told apart by length and a few bytes only."""
    return batch.cached(_alike)


def _repeated(batch: Batch) -> Floats:
    found = np.zeros(len(batch))
    for row, text in enumerate(batch.texts()):
        lines = [line.encode() for line in text.splitlines()]
        total = sum(map(len, lines))
        found[row] = 1 - sum(map(len, set(lines))) / total if total else 0
    return found


def _alike(batch: Batch) -> Floats:
    """`repeated_lines` with a line's length and five of its bytes for the line itself.

    Lines go into a table by hash, the last first, so that each finds there the first line like it, or one that only
    shares its place: that makes the bound larger, never smaller.
    """
    lines = batch.lines
    if not len(lines.starts):
        return np.zeros(len(lines.bounds) - 1)
    lengths = lines.stops - lines.starts
    files = np.repeat(np.arange(len(lines.bounds) - 1), np.diff(lines.bounds))
    hashes = _mix(files.astype(np.uint64) << np.uint64(32) | lengths.astype(np.uint64))
    for eighths in (3, 4, 5, 6, 7):
        sample = batch.data[lines.starts + lengths * eighths // 8]
        hashes = (hashes << np.uint64(8)) ^ (hashes >> np.uint64(56)) ^ sample
    hashes = _mix(hashes)
    bits = len(hashes).bit_length() + 3
    table = np.empty(1 << bits, np.int32)
    slots = (hashes >> np.uint64(64 - bits)).astype(np.intp)
    order = np.arange(len(hashes), dtype=np.int32)
    table[slots[::-1]] = order[::-1]
    again = table[slots] != order
    repeated: Floats = lines.each_file(np.add, lengths * again)
    every: Floats = lines.each_file(np.add, lengths)
    return repeated / np.maximum(every, 1)


def _mix(values: Array) -> Array:
    """One round of splitmix64's finaliser: every bit of the input moves the high bits of the output."""
    values = (values ^ (values >> np.uint64(31))) * np.uint64(0x9E3779B97F4A7C15)
    mixed: Array = (values ^ (values >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return mixed
