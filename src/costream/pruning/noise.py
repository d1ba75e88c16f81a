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

    Of a moment whose frame was not decoded, and of the next one, whose difference is that of many
    moments, it takes what was measured last at a moment of their kind: a key frame draws the whole
    picture anew and flickers where what is predicted from others stands still. So the threshold
    hardly depends on which frames are decoded.
    """

    def __init__(self) -> None:
        self._flicker = 1.0
        self._steps: dict[bool, float] = {}  # measured last, at key frames and between them
        self._previous: Luma | None = None
        self._stood = False  # the previous moment's frame was not decoded

    @property
    def threshold(self) -> float:
        """Luma steps, of 255, by which a sub-block must differ to count as changed."""
        return min(MOST, LEAST + _SLOPE * self._flicker)

    def add(self, luma: Luma, *, key: bool = False, shown: bool = True, calm: bool = True) -> None:
        """Takes the next frame.

        Args:
            luma: float32 [rows, cols, n], in each group's n sub-blocks.
            key: a key frame came since the one before.
            shown: False where the frame was not decoded, and an earlier one stands for it.
            calm: neither a light that is taken out nor the camera moves, so that what flickers is
                what is compared. Other frames are not measured.
        """
        if calm and self._previous is not None:
            if shown and (key not in self._steps or not self._stood):
                gaps = np.abs(luma - self._previous).max(axis=-1)
                self._steps[key] = float(np.median(gaps))
            self._flicker += _PACE * (self._steps.get(key, self._flicker) - self._flicker)
        self._previous, self._stood = luma, not shown
