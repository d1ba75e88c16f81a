"""The rules to compare with: keep everything, or keep at random at an equal budget."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from costream.pruning.anchors import AnchorSchedule
from costream.pruning.base import (
    PRUNERS,
    AnchorReason,
    KeepMask,
    PatchGrid,
    Pruner,
    PrunerSettings,
)
from costream.video.sample import Sample


class ScheduledPruner(Pruner):
    """A rule whose anchors are the first frame, a damaged one, and one every ``anchor_every``."""

    def __init__(self, grid: PatchGrid, settings: PrunerSettings) -> None:
        super().__init__(grid, settings)
        self._schedule = AnchorSchedule(settings.anchor_every)

    def _anchor(self, samples: Sequence[Sample]) -> AnchorReason | None:
        reason = self._schedule.due(samples)
        if reason:
            self._schedule.place(samples)
        return reason


@PRUNERS.register("none")
class KeepAll(ScheduledPruner):
    """Prunes nothing: every group of every frame is kept.

    It still names anchors, on the schedule of the other rules, so that a refresh policy which
    recomputes them can be measured without any pruning.
    """

    name = "none"

    def decide(self, samples: Sequence[Sample]) -> KeepMask:
        """Keeps everything; see :meth:`Pruner.decide`."""
        return KeepMask.whole(self.grid, self._anchor(samples))


@PRUNERS.register("random")
class RandomKeep(ScheduledPruner):
    """Keeps a random share ``settings.keep`` of the groups, drawn evenly over the frame.

    The draw depends on the seed, the number of groups and the patch's first tick alone: the same
    frame of the same stream gets the same mask, whatever came before. A temporal patch of several
    frames is one draw, not a union of draws, which would keep more than the share.
    """

    name = "random"

    def decide(self, samples: Sequence[Sample]) -> KeepMask:
        """Keeps a random share; see :meth:`Pruner.decide`."""
        reason = self._anchor(samples)
        if reason:
            return KeepMask.whole(self.grid, reason)
        draw = np.random.default_rng((self.settings.seed, samples[0].tick))
        groups = np.zeros(self.grid.groups, dtype=np.bool_)
        budget = round(self.settings.keep * self.grid.groups)
        groups[draw.permutation(self.grid.groups)[:budget]] = True
        return KeepMask(groups.reshape(self.grid.group_shape), None)


@PRUNERS.register("low-fps")
class LowFps(ScheduledPruner):
    """Keeps the share ``settings.keep`` of the temporal patches whole and drops the others.

    What a low frame rate would show, at the times of the full one: a dropped patch leaves its place
    in time empty. Anchors on their schedule count, so that no window is empty.
    """

    name = "low-fps"

    def __init__(self, grid: PatchGrid, settings: PrunerSettings) -> None:
        super().__init__(grid, settings)
        self._credit = 0.0

    def decide(self, samples: Sequence[Sample]) -> KeepMask:
        """Keeps everything or nothing; see :meth:`Pruner.decide`."""
        reason = self._anchor(samples)
        self._credit += self.settings.keep
        if reason or self._credit >= 1:
            self._credit = max(0.0, self._credit - 1)
            return KeepMask.whole(self.grid, reason)
        return KeepMask(np.zeros(self.grid.group_shape, dtype=np.bool_), None)
