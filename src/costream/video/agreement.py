"""What blocks have in common: how far neighbours agree, and the motion of the whole picture."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

Field = npt.NDArray[np.float32]

_NEAR = 1.0
_NEAR_SHARE = 0.25
_MOVED = 0.5
_MOST = 0.5


@dataclass(frozen=True, slots=True)
class CameraShift:
    """The motion that a picture's blocks share, robust to whatever moves on its own.

    Attributes:
        x: median way of the content to the right over the interval, in pixels.
        y: the same, downwards.
        share: share of the blocks that went this way, to within a pixel or a quarter of its
            length. A camera that moved has most of them; in a flat picture encoders leave vectors
            out, so a small share proves nothing.
    """

    x: float
    y: float
    share: float

    @classmethod
    def of(cls, drift: Field) -> CameraShift:
        """Takes the median of a field of motion, float32 [rows, cols, 2] in pixels."""
        x, y = (float(middle) for middle in np.median(drift.reshape(-1, 2), axis=0))
        away = np.hypot(drift[..., 0] - x, drift[..., 1] - y)
        near = away <= max(_NEAR, _NEAR_SHARE * hypot(x, y))
        return cls(x, y, float(near.mean()))

    @property
    def moved(self) -> bool:
        """Whether most blocks went the same way, by half a pixel or more."""
        return self.length >= _MOVED and self.share >= _MOST

    @property
    def length(self) -> float:
        """Pixels over the interval."""
        return hypot(self.x, self.y)


def neighbour_agreement(drift: Field) -> Field:
    """Returns how far each block and its eight neighbours move alike, [rows, cols] in 0..1.

    The length of their mean vector, over that of the longest of them. Beyond the edge a block's
    own row or column goes on.
    """
    padded = np.pad(drift, ((1, 1), (1, 1), (0, 0)), mode="edge")
    around = sliding_window_view(padded, (3, 3), axis=(0, 1))
    x, y = np.moveaxis(around.mean(axis=(3, 4)), -1, 0)
    longest = np.hypot(around[:, :, 0], around[:, :, 1]).max(axis=(2, 3))
    return ratio(np.hypot(x, y), longest)


def ratio(part: Field, whole: Field) -> Field:
    """Divides, and gives 0 where there is nothing to divide by."""
    divided: Field = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    return np.minimum(divided, 1)
