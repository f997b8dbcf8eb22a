"""Classes of bytes and characters, and lines, over a buffer of UTF-8 that holds many files one after the other."""

import functools
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

LETTER: Final = 1
DIGIT: Final = 2
SPACE: Final = 4
BASE64: Final = 8
"""Letters, digits, + / = and the URL-safe - and _."""
TABLE: Final = 16
"""What tables of numbers are written with: digits, letters of hex and of suffixes, separators, white space."""
MARK: Final = 32
"""A digit or a backslash: in a table of numbers neither is ever far."""


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of all files of a batch, without their line breaks."""

    starts: Array
    """Byte position of each line in the buffer."""
    stops: Array
    characters: Array
    bounds: Array
    """The lines of file i are `bounds[i]` up to `bounds[i + 1]`."""

    def each_file(self, reduce: np.ufunc, values: Array) -> Array:
        """A value a line reduced to one a file; 0 for a file without lines."""
        found = np.zeros(len(self.bounds) - 1)
        some = np.diff(self.bounds) > 0
        if some.any():  # files without lines take no part: a segment of reduceat is never empty
            found[some] = reduce.reduceat(values, self.bounds[:-1][some], dtype=np.int64)
        return found


def classes(data: Array) -> Array:
    """The classes of each byte, as bits; none for bytes beyond ASCII."""
    return np.frombuffer(data.tobytes().translate(_CLASSES), np.uint8)


def _byte_class(byte: int) -> int:
    letter = chr(byte)
    if byte >= 0x80:
        return 0
    return (
        LETTER * letter.isalpha()
        | DIGIT * letter.isdigit()
        | SPACE * letter.isspace()
        | BASE64 * (letter.isalnum() or letter in "+/=-_")
        | TABLE * (letter in "0123456789abcdefABCDEFxXuUlLhH\\,.;:+-'\"{}[]() \t\r\n")
        | MARK * (letter.isdigit() or letter == "\\")
    )


_CLASSES = bytes(map(_byte_class, range(256)))


@functools.cache
def unicode_classes() -> Array:
    """LETTER, DIGIT and SPACE of every code point, as `str` sees it."""
    every = np.arange(0x110000, dtype=np.uint32).view("<U1")
    kinds = ((LETTER, np.strings.isalpha), (DIGIT, np.strings.isdigit), (SPACE, np.strings.isspace))
    return sum((flag * holds(every).astype(np.uint8) for flag, holds in kinds), np.zeros(len(every), np.uint8))


@dataclass(frozen=True, slots=True)
class Beyond:
    """The characters beyond ASCII in a buffer."""

    starts: Array
    """Byte position of each."""
    codes: Array
    """Code point of each."""
    extra: Array
    """Bytes after the first one in the characters before the i-th; one entry more than there are characters."""

    def before(self, places: Array) -> Array:
        """Bytes of the buffer before each of these places that begin no character."""
        found: Array = self.extra[np.searchsorted(self.starts, places)]
        return found


def beyond_ascii(data: Array) -> Beyond:
    """The characters beyond ASCII; the buffer must be valid UTF-8."""
    starts = np.flatnonzero(data >= 0xC0)
    codes = np.frombuffer(data[data >= 0x80].tobytes().decode().encode("utf-32-le"), np.uint32)
    widths = 1 + (codes >= 0x800) + (codes >= 0x10000)
    return Beyond(starts, codes, np.append(0, np.cumsum(widths)))


def lines(data: Array, bounds: Array, beyond: Beyond) -> Lines:
    """The lines of `str.splitlines` of each file `data[bounds[i]:bounds[i + 1]]`."""
    breaks, widths = _breaks(data, bounds[:-1], beyond)
    first = np.searchsorted(breaks, bounds)
    # Between breaks stand lines, one more a file than it has breaks: after its last, if only the end of the file.
    starts = np.insert(breaks + widths, first[:-1], bounds[:-1])
    stops = np.insert(breaks, first[1:], bounds[1:])
    last = first[1:] + np.arange(len(bounds) - 1)
    blank = starts[last] == stops[last]
    keep = np.ones(len(starts), bool)
    keep[last[blank]] = False
    starts, stops = starts[keep], stops[keep]
    line_bounds = first + np.append(0, np.cumsum(~blank))
    characters = stops - starts
    if beyond.starts.size:
        characters -= (beyond.before(stops) - beyond.before(starts)).astype(characters.dtype)
    return Lines(starts, stops, characters, line_bounds)


def _breaks(data: Array, file_starts: Array, beyond: Beyond) -> tuple[Array, Array]:
    """Where line breaks start, and how many bytes each has. Positions are int32 while they fit: lines may be many."""
    kind = np.int32 if len(data) < 2**31 else np.int64
    breaks = np.flatnonzero(data - np.uint8(0x0A) <= 0x1E - 0x0A).astype(kind)
    bytes_ = data[breaks]
    real = (bytes_ <= 0x0D) | (bytes_ >= 0x1C)
    if not real.all():
        breaks, bytes_ = breaks[real], bytes_[real]
    widths = np.ones(len(breaks), np.uint8)
    returns = np.flatnonzero(bytes_ == 0x0D)
    if returns.size:
        pairs = returns[:-1] if returns[-1] == len(breaks) - 1 else returns
        pairs = pairs[(bytes_[pairs + 1] == 0x0A) & (breaks[pairs + 1] == breaks[pairs] + 1)]
        pairs = pairs[~np.isin(breaks[pairs] + 1, file_starts)]  # one file's \r and the next one's \n are two
        widths[pairs] = 2
        breaks, widths = np.delete(breaks, pairs + 1), np.delete(widths, pairs + 1)
    rare = (beyond.codes == 0x85) | (beyond.codes == 0x2028) | (beyond.codes == 0x2029)
    if rare.any():
        breaks = np.concatenate([breaks, beyond.starts[rare].astype(kind)])
        widths = np.concatenate([widths, np.where(beyond.codes[rare] == 0x85, 2, 3).astype(np.uint8)])
        order = np.argsort(breaks, kind="stable")
        breaks, widths = breaks[order], widths[order]
    return breaks, widths
