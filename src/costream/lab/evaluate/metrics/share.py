"""A share of what was counted over videos, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

from costream.lab.evaluate.metrics.bootstrap import bounds, draw_weights

Z = 1.959964
"""Quantile of the normal distribution for an interval of 95%."""


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its 95% interval.

    Attributes:
        value: the share; 0 of nothing.
        low: lower bound.
        high: upper bound.
        of: how many were counted.
    """

    value: float
    low: float
    high: float
    of: float


def share_of(parts: npt.ArrayLike, wholes: npt.ArrayLike, *, seed: int = 0) -> Share:
    """Puts the videos' counts together.

    Counts of one video resemble each other, so the interval comes from drawing whole videos again
    (percentile bootstrap); where that is narrower than Wilson's for independent counts, as with
    few or none, Wilson's bound stands.

    Args:
        parts: [videos], how many of each video's counts belong to the share.
        wholes: [videos], how many there are.
        seed: of the drawing.
    """
    counts = np.array([parts, wholes], np.float64)
    part, whole = counts.sum(axis=1).tolist()
    if not whole:
        return Share(0.0, 0.0, 1.0, 0)
    low, high = _wilson(part, whole)
    drawn = draw_weights(counts.shape[1], seed) @ counts.T
    drawn_low, drawn_high = bounds(drawn[:, 0] / np.maximum(drawn[:, 1], 1e-9))
    return Share(part / whole, min(low, drawn_low), max(high, drawn_high), whole)


def _wilson(part: float, whole: float) -> tuple[float, float]:
    share = part / whole
    middle = share + Z**2 / (2 * whole)
    spread = Z * sqrt(share * (1 - share) / whole + Z**2 / (4 * whole**2))
    scale = 1 + Z**2 / whole
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)
