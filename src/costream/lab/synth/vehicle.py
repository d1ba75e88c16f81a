"""A car on its lane."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, sin

from costream.lab.synth.brush import Sketch
from costream.lab.synth.figure import Colour, shaded

LENGTH = 4.1
PAINTS: tuple[Colour, ...] = (
    (190, 36, 34), (36, 78, 160), (222, 222, 220), (40, 42, 46), (120, 126, 132), (206, 168, 40),
    (46, 112, 70), (150, 90, 50),
)  # fmt: skip
GLASS = (96, 124, 142)
BODY = (
    (-2.05, 0.32), (2.05, 0.32), (2.05, 0.66), (1.9, 0.82), (1.1, 0.92), (-1.85, 0.96),
    (-2.05, 0.8),
)  # fmt: skip
CABIN = ((-1.6, 0.92), (1.15, 0.92), (0.55, 1.42), (-1.15, 1.44))
WINDOWS = (
    ((-1.38, 0.96), (-0.34, 0.96), (-0.34, 1.36), (-1.05, 1.36)),
    ((-0.22, 0.96), (0.92, 0.96), (0.46, 1.36), (-0.22, 1.36)),
)
VAN = ((-2.05, 0.32), (2.05, 0.32), (2.05, 0.9), (1.35, 1.85), (-2.05, 1.9))
VAN_WINDOW = (((0.55, 1.1), (1.75, 1.1), (1.25, 1.7), (0.55, 1.7)),)


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A vehicle that drives through the picture.

    Attributes:
        number: the actor's number, unique within a world.
        lane: distance of its lane from the camera, in metres.
        direction: 1 to the right, -1 to the left; it always drives forward.
        start: when its middle is at ``origin``, in seconds.
        origin: metres right of the camera's axis.
        speed: metres a second.
        end: when it has left the picture.
        paint: its colour.
        van: a van rather than a car.
    """

    number: int
    lane: float
    direction: int
    start: float
    origin: float
    speed: float
    end: float
    paint: Colour
    van: bool

    def at(self, time: float) -> float | None:
        """Where its middle is: metres right of the camera's axis; None when it is away."""
        if not self.start <= time < self.end:
            return None
        return self.origin + self.direction * self.speed * (time - self.start)

    def draw(self, sketch: Sketch, time: float) -> None:
        """Draws it over the sketch's point, the middle of the lane below it."""
        draw_car(
            sketch, self.paint, self.direction, self.van, self.speed * (time - self.start) / 0.32
        )


def draw_car(sketch: Sketch, paint: Colour, facing: int, van: bool, roll: float) -> None:
    """Draws a car from its side, ``roll`` radians of its wheels after some start."""

    def turned(points: tuple[tuple[float, float], ...]) -> list[tuple[float, float]]:
        return [(facing * x, y) for x, y in points]

    sketch.polygon(turned(VAN if van else BODY), paint)
    if not van:
        sketch.polygon(turned(CABIN), paint)
    for window in VAN_WINDOW if van else WINDOWS:
        sketch.polygon(turned(window), GLASS)
    sketch.polygon(
        turned(((-2.05, 0.32), (2.05, 0.32), (2.05, 0.5), (-2.05, 0.5))), shaded(paint, 0.72)
    )
    sketch.polygon(turned(((1.78, 0.6), (2.07, 0.6), (2.05, 0.78), (1.8, 0.8))), (255, 246, 190))
    sketch.polygon(
        turned(((-2.07, 0.62), (-1.88, 0.62), (-1.88, 0.82), (-2.06, 0.82))), (220, 20, 20)
    )
    for axle in (-1.25, 1.25):
        sketch.disc(facing * axle, 0.33, 0.34, (26, 26, 28))
        sketch.disc(facing * axle, 0.33, 0.19, (168, 170, 174))
        x, y = 0.13 * cos(roll), 0.13 * sin(roll)
        sketch.disc(facing * axle + x, 0.33 + y, 0.05, (60, 60, 64))
        sketch.disc(facing * axle - x, 0.33 - y, 0.05, (60, 60, 64))
