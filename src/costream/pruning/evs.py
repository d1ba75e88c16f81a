"""Pruning after the vision encoder: everything is encoded, and what looks alike is dropped."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from costream.pruning.base import PRUNERS, KeepMask, PatchGrid, PrunerSettings
from costream.pruning.baseline import ScheduledPruner
from costream.video.sample import Sample

Features = npt.NDArray[np.float32]


@PRUNERS.register("evs")
class EfficientVideoSampling(ScheduledPruner):
    """Drops visual tokens that resemble their predecessor's at the same place.

    After NVIDIA's Efficient Video Sampling (arXiv 2510.14624), in the form that serving engines
    have: tokens are ranked by the cosine distance of their features from those of the previous
    temporal patch at the same place, and the share ``settings.keep`` with the largest is kept. (The
    paper ranks by pixels.) There the ranking is over a whole video, here over the patches that
    arrive together. Anchors stay whole and don't count, so that every window holds every place.
    """

    name = "evs"
    after_vision = True

    def __init__(self, grid: PatchGrid, settings: PrunerSettings) -> None:
        super().__init__(grid, settings)
        self._previous: Features | None = None

    def decide(self, samples: Sequence[Sample]) -> KeepMask:
        """Keeps everything for the vision encoder; see :meth:`Pruner.decide`."""
        return KeepMask.whole(self.grid, self._anchor(samples))

    def thin(self, masks: Sequence[KeepMask], features: Sequence[Features]) -> list[KeepMask]:
        """Keeps the tokens that differ most from their predecessors; see :meth:`Pruner.thin`."""
        distances = [self._distance(frame) for frame in features]
        pruned = [n for n, mask in enumerate(masks) if mask.anchor is None]
        thinned = list(masks)
        if pruned:
            chosen = _largest(np.stack([distances[n] for n in pruned]), self.settings.keep)
            for n, kept in zip(pruned, chosen, strict=True):
                groups = masks[n].groups.copy()
                groups[groups] = kept
                thinned[n] = KeepMask(groups, None)
        return thinned

    def _distance(self, frame: Features) -> Features:
        unit: Features = frame / np.linalg.norm(frame, axis=1, keepdims=True).clip(1e-12)
        before, self._previous = self._previous, unit
        if before is None:
            return np.full(len(unit), 2.0, np.float32)
        distance: Features = np.float32(1.0) - (unit * before).sum(axis=1)
        return distance


def _largest(values: Features, share: float) -> npt.NDArray[np.bool_]:
    """Marks the share of all values that are the largest."""
    chosen = np.zeros(values.size, np.bool_)
    order = np.argsort(-values, axis=None, kind="stable")
    chosen[order[: round(share * values.size)]] = True
    return chosen.reshape(values.shape)
