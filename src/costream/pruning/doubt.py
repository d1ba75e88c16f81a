"""How a group's difference is judged: by the threshold alone, or with witnesses where in doubt."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from costream.pruning.lighting import Luma
from costream.pruning.pooling import pool_max
from costream.pruning.threshold import MIXED
from costream.video.sample import TOLD, ChangeMap, Sample

DOUBT = 1.0
"""Luma steps, of 255, about the threshold within which the codec's evidence decides."""

ACTIVE = 0.3
"""Share of the interval's predicted frames with a vector, from which a block was active."""

CORRECTED = 12.0
"""Residual of the interval, in luma steps a pixel, from which a block was redrawn."""

Mask = npt.NDArray[np.bool_]

Judge = Callable[[Sample, Luma, float], Mask]
"""Says which groups changed, bool [group rows, group cols], of a sample: by how much each group
differs, float32 of the same shape, and the threshold."""

Witness = Callable[[ChangeMap], "Mask | None"]
"""Says which blocks the codec saw change, bool [block rows, block cols]; None where it can't."""


def over_threshold(sample: Sample, gaps: Luma, threshold: float) -> Mask:
    """Judges by the threshold alone."""
    over: Mask = gaps > threshold
    return over


class Doubt:
    """Judges with a zone of doubt about the threshold, in which a witness decides.

    A group that differs by more than the threshold and one step has changed, or by more than 8
    steps; one that differs by no more than the threshold less one step has not. In between it has
    if any of its blocks has a witness. Where the stream tells nothing, because it gives no such
    evidence or the interval was all I-frames, the threshold alone decides.

    Args:
        witness: the witness.
    """

    def __init__(self, witness: Witness) -> None:
        self._witness = witness

    def __call__(self, sample: Sample, gaps: Luma, threshold: float) -> Mask:
        """Says which groups changed: see :data:`Judge`."""
        certain: Mask = gaps > min(threshold + DOUBT, MIXED)
        return certain | ((gaps > threshold - DOUBT) & self._settled(sample, gaps > threshold))

    def _settled(self, sample: Sample, otherwise: Mask) -> Mask:
        """Which groups count where in doubt; ``otherwise`` where nothing tells."""
        seen = self._witness(sample.change)
        if seen is None or sample.change.keyframes >= sample.change.frames:
            return otherwise
        rows, cols = otherwise.shape
        return pool_max(seen, (sample.picture.height, sample.picture.width), (rows, cols))


def moved(change: ChangeMap) -> Mask | None:
    """Witness: a block had a vector, or was intra, in 30% of the interval's predicted frames."""
    return change.activity >= ACTIVE if change.motion in TOLD else None


def corrected(change: ChangeMap) -> Mask | None:
    """Witness: a block's residual over the interval adds up to 12 luma steps a pixel.

    Only our own reader tells residuals.
    """
    return change.residual >= CORRECTED if change.motion == "bitstream" else None
