"""A sensor's noise, cheap and by index."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

MARGIN = 48
"""Pixels by which a stored field is larger than the picture."""

FIELDS = 4
"""Fields in store."""


class Grain:
    """Noise for every frame: windows into a few stored fields, shifted from frame to frame.

    Args:
        seed: picks the noise.
        size: width and height of the frames.
        deviation: standard deviation, in steps of 255.
    """

    def __init__(self, seed: int, size: tuple[int, int], deviation: float) -> None:
        self._seed, self._size = seed, size
        shape = (FIELDS, size[1] + MARGIN, size[0] + MARGIN, 1)
        draw = np.random.default_rng((seed, 14))
        # Half a step more, since frames are cut off to whole numbers.
        grains = draw.standard_normal(shape, dtype=np.float32) * np.float32(deviation)
        self._fields = np.repeat(grains + np.float32(0.5), 3, axis=-1)

    def at(self, index: int) -> npt.NDArray[np.float32]:
        """Returns what to add to frame ``index``: float32 [height, width, 3]."""
        draw = np.random.default_rng((self._seed, 15, index))
        field, top, left = draw.integers((FIELDS, MARGIN, MARGIN))
        width, height = self._size
        window: npt.NDArray[np.float32] = self._fields[
            field, top : top + height, left : left + width
        ]
        return window
