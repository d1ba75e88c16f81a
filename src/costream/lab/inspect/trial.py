"""All pruners side by side on the same samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from costream.lab.inspect.portrait import Portrait
from costream.pruning import (
    DEFAULT_PRUNER,
    PRUNERS,
    KeepMask,
    PatchGrid,
    PrunerSettings,
    change_rules,
)
from costream.pruning.blocks import SUB_BLOCKS, in_groups
from costream.pruning.lighting import Luma
from costream.video import Sample

PORTRAIT_SHARE = 0.2
"""Share of kept groups that the pictured moment should come near to: neither calm nor chaos."""


class Trial:
    """Lets every pruner that needs no model decide the same temporal patches.

    Args:
        grid: how pictures are cut.
        settings: what the pruners are told.
        fps: ticks a second.

    Attributes:
        scenes: temporal patches in which the default pruner recognised something in the whole
            picture, by what.
        samples: frames tried so far.
        moment: the most telling temporal patch so far.
    """

    def __init__(self, grid: PatchGrid, settings: PrunerSettings, fps: float) -> None:
        self._pruners = {name: PRUNERS[name](grid, settings) for name in change_rules()}
        self._counts: Counter[str] = Counter()
        self.scenes: Counter[str] = Counter()
        self._groups = 0
        self._grid = grid
        self._oldest = settings.anchor_every / fps
        self._kept_at = np.zeros(grid.group_shape, np.float32)
        self._seen: Luma | None = None
        self.samples = 0
        self.moment: Portrait | None = None

    @property
    def kept(self) -> dict[str, float]:
        """Share of the groups kept so far, by pruner."""
        return {name: self._counts[name] / self._groups for name in self._pruners}

    def add(self, patch: Sequence[Sample]) -> Portrait:
        """Lets every pruner decide a temporal patch; returns what the default one made of it."""
        self.samples += len(patch)
        self._groups += self._grid.groups
        masks = {name: pruner.decide(patch) for name, pruner in self._pruners.items()}
        self._counts.update({name: mask.kept for name, mask in masks.items()})
        portrait = self._portray(patch, masks[DEFAULT_PRUNER])
        self.scenes.update([portrait.mask.scene] if portrait.mask.scene else ())
        if self.moment is None or _appeal(portrait) > _appeal(self.moment):
            self.moment = portrait
        return portrait

    def _portray(self, patch: Sequence[Sample], mask: KeepMask) -> Portrait:
        now = patch[-1].time
        self._kept_at[mask.groups] = now
        age = np.float32(now) - self._kept_at
        return Portrait(tuple(patch), mask, age, self._difference(patch[-1], mask), self._oldest)

    def _difference(self, sample: Sample, mask: KeepMask) -> Luma:
        """Compares with what was kept before, and takes what is kept now; [rows, cols] in steps."""
        rows, cols = self._grid.group_shape
        luma = in_groups(sample.picture.luma(SUB_BLOCKS * rows, SUB_BLOCKS * cols), self._grid)
        seen = luma if self._seen is None else self._seen
        self._seen = np.where(mask.groups[..., None], luma, seen)
        gap: Luma = np.abs(luma - seen).max(axis=-1)
        return gap


def _appeal(moment: Portrait) -> tuple[bool, float]:
    """Orders moments: pruned ones before anchors, then the nearest to the wanted share."""
    return moment.mask.anchor is None, -abs(moment.share - PORTRAIT_SHARE)
