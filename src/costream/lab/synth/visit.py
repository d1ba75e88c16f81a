"""What one visitor does: walks in, stands for a while, perhaps falls, and walks out again."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, hypot

import numpy as np

from costream.lab.synth.figure import Colour, Look, Pose
from costream.lab.synth.ground import Ground

FALL = 0.9
"""Seconds from standing to lying."""

RISE = 2.4
"""Seconds from lying to standing."""

STEP = 0.72
"""Metres a step."""

LONGEST = 90.0
"""Upper bound of a visit, in seconds."""

SKINS: tuple[Colour, ...] = ((236, 196, 170), (208, 156, 122), (150, 104, 76), (104, 70, 52))
HAIRS: tuple[Colour, ...] = ((44, 34, 30), (92, 62, 40), (150, 122, 84), (128, 128, 130))
TOPS: tuple[Colour, ...] = (
    (178, 58, 52), (44, 84, 148), (218, 168, 62), (52, 116, 86), (214, 214, 208), (110, 72, 130),
    (38, 42, 50), (206, 108, 54),
)  # fmt: skip
TROUSERS: tuple[Colour, ...] = ((46, 54, 78), (58, 56, 54), (112, 98, 80), (34, 36, 40))


@dataclass(frozen=True, slots=True)
class Timestamp:
    """Where a visitor is and in which pose."""

    x: float
    z: float
    pose: Pose


@dataclass(frozen=True, slots=True)
class Visit:
    """The script of one visitor. Times are seconds of the camera's clock.

    Attributes:
        number: the visitor's number, unique within a camera.
        look: what the visitor looks like.
        start: when the way in begins, just outside the picture.
        path: where the visitor comes from, stands and leaves to: floor positions in metres.
        speed: metres a second.
        stay: seconds of standing, up to the fall where there is one.
        down: seconds on the floor, or None for a visit without a fall.
    """

    number: int
    look: Look
    start: float
    path: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
    speed: float
    stay: float
    down: float | None

    @property
    def arrival(self) -> float:
        """When the visitor stops to stand."""
        return self.start + _length(self.path[0], self.path[1]) / self.speed

    @property
    def fall(self) -> tuple[float, float] | None:
        """Start and end of the fall: from losing balance to being up again."""
        if self.down is None:
            return None
        begin = self.arrival + self.stay
        return begin, begin + FALL + self.down + RISE

    @property
    def departure(self) -> float:
        """When the visitor starts to walk out."""
        return self.fall[1] + 1.0 if self.fall else self.arrival + self.stay

    @property
    def end(self) -> float:
        """When the visitor has left the picture."""
        return self.departure + _length(self.path[1], self.path[2]) / self.speed

    def at(self, time: float) -> Timestamp | None:
        """Returns the visitor at a time, or None before and after the visit."""
        if not self.start <= time < self.end:
            return None
        if time < self.arrival:
            return self._walk(self.path[0], self.path[1], time - self.start)
        if time >= self.departure:
            return self._walk(self.path[1], self.path[2], time - self.departure)
        (x, z), facing = self.path[1], _facing(self.path[0], self.path[1])
        return Timestamp(x, z, Pose(facing, 1.4 * time, 0.0, self._tilt(time)))

    def _walk(self, come: tuple[float, float], go: tuple[float, float], passed: float) -> Timestamp:
        way, total = passed * self.speed, _length(come, go)
        share = way / total
        stride = min(1.0, way / 0.4, (total - way) / 0.4)
        pose = Pose(_facing(come, go), np.pi * way / STEP, max(0.0, stride), 0.0)
        return Timestamp(
            come[0] + share * (go[0] - come[0]), come[1] + share * (go[1] - come[1]), pose
        )

    def _tilt(self, time: float) -> float:
        if self.fall is None:
            return 0.0
        begin, up = self.fall
        falling = min(max((time - begin) / FALL, 0.0), 1.0)
        rising = min(max((up - time) / RISE, 0.0), 1.0)
        # A body topples slowly at first and then ever faster; it gets up evenly.
        return min(falling**2, rising**2 * (3 - 2 * rising))


def draw_visit(ground: Ground, seed: int, number: int, every: float, falls: float) -> Visit:
    """Draws the script of visitor ``number`` of the camera with this seed.

    Args:
        ground: the camera's view, which says where the picture ends.
        seed: the camera's seed.
        number: the visitor's number, from 0.
        every: mean seconds between two visitors.
        falls: share of the visitors who fall.
    """
    draw = np.random.default_rng((seed, 2, number))
    z = float(draw.uniform(5.6, 11.5))
    stand = (float(draw.uniform(-0.7, 0.7)) * ground.half_width(z), z)
    sides = draw.choice((-1, 1), 2)
    ends = [_outside(ground, int(side), z + float(draw.uniform(-0.8, 0.8))) for side in sides]
    return Visit(
        number=number,
        look=_draw_look(draw),
        start=every * (number + 0.1 + 0.6 * float(draw.random())),
        path=(ends[0], stand, ends[1]),
        speed=float(draw.uniform(1.0, 1.6)),
        stay=float(draw.uniform(3.0, 14.0)),
        down=float(draw.uniform(15.0, 30.0)) if draw.random() < falls else None,
    )


def numbers_at(time: float, every: float) -> range:
    """Numbers of the visitors who can be in the picture at a time."""
    return range(max(0, floor((time - LONGEST) / every) - 1), max(0, floor(time / every) + 1))


def _draw_look(draw: np.random.Generator) -> Look:
    def pick(colours: tuple[Colour, ...]) -> Colour:
        return colours[int(draw.integers(len(colours)))]

    tall = float(draw.uniform(1.58, 1.88))
    return Look(tall, pick(SKINS), pick(HAIRS), pick(TOPS), pick(TROUSERS), (40, 36, 34))


def _outside(ground: Ground, side: int, z: float) -> tuple[float, float]:
    return side * (ground.half_width(z) + 0.8), z


def _facing(come: tuple[float, float], go: tuple[float, float]) -> int:
    return 1 if go[0] >= come[0] else -1


def _length(come: tuple[float, float], go: tuple[float, float]) -> float:
    return hypot(go[0] - come[0], go[1] - come[1])
