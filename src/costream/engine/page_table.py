"""The page table of a stream's window: which row of the pool stands in which logical slot."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def _none() -> Ints:
    return np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class PageTable:
    """Rows of consecutive logical slots. Slots only grow along a stream: a token sees lower ones.

    A token that was computed for its slot is a row at distance 0. A carried-over one refers to the
    row of the token that it stands for, and says how many positions behind that it is.

    Attributes:
        first: slot of the first entry.
        rows: int64 [slots], rows of the pool.
        distances: int64 [slots], in positions.
    """

    first: int = 0
    rows: Ints = field(default_factory=_none)
    distances: Ints = field(default_factory=_none)

    @property
    def end(self) -> int:
        """The slot behind the last entry."""
        return self.first + len(self.rows)

    def since(self, slot: int) -> PageTable:
        """Returns the table without the slots before ``slot``."""
        gone = slot - self.first
        return PageTable(slot, self.rows[gone:], self.distances[gone:])

    def entries(self, slot: int, tokens: int) -> tuple[Ints, Ints]:
        """Returns rows and distances of consecutive slots: int64 [tokens] each."""
        begin = slot - self.first
        return self.rows[begin : begin + tokens], self.distances[begin : begin + tokens]

    def appended(self, rows: Ints, distances: Ints) -> PageTable:
        """Returns the table with more slots at its end."""
        return PageTable(
            self.first,
            np.concatenate([self.rows, rows]),
            np.concatenate([self.distances, distances]),
        )

    def replaced(self, slot: int, rows: Ints, distances: Ints) -> PageTable:
        """Returns the table with other entries from a slot on."""
        new, begin = (
            PageTable(self.first, self.rows.copy(), self.distances.copy()),
            slot - self.first,
        )
        new.rows[begin : begin + len(rows)] = rows
        new.distances[begin : begin + len(rows)] = distances
        return new

    def following(self, before: PageTable, chosen: npt.NDArray[np.bool_]) -> PageTable:
        """Returns the table with others following the tokens that were recomputed in place.

        Whatever stands behind a recomputed token and referred to the same row refers to the new one
        from now on, from where that token stands.

        Args:
            before: the table before they were.
            chosen: bool [slots], the recomputed ones.
        """
        order = np.lexsort((np.arange(len(chosen)), before.rows))
        places = np.where(chosen[order], np.arange(len(order)), -1)
        last = np.maximum.accumulate(places)
        by_row = before.rows[order]
        follows = (last >= 0) & (by_row[last] == by_row) & ~chosen[order]
        leaders, followers = order[last[follows]], order[follows]
        rows, distances = self.rows.copy(), self.distances.copy()
        rows[followers] = rows[leaders]
        distances[followers] = before.distances[followers] - before.distances[leaders]
        return PageTable(self.first, rows, distances)
