"""Things: bags, exhibits, and what burns."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import pi, sin
from typing import Literal

import numpy as np

from costream.lab.synth.act import Spot
from costream.lab.synth.brush import Sketch
from costream.lab.synth.figure import Colour, shaded
from costream.lab.synth.person import Person

Shape = Literal["suitcase", "bag", "vase", "painting"]
EXHIBITS: tuple[Shape, ...] = ("vase", "painting")
BRIGHT: tuple[Colour, ...] = (
    (226, 44, 40), (250, 196, 30), (30, 160, 230), (60, 196, 70), (232, 90, 200), (250, 120, 20),
)  # fmt: skip

PUFFS = 26
"""Puffs that make a plume."""

SMOKE = 110
"""Opacity of a puff, of 255."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a thing is from ``start`` on: at a spot and height, or in somebody's hand."""

    start: float
    spot: Spot = (0.0, 0.0)
    high: float = 0.0
    holder: Person | None = None
    hug: bool = False


@dataclass(slots=True)
class Thing:
    """Something that can be carried and put down.

    Attributes:
        number: the actor's number, unique within a world.
        shape: what it is.
        colour: its main colour.
        size: height in metres.
        places: where it is, in order of time. It is nowhere before the first.
    """

    number: int
    shape: Shape
    colour: Colour
    size: float
    places: list[Place] = field(default_factory=list)

    def at(self, time: float) -> Place | None:
        """Where it is at a time; None before it has appeared and once its holder has left."""
        past = [place for place in self.places if place.start <= time]
        if not past or (past[-1].holder is not None and past[-1].holder.at(time) is None):
            return None
        return past[-1]

    def draw(self, sketch: Sketch, x: float, low: float) -> None:
        """Draws it standing at ``x`` metres aside and ``low`` metres above the sketch's point."""
        DRAWINGS[self.shape](sketch, x, low, self.size, self.colour)


@dataclass(frozen=True, slots=True)
class Blaze:
    """A fire: flames or a plume of smoke over a spot, which grow within seconds.

    Attributes:
        number: the actor's number, unique within a world.
        smoke: a plume of grey smoke instead of flames.
        spot: where it burns.
        high: metres from the floor to its foot.
        start: when it begins, in seconds.
        end: when it is out.
        phase: shifts its flicker.
        pale: light smoke instead of dark smoke, for a dark place.
    """

    number: int
    smoke: bool
    spot: Spot
    high: float
    start: float
    end: float
    phase: float
    pale: bool

    def size(self, time: float) -> float:
        """How large it is, 0 to 1."""
        grown = min(max((time - self.start) / (4.0 if self.smoke else 2.5), 0.0), 1.0)
        return grown**0.5 if time < self.end else 0.0

    def draw(self, sketch: Sketch, time: float) -> None:
        """Draws it over the sketch's point."""
        (self._draw_smoke if self.smoke else self._draw_flames)(sketch, time)

    def _draw_flames(self, sketch: Sketch, time: float) -> None:
        size = self.size(time)
        for layer, (colour, share) in enumerate(
            (((236, 70, 16, 235), 1.0), ((255, 150, 24, 240), 0.72), ((255, 236, 120, 250), 0.42))
        ):
            for tongue in range(5):
                beat = self.phase + 1.7 * tongue
                flicker = 0.72 + 0.28 * sin(11 * time + 2.3 * beat) * sin(5.3 * time + beat)
                tall = size * share * flicker * (1.7 - 0.28 * abs(tongue - 2))
                middle, half = 0.19 * (tongue - 2) * size, 0.2 * size * (0.45 + 0.55 * share)
                bend = 0.1 * size * sin(7 * time + beat + layer)
                points = [
                    (middle + bend * up + half * wide * (1 - up) ** 0.7, self.high + tall * up)
                    for wide, up in ((-1, 0), (-1.15, 0.25), (-0.7, 0.6), (0, 1), (0.7, 0.6),
                                     (1.15, 0.25), (1, 0))
                ]  # fmt: skip
                sketch.polygon(points, colour)

    def _draw_smoke(self, sketch: Sketch, time: float) -> None:
        size = self.size(time)
        ages = [((time * 0.28 + puff / PUFFS + self.phase) % 1.0, puff) for puff in range(PUFFS)]
        for age, puff in sorted(ages, reverse=True):
            if age * 3.4 > time - self.start:
                continue
            x = 0.5 * age * sin(1.1 * time + 2.1 * puff) * age + 0.25 * age
            grey = (176 if self.pale else 70) + 7 * (puff % 5)
            alpha = round(SMOKE * min(1.0, 2.2 * (1 - age)))
            sketch.disc(x, self.high + 2.3 * age, size * (0.16 + 0.52 * age),
                        (grey, grey, grey + 4, alpha))  # fmt: skip


