"""The threshold of change: what it is in a stream, and where it is set while the stream runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from costream.pruning.base import KeepMask
from costream.pruning.lighting import Luma
from costream.pruning.noise import NoiseFloor

MIXED = 8.0
"""Luma steps of the threshold where light and scene change together."""


class Threshold:
    """By how many luma steps, of 255, a group must differ to count as changed.

    It follows the stream's own flicker: see :class:`~costream.pruning.noise.NoiseFloor`.

    Attributes:
        factor: what it is multiplied by; above 1 keeps less. Any thread may set it at any time: it
            counts from the next temporal patch on. Where the pruner has a controller, that sets it.
    """

    def __init__(self) -> None:
        self.factor = 1.0
        self._used = 1.0
        self._noise = NoiseFloor()

    def begin(self) -> None:
        """Takes the factor over, for the temporal patch that begins."""
        self._used = self.factor

    def steps(self, *, mixed: bool) -> float:
        """Returns the threshold.

        Args:
            mixed: the light changes along with the scene.
        """
        return (MIXED if mixed else self._noise.threshold) * self._used

    def add(self, luma: Luma, *, key: bool, shown: bool, calm: bool) -> None:
        """Takes the next frame: see :meth:`~costream.pruning.noise.NoiseFloor.add`."""
        self._noise.add(luma, key=key, shown=shown, calm=calm)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a temporal patch, for whoever sets the threshold.

    Attributes:
        mask: what was kept, and why all of it where it was.
        gaps: float32 [group rows, group cols], luma steps: by how much each group differed from
            what was last kept at its place, the most over the patch's frames. 0 in the first one,
            not a number where a mask hides the group.
        threshold: luma steps that they were compared with.
        groups: how many of them no mask hides. Shares are shares of these.
    """

    mask: KeepMask
    gaps: Luma
    threshold: float
    groups: int

    @property
    def kept(self) -> float:
        """Share of the groups that was kept."""
        return self.mask.kept / self.groups

    def near(self, steps: float) -> float:
        """Returns the share of groups that differ by the threshold, give or take some steps.

        They are those about which another threshold would decide otherwise.
        """
        return int((np.abs(self.gaps - self.threshold) <= steps).sum()) / self.groups


class Controller(Protocol):
    """Sets the threshold of one stream by what came of it."""

    def next_factor(self, outcome: Outcome) -> float:
        """Returns the factor of the threshold from the next temporal patch on."""
        ...
