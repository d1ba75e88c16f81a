"""Features of visual tokens, in slots of pages: rows of the pool that hold them and no token."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from costream.engine.page_table import Ints
from costream.engine.row_shape import RowShape
from costream.errors import IntegrityError

NO_SLOT = -1
"""Slot of a row whose token has no features: one of text."""


class FeaturePages:
    """Slots that are counted: one is free when no row and nobody else refers to it.

    Slots of pages that are in use already are taken first. A page without a slot in use gives its
    rows back.

    Args:
        shape: what a row holds.
        take: takes rows of the pool: int64 [rows].
        give: gives them back.
    """

    def __init__(
        self, shape: RowShape, take: Callable[[int], Ints], give: Callable[[Ints], None]
    ) -> None:
        self._shape = shape
        self._take = take
        self._give = give
        self._counts = np.zeros(0, np.int64)
        self._rows = np.zeros((0, shape.page_rows), np.int64)
        # Free slots of the pages in use that have some, and numbers of pages that are not in use.
        self._open: dict[int, list[int]] = {}
        self._unused: list[int] = []

    def missing(self, slots: int) -> int:
        """Returns the rows of the pool that it takes to allocate some slots."""
        short = max(0, slots - sum(map(len, self._open.values())))
        return self._shape.feature_rows(short)

    def allocate(self, slots: int) -> Ints:
        """Takes free slots, which nobody refers to yet: int64 [slots].

        Raises:
            PoolExhaustedError: the pool has too few rows; none is taken then.
        """
        rows = self._take(self.missing(slots)).reshape(-1, self._shape.page_rows)
        for page_rows in rows:
            self._begin(page_rows)
        taken = list[int]()
        while len(taken) < slots:
            page, free = next(iter(self._open.items()))
            while free and len(taken) < slots:
                taken.append(free.pop())
            if not free:
                del self._open[page]
        return np.array(taken, np.int64)

    def retain(self, slots: Ints) -> None:
        """Counts one more reference for every time that a slot is named."""
        np.add.at(self._counts, slots, 1)

    def release(self, slots: Ints) -> None:
        """Counts one reference less for every time that a slot is named."""
        np.subtract.at(self._counts, slots, 1)
        named = np.unique(slots)
        for slot in named[self._counts[named] == 0].tolist():
            self._free(slot)

    def units(self, slots: Ints, capacity: int) -> Ints:
        """Returns where slots lie: int64 [slots, units], as :class:`RowMemory` has it."""
        pages, places = np.divmod(slots, self._shape.page_features)
        wide, layers = self._shape.feature_units, self._shape.kv.layers
        units = places[:, None] * wide + np.arange(wide)
        rows = self._rows[pages[:, None], units // layers]
        placed: Ints = units % layers * capacity + rows
        return placed

    def check_integrity(self, referred: Ints) -> Ints:
        """Checks the counts against all references that there are.

        Args:
            referred: every slot as often as it is referred to.

        Returns:
            The rows of pages in use.

        Raises:
            IntegrityError: a count is wrong, or the free slots are not those without a reference.
        """
        counts = np.bincount(referred, minlength=len(self._counts))
        if not np.array_equal(counts, self._counts):
            raise IntegrityError("a slot of features is not counted as often as it is referred to")
        wide, unused = self._shape.page_features, set(self._unused)
        used = [page for page in range(len(self._rows)) if page not in unused]
        free = sorted(slot for slots in self._open.values() for slot in slots)
        slots = [page * wide + place for page in used for place in range(wide)]
        if free != [slot for slot in slots if not counts[slot]]:
            raise IntegrityError("the free slots of features are not those without a reference")
        rows: Ints = self._rows[used].reshape(-1)
        return rows

    def _begin(self, rows: Ints) -> None:
        wide = self._shape.page_features
        if not self._unused:
            self._unused.append(len(self._rows))
            self._rows = np.concatenate([self._rows, rows[None]])
            self._counts = np.concatenate([self._counts, np.zeros(wide, np.int64)])
        page = self._unused.pop()
        self._rows[page] = rows
        self._open[page] = list(range((page + 1) * wide - 1, page * wide - 1, -1))

    def _free(self, slot: int) -> None:
        page = slot // self._shape.page_features
        free = self._open.setdefault(page, [])
        free.append(slot)
        if len(free) == self._shape.page_features:
            del self._open[page]
            self._unused.append(page)
            self._give(self._rows[page])
