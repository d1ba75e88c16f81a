"""Carry-over: what is pruned is taken from where it was last.

A group is pruned because it looks as it did before. To leave it out of the language model's window,
as published systems do, says something else: that nothing is there. So the window is kept complete.
A carried-over group costs no pass through any model: its token refers to the row that was computed
when the group was last encoded, and its key is rotated to where it stands now when a layer attends.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from costream.engine.page_table import Ints

NOWHERE = -1
"""Row of a group that was never encoded."""


@dataclass(frozen=True, slots=True)
class CarryOver:
    """The row that stands for each group of a stream's picture, as it was last.

    Attributes:
        rows: int64 [groups], rows of the pool.
        positions: int64 [groups], where their tokens stand along the stream.
    """

    rows: Ints
    positions: Ints

    @classmethod
    def nothing(cls, groups: int) -> CarryOver:
        """Returns what a stream begins with."""
        return cls(np.full(groups, NOWHERE), np.zeros(groups, np.int64))

    @property
    def known(self) -> Tensor:
        """The groups that a row stands for: bool [groups]."""
        return torch.from_numpy(self.rows != NOWHERE)

    @property
    def referred(self) -> Ints:
        """The rows that it refers to."""
        referred: Ints = self.rows[self.rows != NOWHERE]
        return referred

    def moved(self, groups: npt.NDArray[np.bool_], rows: Ints, positions: Ints) -> CarryOver:
        """Returns it with other rows for some groups: bool [groups] and a row for each of them."""
        new = self.rows.copy(), self.positions.copy()
        new[0][groups], new[1][groups] = rows, positions
        return CarryOver(*new)
