"""Where things on the floor appear in the picture."""

from __future__ import annotations

from dataclasses import dataclass

CAMERA_HEIGHT = 2.8
"""Metres from the floor to the camera."""

WALL = 14.0
"""Metres from the camera to the back wall."""


@dataclass(frozen=True, slots=True)
class Ground:
    """A level camera over a flat floor: a pinhole, its picture shifted so that the floor fills it.

    Floor positions are ``x`` metres right of the camera's axis and ``z`` metres ahead of it.
    """

    width: int
    height: int

    @property
    def focal(self) -> float:
        """Focal length in pixels."""
        return 1.39 * self.height

    @property
    def horizon(self) -> float:
        """Row of the horizon, in pixels from the top."""
        return self.height / 6

    def scale(self, z: float) -> float:
        """Pixels a metre at distance ``z``."""
        return self.focal / z

    def point(self, x: float, z: float) -> tuple[float, float]:
        """Column and row at which a point of the floor appears."""
        return self.width / 2 + x * self.scale(z), self.horizon + CAMERA_HEIGHT * self.scale(z)

    def half_width(self, z: float) -> float:
        """Metres from the axis to the edge of the picture at distance ``z``."""
        return self.width / 2 / self.scale(z)
