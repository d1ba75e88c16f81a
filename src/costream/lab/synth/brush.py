"""Drawing small things fast: each on an enlarged part of the picture, which is shrunk again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import hypot

import numpy as np
from PIL import Image, ImageDraw

from costream.lab.synth.figure import Canvas, Limb, shaded

Paint = tuple[int, int, int] | tuple[int, int, int, int]

FINE = 2
"""Pixels drawn a pixel of the picture, along each side."""

SHADED = 3.5
"""Pixels of radius from which a limb is lighter on one side."""


@dataclass(frozen=True, slots=True)
class Tone:
    """How a camera shows colours: ``gain`` times as bright, ``saturation`` of their colour left."""

    gain: float = 1.0
    saturation: float = 1.0

    def shown(self, paint: Paint) -> Paint:
        """Returns a colour, with its opacity if it has one, as the camera shows it."""
        if self.saturation == self.gain == 1.0:
            return paint
        grey = sum(paint[:3]) / 3
        red, green, blue = (
            min(255, round((grey + self.saturation * (value - grey)) * self.gain))
            for value in paint[:3]
        )
        return (red, green, blue) if len(paint) == 3 else (red, green, blue, paint[3])

    def show(self, canvas: Canvas) -> Canvas:
        """Returns a picture [height, width, 3] as the camera shows it."""
        grey = canvas.mean(axis=-1, keepdims=True)
        shown: Canvas = (grey + np.float32(self.saturation) * (canvas - grey)) * np.float32(
            self.gain
        )
        return shown


class Sketch:
    """A drawing in metres around a point of the floor: x to the right, y up.

    Args:
        foot: column and row of the point.
        scale: pixels a metre.
    """

    def __init__(self, foot: tuple[float, float], scale: float) -> None:
        self.foot, self.scale = foot, scale
        self._strokes: list[Callable[[ImageDraw.ImageDraw, Tone], None]] = []
        self._box = [np.inf, np.inf, -np.inf, -np.inf]
        self._origin = (0.0, 0.0)

    @property
    def empty(self) -> bool:
        """Whether nothing is drawn."""
        return not self._strokes

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
        self._strokes.append(
            lambda draw, tone: draw.polygon(self._fine(corners), fill=tone.shown(paint))
        )

    def rectangle(self, left: float, low: float, right: float, high: float, paint: Paint) -> None:
        """Fills a rectangle."""
        self.polygon(((left, low), (right, low), (right, high), (left, high)), paint)

    def disc(self, x: float, y: float, radius: float, paint: Paint) -> None:
        """Fills a circle."""
        (column, row), reach = self._pixel((x, y)), radius * self.scale
        self._grow(column, row, reach)
        self._strokes.append(
            lambda draw, tone: self._disc(draw, column, row, reach, tone.shown(paint))
        )

    def ellipse(self, wide: float, tall: float, paint: Paint) -> None:
        """Fills an ellipse around the point, half its axes given."""
        column, row = self.foot
        wide, tall = wide * self.scale, tall * self.scale
        self._grow(column - wide, row - tall, 0.0)
        self._grow(column + wide, row + tall, 0.0)
        ends = ((column - wide, row - tall), (column + wide, row + tall))

        def stroke(draw: ImageDraw.ImageDraw, tone: Tone) -> None:
            (left, top), (right, bottom) = self._fine(ends)
            draw.ellipse((left, top, right, bottom), fill=tone.shown(paint))

        self._strokes.append(stroke)

    def limb(self, limb: Limb) -> None:
        """Draws a limb, lighter on its upper left side."""
        wide = self.scale * max(limb.radii) > SHADED
        self._capsule(limb, 1.0, 0.0, shaded(limb.colour, 0.8 if wide else 0.95))
        if wide:
            self._capsule(limb, 0.74, 0.22, limb.colour)

    def lay(self, picture: Image.Image, tone: Tone) -> None:
        """Lays the drawing over an RGB picture, in place."""
        left, top = max(0, int(self._box[0]) - 1), max(0, int(self._box[1]) - 1)
        right = min(picture.width, int(self._box[2]) + 2)
        bottom = min(picture.height, int(self._box[3]) + 2)
        if right <= left or bottom <= top:
            return
        part = picture.crop((left, top, right, bottom))
        fine = part.resize((part.width * FINE, part.height * FINE), Image.Resampling.NEAREST)
        draw = ImageDraw.Draw(fine, "RGBA")
        self._origin = (float(left), float(top))
        for stroke in self._strokes:
            stroke(draw, tone)
        # Where nothing is drawn, the mean of a pixel's copies is that pixel again.
        picture.paste(fine.reduce(FINE), (left, top))

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

        def stroke(draw: ImageDraw.ImageDraw, tone: Tone) -> None:
            shown = tone.shown(paint)
            if long > 1e-6:
                draw.polygon(self._fine(corners), fill=shown)
            self._disc(draw, ax, ay, first, shown)
            self._disc(draw, bx, by, last, shown)

        self._strokes.append(stroke)


def lay_shadow(picture: Image.Image, column: float, row: float, wide: float, tall: float) -> None:
    """Darkens an ellipse of the floor, half its axes given in pixels, in place."""
    sketch = Sketch((column, row), 1.0)
    for share in (1.0, 0.8, 0.6, 0.4):
        sketch.ellipse(wide * share, tall * share, (0, 0, 0, 34))
    sketch.lay(picture, Tone())
