"""What a step needs of the host's integers on the device, moved in one transfer."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from costream.engine.page_table import Ints
from costream.errors import IntegrityError
from costream.models import upload


class Upload:
    """Arrays of integers that are packed into one buffer and moved together.

    Args:
        device: where they are wanted.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._arrays: list[Ints] = []
        self._parts: tuple[Tensor, ...] = ()

    def add(self, array: Ints) -> Uploaded:
        """Takes an array, int64 [numbers], along."""
        self._arrays.append(array)
        return Uploaded(self, len(self._arrays) - 1)

    def move(self) -> None:
        """Moves all arrays that were added. It is called once."""
        packed = torch.from_numpy(np.concatenate([np.empty(0, np.int64), *self._arrays]))
        moved = upload(packed, self.device)
        self._parts = torch.split(moved, [len(array) for array in self._arrays])
        self._arrays = []

    def part(self, number: int) -> Tensor:
        """Returns an array on the device.

        Raises:
            IntegrityError: it was not moved yet.
        """
        if number >= len(self._parts):
            raise IntegrityError("integers are wanted on the device before they were moved there")
        return self._parts[number]


class Uploaded:
    """One array of an :class:`Upload`."""

    def __init__(self, owner: Upload, number: int) -> None:
        self._owner = owner
        self._number = number

    @property
    def tensor(self) -> Tensor:
        """The array on the device, once it was moved: int64 [numbers]."""
        return self._owner.part(self._number)
