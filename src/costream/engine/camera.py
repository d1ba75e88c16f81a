"""A kind of camera: what of it decides about cost. Without torch."""

from __future__ import annotations

from dataclasses import dataclass

SHARES = {"quiet": 0.15, "busy": 0.6, "worst": 1.0}
"""Shares of the merge groups that are kept of a camera's pictures: of a room, of a road, of all."""

DECODE_FPS = 160.0
"""Frames of 1920x1080 that a core decodes a second: measured, H.265 on one core of x86."""


@dataclass(frozen=True, slots=True)
class Camera:
    """A kind of camera.

    Attributes:
        width: of its pictures, in pixels.
        height: of its pictures, in pixels.
        fps: frames a second that it sends.
    """

    width: int
    height: int
    fps: float

    def __str__(self) -> str:
        return f"{self.width}x{self.height}@{self.fps:g}"
