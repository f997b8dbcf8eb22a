"""The rows of a batch as one process sees them: its share, of each its part of the targets, in micro-batches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from repoloom.model.transformer import IGNORED
from repoloom.train.job import Batch

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows, for one pass through the network or for several."""

    tokens: Ids
    """[rows, time]"""
    targets: Ids
    """[rows, time], or of each row those that this process has the loss of."""
    documents: npt.NDArray[np.int32] | None
    """[rows, time]: the number of each token's document in its row, where attention stays inside documents."""

    @classmethod
    def of(cls, batch: Batch, parts: Sequence[tuple[int, int]]) -> "Rows":
        """All rows of a batch; of the targets the part that `Ranks.parts` names."""
        targets = batch.targets
        for size, part in parts:
            targets = np.array_split(targets, size, 1)[part]
        return cls(batch.tokens, targets, getattr(batch, "documents", None))

    @property
    def real(self) -> int:
        """The targets that carry loss."""
        return int((self.targets != IGNORED).sum())

    def share(self, share: int, shares: int) -> "Rows":
        """The `share`-th of so many parts, equally many rows in each: where they do not suffice, rows without loss."""
        if shares == 1:
            return self
        count = -(-len(self.tokens) // shares)
        places = np.arange(share * count, (share + 1) * count)
        found = self._at(np.minimum(places, len(self.tokens) - 1))
        found.targets[places >= len(self.tokens)] = IGNORED
        return found

    def parts(self, size: int) -> Iterator["Rows"]:
        """At most `size` rows at one time."""
        for start in range(0, len(self.tokens), size):
            yield self._at(slice(start, start + size))

    def _at(self, rows: "slice | npt.NDArray[np.int64]") -> "Rows":
        documents = None if self.documents is None else self.documents[rows]
        return Rows(self.tokens[rows], self.targets[rows], documents)
