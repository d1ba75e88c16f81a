"""Variants of the default rule that show what light and codec have to do with it."""

from __future__ import annotations

import numpy as np

from costream.pruning.base import PRUNERS
from costream.pruning.last_kept import CUT_SHARE, LastKept, Mask
from costream.pruning.light_watch import changed_share
from costream.pruning.lighting import Luma, fit_lighting
from costream.pruning.pooling import pool_max
from costream.video.sample import TOLD, ChangeMap, Sample

CERTAIN = 8.0
"""Luma steps, of 255, above which a difference needs no witness."""

DOUBTFUL = 6.0
"""Luma steps above which a difference counts where the codec saw something happen."""

ACTIVE = 0.3
"""Share of the interval's predicted frames with a vector, from which a block was active."""


@PRUNERS.register("last-kept-relit")
class RelitLastKept(LastKept):
    """The default rule, but for the light: every frame is compared in its own light.

    The reference is relit by one gain and one offset before each comparison, so that a change of
    the light, however mixed with other things, keeps nothing at all. What the model saw stays in
    the old light until the next anchor. On a camera whose exposure answers to every passing car
    this kept a third of what the default did, at the price that it is blind to light: a picture
    of the same content counts as the same. Where no single light leaves less than 60% of the
    groups changed, the comparison is plain.
    """

    name = "last-kept-relit"

    def _relight(self, now: Luma) -> bool:
        if self._reference is None:
            return False
        light = fit_lighting(self._reference, now)
        if light is not None:
            relit = light.apply(self._reference)
            if changed_share(relit, now, self._threshold()) <= CUT_SHARE:
                self._reference = relit
        return False


@PRUNERS.register("last-kept-codec")
class CodecLastKept(LastKept):
    """The default rule with a zone of doubt, in which the codec's evidence decides.

    A group that differs by more than 8 steps of 255 is kept, one that differs by no more than 6 is
    not. In between it is kept if the codec spent vectors or intra blocks on it: where any block
    had a vector in at least 30% of the interval's predicted frames, where the interval was all
    I-frames, and where the stream gives no vectors at all.
    """

    name = "last-kept-codec"
    vectors = True

    def _differs(self, sample: Sample, gap: Luma) -> Mask:
        differs: Mask = (gap > CERTAIN) | ((gap > DOUBTFUL) & self._active(sample))
        return differs

    def _active(self, sample: Sample) -> Mask:
        if _says_nothing(sample.change):
            return np.ones(self.grid.group_shape, dtype=np.bool_)
        size = sample.picture.height, sample.picture.width
        return pool_max(sample.change.activity >= ACTIVE, size, self.grid.group_shape)


def _says_nothing(change: ChangeMap) -> bool:
    return change.motion not in TOLD or change.keyframes >= change.frames