def _draw_suitcase(sketch: Sketch, x: float, low: float, size: float, colour: Colour) -> None:
    half = 0.36 * size
    dark = shaded(colour, 0.55)
    sketch.rectangle(x - 0.3 * half, low + size, x + 0.3 * half, low + 1.16 * size, (40, 40, 44))
    sketch.rectangle(x - 0.2 * half, low + size, x + 0.2 * half, low + 1.1 * size, (150, 150, 150))
    sketch.rectangle(x - half, low + 0.03, x + half, low + size, colour)
    for share in (-0.55, 0.35):
        sketch.rectangle(
            x + share * half, low + 0.05, x + (share + 0.2) * half, low + size - 0.02, dark
        )
    sketch.disc(x - 0.7 * half, low + 0.04, 0.04, (30, 30, 30))
    sketch.disc(x + 0.7 * half, low + 0.04, 0.04, (30, 30, 30))


def _draw_bag(sketch: Sketch, x: float, low: float, size: float, colour: Colour) -> None:
    half = 0.62 * size
    arch = [(x + 0.45 * half * np.cos(a), low + 0.7 * size + 0.4 * size * np.sin(a))
            for a in np.linspace(0, pi, 9)]  # fmt: skip
    sketch.polygon(arch, (44, 40, 40))
    sketch.polygon(
        ((x - half, low), (x + half, low), (x + 0.85 * half, low + 0.8 * size),
         (x - 0.85 * half, low + 0.8 * size)), colour,
    )  # fmt: skip
    sketch.rectangle(
        x - 0.9 * half, low + 0.48 * size, x + 0.9 * half, low + 0.58 * size, shaded(colour, 0.55)
    )


def _draw_vase(sketch: Sketch, x: float, low: float, size: float, colour: Colour) -> None:
    widths = ((0.0, 0.16), (0.1, 0.2), (0.4, 0.34), (0.62, 0.3), (0.8, 0.13), (0.9, 0.13), (1, 0.2))
    right = [(x + size * half, low + size * up) for up, half in widths]
    left = [(x - size * half, low + size * up) for up, half in reversed(widths)]
    sketch.polygon((*right, *left), colour)
    sketch.rectangle(
        x - 0.32 * size, low + 0.42 * size, x + 0.32 * size, low + 0.52 * size, (250, 250, 240)
    )


def _draw_painting(sketch: Sketch, x: float, low: float, size: float, colour: Colour) -> None:
    half = 0.56 * size
    sketch.rectangle(x - half, low, x + half, low + size, (176, 132, 40))
    sketch.rectangle(
        x - 0.84 * half, low + 0.09 * size, x + 0.84 * half, low + 0.91 * size, (246, 240, 220)
    )
    sketch.disc(x, low + 0.52 * size, 0.3 * size, colour)


DRAWINGS = {
    "suitcase": _draw_suitcase,
    "bag": _draw_bag,
    "vase": _draw_vase,
    "painting": _draw_painting,
}
"""How each shape is drawn."""
