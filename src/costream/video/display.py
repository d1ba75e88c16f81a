"""How a coded picture is shown: mirrored, turned, and its samples of a shape of their own."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import atan2, degrees
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Scalar = TypeVar("Scalar", bound=np.generic)
Field = npt.NDArray[Any]

SQUARE = Fraction(1)

MAX_ASPECT = 16
"""Times that a sample may be longer one way than the other to be believed. H.264's table of sample
aspect ratios ends at 32:11."""

_SLACK = 1.0
"""Degrees by which a display matrix may miss a quarter turn."""


@dataclass(frozen=True, slots=True)
class Display:
    """How coded pictures are shown: stretched, then mirrored, then turned.

    Attributes:
        rotation: clockwise degrees: 0, 90, 180 or 270.
        mirrored: left and right of the coded picture change places before it is turned.
        aspect: width of a coded sample over its height. One side is stretched and none shrunk, as
            HTML has it, so that no sample is lost: 480 x 544 at 2:1 is shown as 960 x 544, 720 x
            480 at 8:9 as 720 x 540.
    """

    rotation: int = 0
    mirrored: bool = False
    aspect: Fraction = SQUARE

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            ValueError: the rotation is no quarter turn, or the aspect not positive.
        """
        if self.rotation not in (0, 90, 180, 270):
            raise ValueError(
                f"a picture turns by 0, 90, 180 or 270 degrees, not by {self.rotation}"
            )
        if self.aspect <= 0:
            raise ValueError(f"a sample's aspect is a positive ratio, not {self.aspect}")

    @property
    def turned(self) -> bool:
        """Whether rows are shown as columns."""
        return self.rotation in (90, 270)

    @property
    def scale(self) -> tuple[float, float]:
        """Displayed pixels that a coded sample is wide and high, before it is turned."""
        return float(max(self.aspect, SQUARE)), float(max(1 / self.aspect, SQUARE))

    def stretched(self, width: int, height: int) -> tuple[int, int]:
        """Returns width and height of a coded picture with square pixels, before it is turned."""
        if self.aspect >= 1:
            return round(width * self.aspect), height
        return width, round(height / self.aspect)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Returns the displayed width and height of a coded picture."""
        across, down = self.stretched(width, height)
        return (down, across) if self.turned else (across, down)

    def coded(self, x: float, y: float) -> tuple[float, float]:
        """Returns where a displayed point is in the coded picture: in shares of it, as given."""
        x, y = ((x, y), (y, 1 - x), (1 - x, 1 - y), (1 - y, x))[self.rotation // 90]
        return (1 - x if self.mirrored else x), y

    def flips(self) -> tuple[bool, bool]:
        """Returns whether displayed rows and displayed columns run against the coded ones."""
        if self.turned:
            return (self.rotation == 270) != self.mirrored, self.rotation == 90
        return self.rotation == 180, (self.rotation == 180) != self.mirrored

    def arranged(self, pixels: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """Mirrors and turns an array of rows and columns, contiguous."""
        if self.mirrored:
            pixels = pixels[:, ::-1]
        return np.ascontiguousarray(np.rot90(pixels, -self.rotation // 90))

    def pointed(self, vectors: Field) -> Field:
        """Mirrors and turns vectors (x, y) along the last axis."""
        x, y = np.moveaxis(vectors, -1, 0)
        x = -x if self.mirrored else x
        return np.stack(((x, y), (-y, x), (-x, -y), (y, -x))[self.rotation // 90], axis=-1)


AS_CODED = Display()


def orientation(matrix: bytes) -> tuple[int, bool] | None:
    """Reads a display matrix: 9 words that map coded to displayed places, FFmpeg's layout.

    Returns:
        Clockwise degrees, and whether the picture is mirrored before it is turned. None where it is
        turned by no quarter turn, or the matrix shows nothing.
    """
    a, b, _, c, d = (int(word) for word in np.frombuffer(matrix, np.int32)[:5])
    mirrored = a * d - b * c < 0
    if mirrored:
        a, b = -a, -b
    across, down = degrees(atan2(b, a)), degrees(atan2(-c, d))
    quarter = round(across / 90)
    flat = a * d == b * c
    if flat or any(_apart(angle, 90 * quarter) > _SLACK for angle in (across, down)):
        return None
    return quarter % 4 * 90, mirrored


def _apart(one: float, other: float) -> float:
    return abs((one - other + 180) % 360 - 180)


def is_believable(aspect: Fraction) -> bool:
    """Whether samples may be of a shape. Some headers state none (0:1) or nonsense (1:65535)."""
    return Fraction(1, MAX_ASPECT) <= aspect <= MAX_ASPECT
