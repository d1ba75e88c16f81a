"""The default rule held to a share of groups, for a link or a GPU that can take no more."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp

from costream.pruning.base import PRUNERS, KeepMask, PatchGrid, PrunerSettings
from costream.pruning.last_kept import LastKept
from costream.video.sample import Sample

PACE = 1.5
"""By how much the logarithm of the threshold moves for each whole frame kept in excess."""

WORST = 0.25
"""Largest excess that counts: one whole frame is no reason to go blind for the next dozen."""

HIGHEST = 16.0
"""Largest multiple of the default rule's threshold."""


@PRUNERS.register("last-kept-budget")
class BudgetLastKept(LastKept):
    """Keeps the share ``settings.keep`` in the long run, by raising the threshold where it must.

    An integral controller: after every temporal patch the logarithm of the threshold moves by 1.5
    times the difference between the share that was kept and the share asked for, at most a quarter.
    It stays between once and 16 times the default rule's threshold. So the share asked for is an
    upper bound for busy streams, kept on average over some dozen patches; a calm stream keeps
    what changed and no more. What is given up first are the smallest differences.
    """

    name = "last-kept-budget"

    def __init__(self, grid: PatchGrid, settings: PrunerSettings) -> None:
        super().__init__(grid, settings)
        self._multiple = 1.0

    def decide(self, samples: Sequence[Sample]) -> KeepMask:
        """Keeps the largest differences; see :meth:`Pruner.decide`."""
        mask = super().decide(samples)
        if mask.anchor != "first":
            excess = min(mask.kept / self.grid.groups - self.settings.keep, WORST)
            self._multiple = min(max(1.0, self._multiple * exp(PACE * excess)), HIGHEST)
        return mask

    def _threshold(self) -> float:
        return super()._threshold() * self._multiple
