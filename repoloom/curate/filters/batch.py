"""Files as columns: features of many texts, each computed once over one UTF-8 buffer.

A feature is one number a file. It is computed for all files of a batch the first time that any rule asks, with numpy
over the bytes of them all, so that Python costs a few calls a file. A part of a batch (`take`) shares what its whole
knows. Characters are Unicode code points; lines are those of `str.splitlines`, as BigCode's scripts have them.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import pyarrow as pa

from repoloom.curate.filters import utf8
from repoloom.curate.filters.utf8 import Array, Floats, Mask


@dataclass(frozen=True, slots=True)
class Feature:
    """A method of Batch that computes one number a file, as a property: once for the whole, a part takes its rows.

    `Batch.letters` itself is a measure: given a batch it answers with its letters.
    """

    compute: Callable[["Batch"], Array]

    @overload
    def __get__(self, batch: None, owner: type) -> "Feature": ...
    @overload
    def __get__(self, batch: "Batch", owner: type) -> Floats: ...
    def __get__(self, batch: "Batch | None", owner: type) -> "Feature | Floats":
        return self if batch is None else self(batch)

    def __call__(self, batch: "Batch") -> Floats:
        """The feature of these files."""
        return batch.cached(self.compute)


class Batch:
    """Some files: their paths, languages and texts, and what was found out about them."""

    def __init__(self, paths: Sequence[str], languages: Sequence[str], contents: Sequence[str] | pa.Array) -> None:
        texts = contents if isinstance(contents, pa.Array) else pa.array(contents, pa.large_string())
        texts = texts.cast(pa.large_string()).fill_null("")
        if not len(paths) == len(languages) == len(texts):
            raise ValueError("a batch needs as many languages and contents as paths")
        _, offsets, data = (np.frombuffer(part if part else b"", np.uint8) for part in texts.buffers())
        bounds = (
            offsets.view(np.int64)[texts.offset : texts.offset + len(texts) + 1] if len(texts) else np.zeros(1, int)
        )
        self.data: Array = data[bounds[0] : bounds[-1]]
        """The bytes of all texts, one after the other; those of the whole batch, for a part as well."""
        self.bounds: Array = bounds - bounds[0]
        """File i of the whole batch is `data[bounds[i]:bounds[i + 1]]`."""
        self.rows: Array = np.arange(len(texts))
        """Where the files of this part stand in the whole."""
        self._whole = self
        self._paths = list(paths)
        self._names = sorted(set(languages))
        codes = {name: code for code, name in enumerate(self._names)}
        self._codes = np.fromiter((codes[name] for name in languages), np.intp, len(texts))
        self._cache: dict[Callable[[Batch], Array], Array] = {}
        self._scans: dict[Callable[[Batch], Array], tuple[Mask, Array]] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: Array) -> "Batch":
        """The part with these rows (numbers or a mask), in their order; bytes and features are shared, not copied."""
        part = object.__new__(Batch)
        part.__dict__ |= self.__dict__
        part.rows = self.rows[rows]
        return part

    @property
    def paths(self) -> list[str]:
        """Each file's path in its repository."""
        return [self._paths[row] for row in self.rows.tolist()]

    @property
    def languages(self) -> list[str]:
        """Each file's language."""
        return [self._names[code] for code in self._codes[self.rows].tolist()]

    def where(self, holds: Callable[[str], bool]) -> Mask:
        """The files whose language `holds`."""
        return np.fromiter(map(holds, self._names), bool, len(self._names))[self._codes[self.rows]]

    def cached(self, compute: Callable[["Batch"], Array]) -> Array:
        """These rows of what `compute` says of the whole batch, which it is asked once."""
        if compute not in self._cache:
            self._cache[compute] = compute(self._whole)
        return self._cache[compute][self.rows]

    def scanned(self, scan: Callable[["Batch"], Array]) -> Array:
        """What `scan` says of these rows, for features that cost: a row is scanned once, if it is asked for at all.

        `scan` answers with one number or one row of numbers for each file of the part that it is given.
        """
        if scan not in self._scans:
            shape = scan(self.take(np.empty(0, np.intp))).shape[1:]
            self._scans[scan] = np.zeros(len(self._paths), bool), np.empty((len(self._paths), *shape))
        done, found = self._scans[scan]
        missing = np.flatnonzero(~done[self.rows])
        if missing.size:
            found[self.rows[missing]] = scan(self.take(missing))
            done[self.rows] = True
        return found[self.rows]

    def spans(self) -> Iterator[tuple[int, int]]:
        """Where each file's bytes start and stop in `data`."""
        return zip(self.bounds[self.rows].tolist(), self.bounds[self.rows + 1].tolist(), strict=True)

    def raws(self) -> Iterator[bytes]:
        """Each file's bytes."""
        return (self.data[start:stop].tobytes() for start, stop in self.spans())

    def texts(self) -> Iterator[str]:
        """Each file's text."""
        return (raw.decode() for raw in self.raws())

    def first(self, limit: int) -> Iterator[bytes]:
        """At most the first `limit` bytes of each file; the last character may be cut."""
        return (self.data[start : min(stop, start + limit)].tobytes() for start, stop in self.spans())

    def heads(self, lines: int, limit: int) -> Iterator[bytes]:
        """The first lines of each file, at most `limit` bytes of it, the last line break included."""
        index = self.lines
        lasts = np.minimum(index.bounds[self.rows] + lines, index.bounds[self.rows + 1])
        ends = np.append(index.starts, len(self.data))[lasts].tolist()
        return (
            self.data[start : min(end, stop, start + limit)].tobytes()
            for end, (start, stop) in zip(ends, self.spans(), strict=True)
        )

    def tails(self, lines: int, limit: int) -> Iterator[bytes]:
        """The last lines of each file, at most `limit` bytes of it."""
        index = self.lines
        firsts = np.maximum(index.bounds[self.rows + 1] - lines, index.bounds[self.rows])
        starts = np.append(index.starts, len(self.data))[firsts].tolist()
        return (
            self.data[max(first, stop - limit) : stop].tobytes()
            for first, (_, stop) in zip(starts, self.spans(), strict=True)
        )

    def count(self, mask: Mask) -> Floats:
        """How many of each file's bytes are in `mask`, which is as long as `data`."""
        return np.array([np.count_nonzero(mask[start:stop]) for start, stop in self.spans()], np.float64)

    @property
    def classes(self) -> Array:
        """The classes of each byte of `data` (`utf8.LETTER`, ...); none for bytes beyond ASCII."""
        return self._whole._classes

    @property
    def lines(self) -> utf8.Lines:
        """The lines of the whole batch."""
        return self._whole._lines

    @Feature
    def size(self) -> Floats:
        """Bytes."""
        return np.diff(self.bounds).astype(np.float64)

    @Feature
    def characters(self) -> Floats:
        """Code points."""
        return self.size - np.diff(self._beyond.before(self.bounds))

    @Feature
    def letters(self) -> Floats:
        """Characters that are letters of any script (`str.isalpha`)."""
        return self._members(utf8.LETTER)

    @Feature
    def digits(self) -> Floats:
        """Characters that are digits (`str.isdigit`)."""
        return self._members(utf8.DIGIT)

    @Feature
    def spaces(self) -> Floats:
        """Characters that are white space (`str.isspace`)."""
        return self._members(utf8.SPACE)

    @Feature
    def line_count(self) -> Floats:
        """Lines."""
        return np.diff(self.lines.bounds).astype(np.float64)

    @Feature
    def longest_line(self) -> Floats:
        """Characters of the longest line; 0 where there is none."""
        return self.lines.each_file(np.maximum, self.lines.characters)

    @Feature
    def average_line(self) -> Floats:
        """Mean characters a line, line breaks not counted; 0 where there is none."""
        characters: Floats = self.lines.each_file(np.add, self.lines.characters)
        return characters / np.maximum(self.line_count, 1)

    @functools.cached_property
    def _classes(self) -> Array:
        return utf8.classes(self.data)

    @functools.cached_property
    def _lines(self) -> utf8.Lines:
        return utf8.lines(self.data, self.bounds, self._beyond)

    @functools.cached_property
    def _beyond(self) -> utf8.Beyond:
        return utf8.beyond_ascii(self.data)

    def _members(self, kind: int) -> Floats:
        """Characters of a class in each file of the whole batch."""
        beyond = self._beyond
        members = np.append(0, np.cumsum(utf8.unicode_classes()[beyond.codes] & kind != 0))
        more = np.diff(members[np.searchsorted(beyond.starts, self.bounds)])
        return self.count(self.classes & kind != 0) + more
