"""The paper's rules: codec motion, accumulated since the last anchor (arXiv 2604.06036)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from costream.pruning.anchors import AnchorSchedule
from costream.pruning.base import (
    PRUNERS,
    AnchorReason,
    KeepMask,
    PatchGrid,
    Pruner,
    PrunerSettings,
)
from costream.pruning.pooling import pick_centre, pool_max
from costream.video.sample import TOLD, ChangeMap, Sample

PUBLISHED_GOP = 16
"""Frames from one I-frame to the next in the paper's re-encoded streams."""

Mask = npt.NDArray[np.bool_]


class PublishedPruner(Pruner):
    """What both versions of the paper's rule share.

    A group is kept when any of its patches changed in any frame since the last anchor: the union
    grows until an anchor resets it and is encoded whole. The paper re-encodes to 2 fps with an
    I-frame every 16 frames. Here the stream stays as it is, so an anchor is placed every 16 ticks
    and the camera's own I-frames play no part. ``settings.anchor_every`` counts only where it is
    less: a window shorter than the GOP must hold every place too.

    Where the bitstream says nothing, the frame is kept whole: the decoder reported damage
    (``damage``), the codec gives no vectors, or all the interval's frames are I-frames
    (``blind``).
    """

    vectors = True

    def __init__(self, grid: PatchGrid, settings: PrunerSettings) -> None:
        super().__init__(grid, settings)
        self._schedule = AnchorSchedule(min(PUBLISHED_GOP, settings.anchor_every))
        self._changed = np.zeros(grid.group_shape, dtype=np.bool_)

    def decide(self, samples: Sequence[Sample]) -> KeepMask:
        """Keeps what moved since the last anchor; see :meth:`Pruner.decide`."""
        reason = self._schedule.due(samples) or _blind(samples)
        if reason:
            self._schedule.place(samples)
            self._changed[:] = False
            return KeepMask.whole(self.grid, reason)
        for sample in samples:
            np.logical_or(self._changed, self._moved(sample), out=self._changed)
        return KeepMask(self._changed.copy(), None)

    @abstractmethod
    def _moved(self, sample: Sample) -> Mask:
        """Which groups changed within the sample's own interval: [group rows, group cols]."""


@PRUNERS.register("codecflow-v3")
class CodecFlowV3(PublishedPruner):
    """The rule of v1 to v3: a patch changed when its block's motion vector exceeds 0.25 px.

    The paper's measure is ``M = V + alpha * R``, with V the length of the block's motion vector
    and R the sum of absolute prediction differences. ``alpha`` is 0 by default, which is what is
    built here: FFmpeg exports no residuals.

    The text gives *the* vector of a patch and says nothing of patches that span several blocks.
    Our reading: the block that covers the patch's centre speaks for the patch. Its vector is the
    longest that the block had in any frame of the interval, in pixels a frame. A block without a
    vector counts as still, intra blocks too. Both of these v4 does otherwise.
    """

    name = "codecflow-v3"
    threshold = 0.25

    def _moved(self, sample: Sample) -> Mask:
        moving = sample.change.peak > self.threshold
        patches = pick_centre(moving, _size(sample), (self.grid.rows, self.grid.cols))
        return _any_patch(patches, self.grid)


@PRUNERS.register("codecflow-v4")
class CodecFlowV4(PublishedPruner):
    """The rule of v4: a patch changed when any block that overlaps it moved by over 0.5 px.

    Blocks are assigned by overlap and the largest value wins, so one moving block marks all the
    patches that it touches. Intra blocks of P- and B-frames count as changed, as far as the
    change map can tell them. The paper's third sign, "residual rescue", is missing here: FFmpeg
    exports no residuals.
    """

    name = "codecflow-v4"
    threshold = 0.5

    def _moved(self, sample: Sample) -> Mask:
        change = sample.change
        # Pooling straight to groups equals "any patch of the group": see pool_max.
        changed = (change.peak > self.threshold) | change.intra
        return pool_max(changed, _size(sample), self.grid.group_shape)


def _blind(samples: Sequence[Sample]) -> AnchorReason | None:
    return "blind" if any(_says_nothing(sample.change) for sample in samples) else None


def _says_nothing(change: ChangeMap) -> bool:
    return change.motion not in TOLD or change.keyframes >= change.frames


def _size(sample: Sample) -> tuple[int, int]:
    return sample.picture.height, sample.picture.width


def _any_patch(patches: Mask, grid: PatchGrid) -> Mask:
    rows, cols = grid.group_shape
    grouped: Mask = np.any(patches.reshape(rows, grid.merge, cols, grid.merge), axis=(1, 3))
    return grouped
