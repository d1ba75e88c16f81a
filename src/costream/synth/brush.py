"""Drawing small things fast: each is drawn twice as large and laid over the picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import hypot

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from costream.synth.figure import Canvas, Colour, Limb

FINE = 2
"""Pixels of a drawing a pixel of the picture, along each side."""

SHADED = 3.5
"""Pixels of radius from which a limb is lighter on one side."""

Paint = tuple[int, int, int] | tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Tone:
    """How a camera shows colours: ``gain`` times as bright, ``saturation`` of their colour left."""

    gain: float = 1.0
    saturation: float = 1.0

    def shown(self, colours: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Returns colours [..., 3] as the camera shows them."""
        if self.saturation == 1.0:
            return colours if self.gain == 1.0 else colours * np.float32(self.gain)
        grey = colours.mean(axis=-1, keepdims=True)
        shown: npt.NDArray[np.float32] = grey + np.float32(self.saturation) * (colours - grey)
        return shown * np.float32(self.gain)


class Sketch:
    """A drawing in metres around a point of the floor: x to the right, y up.

    Args:
        foot: column and row of the point.
        scale: pixels a metre.
    """

    def __init__(self, foot: tuple[float, float], scale: float) -> None:
        self.foot, self.scale = foot, scale
        self._strokes: list[Callable[[ImageDraw.ImageDraw], None]] = []
        self._box = [np.inf, np.inf, -np.inf, -np.inf]
        self._origin = (0.0, 0.0)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of what is drawn, in pixels of the picture."""
        left, top, right, bottom = self._box
        return left, top, right, bottom

    def polygon(self, points: Sequence[tuple[float, float]], paint: Paint) -> None:
        """Fills a polygon."""
        corners = [self._pixel(point) for point in points]
        for column, row in corners:
            self._grow(column, row, 0.0)
        self._strokes.append(lambda draw: draw.polygon(self._fine(corners), fill=paint))

    def rectangle(self, left: float, low: float, right: float, high: float, paint: Paint) -> None:
        """Fills a rectangle."""
        self.polygon(((left, low), (right, low), (right, high), (left, high)), paint)

    def disc(self, x: float, y: float, radius: float, paint: Paint) -> None:
        """Fills a circle."""
        (column, row), reach = self._pixel((x, y)), radius * self.scale
        self._grow(column, row, reach)
        self._strokes.append(lambda draw: self._disc(draw, column, row, reach, paint))

    def limb(self, limb: Limb) -> None:
        """Draws a limb, lighter on its upper left side."""
        wide = self.scale * max(limb.radii) > SHADED
        self._capsule(limb, 1.0, 0.0, _shaded(limb.colour, 0.8 if wide else 0.95))
        if wide:
            self._capsule(limb, 0.74, 0.22, limb.colour)

    def lay(self, canvas: Canvas, tone: Tone, blur: float = 0.0) -> None:
        """Lays the drawing over ``canvas`` (float32 [height, width, 3]), in place."""
        height, width = canvas.shape[:2]
        left, top = max(0, int(self._box[0]) - 1), max(0, int(self._box[1]) - 1)
        right, bottom = min(width, int(self._box[2]) + 2), min(height, int(self._box[3]) + 2)
        if right <= left or bottom <= top:
            return
        size = (right - left, bottom - top)
        image = Image.new("RGBA", (size[0] * FINE, size[1] * FINE))
        draw = ImageDraw.Draw(image, "RGBA")
        self._origin = (float(left), float(top))
        for stroke in self._strokes:
            stroke(draw)
        if blur:
            image = image.filter(ImageFilter.GaussianBlur(blur * FINE))
        pixels = np.asarray(image.resize(size, Image.Resampling.BOX), np.float32)
        under = canvas[top:bottom, left:right]
        under += (tone.shown(pixels[..., :3]) - under) * (pixels[..., 3:] * np.float32(1 / 255))

    def _pixel(self, point: tuple[float, float]) -> tuple[float, float]:
        return self.foot[0] + self.scale * point[0], self.foot[1] - self.scale * point[1]

    def _grow(self, column: float, row: float, reach: float) -> None:
        box = self._box
        box[0], box[1] = min(box[0], column - reach), min(box[1], row - reach)
        box[2], box[3] = max(box[2], column + reach), max(box[3], row + reach)

    def _fine(self, points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
        left, top = self._origin
        return [(FINE * (column - left), FINE * (row - top)) for column, row in points]

    def _disc(
        self, draw: ImageDraw.ImageDraw, column: float, row: float, reach: float, paint: Paint
    ) -> None:
        ends = self._fine(((column - reach, row - reach), (column + reach, row + reach)))
        draw.ellipse((*ends[0], *ends[1]), fill=paint)

    def _capsule(self, limb: Limb, share: float, shift: float, paint: Paint) -> None:
        (ax, ay), (bx, by) = self._pixel(limb.start), self._pixel(limb.end)
        first, last = (self.scale * radius * share for radius in limb.radii)
        move = shift * max(first, last)
        ax, ay, bx, by = ax - 0.6 * move, ay - 0.8 * move, bx - 0.6 * move, by - 0.8 * move
        self._grow(ax, ay, first)
        self._grow(bx, by, last)
        long = hypot(bx - ax, by - ay)
        side = ((by - ay) / long, (ax - bx) / long) if long > 1e-6 else (0.0, 0.0)
        corners = (
            (ax + first * side[0], ay + first * side[1]),
            (bx + last * side[0], by + last * side[1]),
            (bx - last * side[0], by - last * side[1]),
            (ax - first * side[0], ay - first * side[1]),
        )

        def stroke(draw: ImageDraw.ImageDraw) -> None:
            if long > 1e-6:
                draw.polygon(self._fine(corners), fill=paint)
            self._disc(draw, ax, ay, first, paint)
            self._disc(draw, bx, by, last, paint)

        self._strokes.append(stroke)


def lay_shadow(canvas: Canvas, column: float, row: float, wide: float, tall: float) -> None:
    """Darkens an ellipse of the floor, half its axes given in pixels, in place."""
    height, width = canvas.shape[:2]
    top, bottom = max(0, int(row - tall)), min(height, int(row + tall) + 2)
    left, right = max(0, int(column - wide)), min(width, int(column + wide) + 2)
    if right <= left or bottom <= top:
        return
    y = ((np.arange(top, bottom, dtype=np.float32) + 0.5 - row) / tall) ** 2
    x = ((np.arange(left, right, dtype=np.float32) + 0.5 - column) / wide) ** 2
    far = np.maximum(1 - y[:, None] - x[None], 0)
    canvas[top:bottom, left:right] *= (1 - np.float32(0.45) * far)[..., None]


def _shaded(colour: Colour, share: float) -> Colour:
    red, green, blue = (min(255, round(value * share)) for value in colour)
    return red, green, blue
