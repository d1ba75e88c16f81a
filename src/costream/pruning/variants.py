"""Variants of the default rule that show what light and codec have to do with it."""

from __future__ import annotations

from abc import abstractmethod

from costream.pruning.base import PRUNERS
from costream.pruning.last_kept import CUT_SHARE, MIXED, LastKept, Mask
from costream.pruning.light_watch import changed_share
from costream.pruning.lighting import Luma, fit_lighting
from costream.pruning.pooling import pool_max
from costream.video.sample import TOLD, ChangeMap, Sample

DOUBT = 1.0
"""Luma steps, of 255, about the threshold within which the codec's evidence decides."""

ACTIVE = 0.3
"""Share of the interval's predicted frames with a vector, from which a block was active."""

CORRECTED = 12.0
"""Residual of the interval, in luma steps a pixel, from which a block was redrawn."""


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


class WitnessedLastKept(LastKept):
    """The default rule with a zone of doubt, in which the codec's evidence decides.

    A group that differs by more than the default rule's threshold and one step is kept, or by more
    than 8 steps; one that differs by no more than the threshold less one step is not. In between
    it is kept if any of its blocks has a witness. Where the stream tells nothing, because it gives
    no such evidence or the interval was all I-frames, this is the default rule.
    """

    vectors = True

    def _differs(self, sample: Sample, gap: Luma) -> Mask:
        threshold = self._threshold()
        certain: Mask = gap > min(threshold + DOUBT, MIXED)
        return certain | ((gap > threshold - DOUBT) & self._settled(sample, gap > threshold))

    def _settled(self, sample: Sample, otherwise: Mask) -> Mask:
        """Which groups count where in doubt; ``otherwise`` where nothing tells."""
        seen = self._witness(sample.change)
        if seen is None or sample.change.keyframes >= sample.change.frames:
            return otherwise
        size = sample.picture.height, sample.picture.width
        return pool_max(seen, size, self.grid.group_shape)

    @abstractmethod
    def _witness(self, change: ChangeMap) -> Mask | None:
        """Which blocks the codec saw change, [block rows, block cols]; None where it can't say."""


@PRUNERS.register("last-kept-codec")
class CodecLastKept(WitnessedLastKept):
    """The default rule, settled in its zone of doubt by vectors and intra blocks.

    A block is a witness that had a vector, or was intra, in at least 30% of the interval's
    predicted frames.
    """

    name = "last-kept-codec"

    def _witness(self, change: ChangeMap) -> Mask | None:
        return change.activity >= ACTIVE if change.motion in TOLD else None


@PRUNERS.register("last-kept-residual")
class ResidualLastKept(WitnessedLastKept):
    """The default rule, settled in its zone of doubt by what prediction left to be corrected.

    A block is a witness whose residual over the interval adds up to at least 12 luma steps a
    pixel. That tells more than vectors do, most of all on H.265; where an encoder is starved of
    bits it leaves real changes uncorrected, and this rule misses some of them. Only our own reader
    tells residuals.
    """

    name = "last-kept-residual"

    def _witness(self, change: ChangeMap) -> Mask | None:
        return change.residual >= CORRECTED if change.motion == "bitstream" else None
