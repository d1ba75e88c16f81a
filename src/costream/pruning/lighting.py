"""Light over a whole picture: one gain and one offset between two moments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Luma = npt.NDArray[np.float32]

EXPLAINED = 8.0
"""Luma steps, of 255, within which a value counts as explained by the light."""

MOST = 64.0
"""Mean luma steps above which a change is no change of the light but another picture."""

_ROUNDS = 3
_DARK, _BRIGHT = 4.0, 250.0
_FEWEST = 64
_SHARE = 0.2
_SPREAD = 25.0


@dataclass(frozen=True, slots=True)
class Lighting:
    """What the light does to a picture: ``luma * gain + offset``, cut off at 0 and 255."""

    gain: float
    offset: float

    def apply(self, luma: Luma) -> Luma:
        """Returns the picture in this light, float32 of the same shape."""
        lit: Luma = np.clip(luma * np.float32(self.gain) + np.float32(self.offset), 0, 255)
        return lit

    def shift(self, luma: Luma) -> float:
        """Returns by how many luma steps the light moves the picture, in the mean."""
        return float(np.abs(self.apply(luma) - luma).mean())


def fit_lighting(before: Luma, now: Luma) -> Lighting | None:
    """Finds the light that turns ``before`` into ``now``, whatever else has moved.

    Least squares over the values that the light found so far explains, three times over, beginning
    with the median of the differences. Values near black or white say nothing of the light and
    are left out. In a picture without contrast the gain is taken as 1.

    Args:
        before: luma of 0..255, of any shape.
        now: luma of the same shape.

    Returns:
        The light; None where no single light explains a fifth of the picture, where the picture
        is too small to tell, or where the step is above ``MOST``.
    """
    inside = (before > _DARK) & (before < _BRIGHT) & (now > _DARK) & (now < _BRIGHT)
    x, y = before[inside], now[inside]
    if x.size < _FEWEST:
        return None
    light = Lighting(1.0, float(np.median(y - x)))
    for _ in range(_ROUNDS):
        near = np.abs(y - light.gain * x - light.offset) < EXPLAINED
        if np.count_nonzero(near) < _SHARE * before.size:
            return None
        light = _line(x[near], y[near])
    return light if light.shift(before) <= MOST else None


def _line(x: Luma, y: Luma) -> Lighting:
    middle, height = float(x.mean()), float(y.mean())
    away = x - np.float32(middle)
    spread = float((away * away).mean())
    gain = float((away * (y - np.float32(height))).mean()) / spread if spread > _SPREAD else 1.0
    return Lighting(gain, height - gain * middle)
