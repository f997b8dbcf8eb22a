"""Which pieces stand in which row, and which row at which place of training: fixed before the first step.

Documents that are weighted alike form a group, and a row holds pieces of one group. An epoch shows each group's rows as
often as its weight says: of a group of 10 rows with weight 0.5, five rows in the first epoch and the other five in the
second, which ends its first pass. So every row of a group is shown equally often, whatever its weight.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import numpy.typing as npt

from repoloom import recipe
from repoloom.errors import UserError
from repoloom.tokens import rows, windows
from repoloom.tokens.keyed import philox
from repoloom.tokens.pack import Offsets, Packed, Sources
from repoloom.tokens.rows import Rows
from repoloom.tokens.windows import Pieces

REST = "rest"
"""The documents that no key of the weights fits."""


@dataclass(frozen=True, slots=True)
class Room:
    """What a row holds, in tokens, and what is set aside in it beside the pieces' own."""

    row: int
    a_piece: int
    a_file: int
    """For each file that begins inside a piece."""


@dataclass(frozen=True, slots=True)
class Group:
    """Documents of one weight."""

    name: str
    rows: Offsets
    """The numbers of its rows, in the order in which a pass shows them."""
    shown: int
    """Rows of it that an epoch shows."""
    tokens: int


class Layout:
    """Pieces, rows and their order. Raises UserError for an empty corpus or a weight that fits no document."""

    def __init__(
        self, packed: Packed, ends_line: npt.NDArray[np.bool_], room: Room, settings: recipe.Batches, seed: int
    ) -> None:
        if not len(packed.ids):
            raise UserError("the packed split holds no tokens: was everything dropped in curation?")
        self._seed = seed
        names, group_of = _groups(packed, settings.weights)
        if settings.packing == "plain":
            tables = [_plain(packed, np.flatnonzero(group_of == number), room, seed) for number in range(len(names))]
        else:
            tables = _best_fit(packed, ends_line, group_of, len(names), room, seed)
        self.pieces, self.table = _joined(tables)
        inside = windows.begun(packed, self.pieces.starts, self.pieces.lengths)
        self.sizes = room.a_piece + self.pieces.lengths + room.a_file * inside
        """What each piece takes of its row."""
        self.groups: list[Group] = []
        first = 0
        for name, (pieces, table) in zip(names, tables, strict=True):
            order = np.random.Generator(philox(seed, "group", name)).permutation(len(table))
            shown = max(1, round(settings.weights.get(name, 1.0) * len(table)))
            self.groups.append(Group(name, first + order, shown, int(pieces.lengths.sum())))
            first += len(table)
        self._ends = np.cumsum([group.shown for group in self.groups])
        self.rows = int(self._ends[-1])
        """Rows an epoch."""
        self._lock = threading.Lock()
        self._epoch, self._order = -1, np.empty(0, np.int64)

    @property
    def tokens(self) -> float:
        """Tokens of the corpus that an epoch shows, BOS and padding left out."""
        return sum(group.tokens * group.shown / len(group.rows) for group in self.groups)

    def at(self, place: int) -> tuple[Group, int, int]:
        """What stands at a place of training, counted in rows: a row, its group and which pass over it this is."""
        epoch, slot = divmod(place, self.rows)
        slot = int(self._permutation(epoch)[slot])
        number = int(np.searchsorted(self._ends, slot, "right"))
        group = self.groups[number]
        within = slot - int(self._ends[number]) + group.shown
        passed, row = divmod(epoch * group.shown + within, len(group.rows))
        return group, int(group.rows[row]), passed

    def _permutation(self, epoch: int) -> Offsets:
        """The order in which an epoch shows its rows."""
        with self._lock:
            if self._epoch != epoch:
                generator = np.random.Generator(philox(self._seed, "epoch", epoch))
                self._epoch, self._order = epoch, generator.permutation(self.rows)
            return self._order


def _groups(packed: Packed, weights: dict[str, float]) -> tuple[list[str], Offsets]:
    """The groups' names, and the number of each document's.

    A document belongs to the first pattern that fits its repository, else to the language of most of its tokens.
    """
    if not weights:
        return [REST], np.zeros(len(packed), np.int64)
    names = [*weights, REST]
    repos, languages = packed.sources("repo"), _languages(packed)
    first = np.searchsorted(packed.files, packed.starts[:-1])
    pairs, document = np.unique(np.stack([repos.numbers[first], languages.numbers]), axis=1, return_inverse=True)
    groups = [_group(repos.names[repo], languages.names[language], weights) for repo, language in pairs.T.tolist()]
    found = np.array([names.index(group) for group in groups], np.int64)[document]
    for number, name in enumerate(weights):
        if not (found == number).any():
            raise UserError(f"batches.weights: no document fits {name!r}, or another key fits it first")
    return names[: int(found.max()) + 1], found


def _group(repo: str, language: str, weights: dict[str, float]) -> str:
    patterns = [key for key in weights if "/" in key and fnmatchcase(repo, key)]
    return next(iter(patterns), language if language in weights else REST)


def _languages(packed: Packed) -> Sources:
    """The language of most tokens of each document; of two with equally many the one that is named first."""
    of_files = packed.sources("language")
    sizes = np.diff(packed.files, append=len(packed.ids))
    document = np.searchsorted(packed.starts, packed.files, "right") - 1
    keys, which = np.unique(document * len(of_files.names) + of_files.numbers, return_inverse=True)
    document, language = np.divmod(keys, len(of_files.names))
    order = np.lexsort((language, -np.bincount(which, sizes), document))
    first = np.searchsorted(document[order], np.arange(len(packed)))
    return Sources(language[order][first], of_files.names)


def _best_fit(
    packed: Packed, ends_line: npt.NDArray[np.bool_], group_of: Offsets, groups: int, room: Room, seed: int
) -> list[tuple[Pieces, Rows]]:
    """Each group's pieces, cut at borders, and its rows, filled as the pieces fit."""
    pieces = windows.cut(packed, ends_line, room.row - room.a_piece, room.a_file)
    sizes = room.a_piece + pieces.lengths + room.a_file * windows.begun(packed, pieces.starts, pieces.lengths)
    of_piece = group_of[np.searchsorted(packed.starts, pieces.starts, "right") - 1]
    found = []
    for group in range(groups):
        own = of_piece == group
        found.append((Pieces(pieces.starts[own], pieces.lengths[own]), rows.fill(sizes[own], room.row, seed)))
    return found


def _plain(packed: Packed, documents: Offsets, room: Room, seed: int) -> tuple[Pieces, Rows]:
    """The pieces and rows of documents one behind the other, in an order drawn by seed."""
    order = np.random.Generator(philox(seed, "documents")).permutation(documents)
    pieces, bounds = windows.concatenate(packed, order, room.row, room.a_piece, room.a_file)
    return pieces, Rows(np.arange(len(pieces)), bounds)


def _joined(tables: Sequence[tuple[Pieces, Rows]]) -> tuple[Pieces, Rows]:
    """The groups' pieces and rows as one."""
    first = np.cumsum([0, *(len(pieces) for pieces, _ in tables)])
    numbers = [table.pieces + before for (_, table), before in zip(tables, first[:-1], strict=True)]
    bounds = [table.bounds[:-1] + before for (_, table), before in zip(tables, first[:-1], strict=True)]
    starts = np.concatenate([pieces.starts for pieces, _ in tables])
    lengths = np.concatenate([pieces.lengths for pieces, _ in tables])
    return Pieces(starts, lengths), Rows(np.concatenate(numbers), np.concatenate([*bounds, first[-1:]]))
