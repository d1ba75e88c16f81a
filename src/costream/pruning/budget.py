"""The default rule held to a share of groups, for a link or a GPU that can take no more."""

from __future__ import annotations

from math import exp

from costream.pruning.base import PRUNERS, PatchGrid, Pruner, PrunerSettings
from costream.pruning.last_kept import LastKept
from costream.pruning.threshold import Outcome

PACE = 1.5
"""By how much the logarithm of the threshold moves for each whole frame kept in excess."""

WORST = 0.25
"""Largest excess that counts: one whole frame is no reason to go blind for the next dozen."""

HIGHEST = 16.0
"""Largest multiple of the default rule's threshold."""


class ShareController:
    """An integral controller that holds a stream to a share of groups, in the long run.

    After every temporal patch the logarithm of the threshold moves by 1.5 times the difference
    between the share that was kept and the share asked for, at most a quarter. It stays between
    once and 16 times the default rule's threshold.

    Args:
        share: of the groups, 0..1.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._multiple = 1.0

    def next_factor(self, outcome: Outcome) -> float:
        """Returns the factor of the threshold from the next temporal patch on."""
        if outcome.mask.anchor != "first":
            excess = min(outcome.kept - self._share, WORST)
            self._multiple = min(max(1.0, self._multiple * exp(PACE * excess)), HIGHEST)
        return self._multiple


@PRUNERS.register("last-kept-budget")
class BudgetLastKept(LastKept):
    """Keeps the share ``settings.keep`` in the long run, by raising the threshold where it must.

    The share asked for is an upper bound for busy streams, kept on average over some dozen patches;
    a calm stream keeps what changed and no more. What is given up first are the smallest
    differences. See :class:`ShareController`.
    """

    name = "last-kept-budget"
    steerable = False

    def __init__(self, grid: PatchGrid, settings: PrunerSettings) -> None:
        super().__init__(grid, settings, controller=ShareController(settings.keep))

    def steer(self, threshold: float, anchors: float) -> None:
        """Refuses: its share sets the threshold; see :meth:`Pruner.steer`."""
        Pruner.steer(self, threshold, anchors)
