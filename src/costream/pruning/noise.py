"""How much a stream flickers where nothing happens, and the threshold that follows from it."""

from __future__ import annotations

import numpy as np

from costream.pruning.lighting import Luma

LEAST = 5.0
"""Threshold for a stream without any flicker, in luma steps of 255."""

MOST = 7.0
"""Threshold for a stream that flickers by a step or more."""

_SLOPE = 2.0
_PACE = 0.2


class NoiseFloor:
    """Measures the flicker of a stream and sets the threshold of change by it.

    Flicker is the median over the groups of the largest difference of a sub-block's mean luma from
    one frame to the next, averaged over time. In an ordinary stream it is one step or more. Where
    it is nothing the encoder has smoothed the picture, and with it the edges of what is new, so
    that differences come out smaller: the threshold falls from 7 to 5 steps.
    """

    def __init__(self) -> None:
        self._flicker = 1.0
        self._previous: Luma | None = None

    @property
    def threshold(self) -> float:
        """Luma steps, of 255, by which a sub-block must differ to count as changed."""
        return min(MOST, LEAST + _SLOPE * self._flicker)

    def add(self, luma: Luma, *, calm: bool = True) -> None:
        """Takes the next frame.

        Args:
            luma: float32 [rows, cols, n], in each group's n sub-blocks.
            calm: neither a light that is taken out nor the camera moves, so that what flickers is
                what is compared. Other frames are not measured.
        """
        if calm and self._previous is not None:
            step = float(np.median(np.abs(luma - self._previous).max(axis=-1)))
            self._flicker += _PACE * (step - self._flicker)
        self._previous = luma
