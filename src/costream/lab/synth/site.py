"""Where a world's camera hangs: what kind of place it is, and where its furniture stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from costream.lab.synth.act import Spot
from costream.lab.synth.brush import Tone
from costream.lab.synth.events import EventKind

SceneKind = Literal["street", "shop", "hall", "car_park", "corridor"]
SCENE_KINDS: tuple[SceneKind, ...] = get_args(SceneKind)

NEAR, FAR = 4.85, 8.7
"""Metres from the camera between which people walk."""

LANES = (9.9, 13.3)
"""Metres from the camera to the middle of the nearer lane, which leads right, and the farther."""

CLEAR = 0.75
"""Metres that everybody who has no business in the forbidden zone keeps from it."""

EXHIBITING: tuple[SceneKind, ...] = ("shop", "hall", "corridor")
DRIVING: tuple[SceneKind, ...] = ("street", "car_park")
FURNITURE = ("bench", "display", "bin", "zone")


@dataclass(frozen=True, slots=True)
class Zone:
    """A forbidden rectangle painted on the floor, in metres of the floor."""

    left: float
    right: float
    near: float
    far: float

    def holds(self, spot: Spot) -> bool:
        """Whether a spot lies within."""
        return self.left <= spot[0] <= self.right and self.near <= spot[1] <= self.far


@dataclass(frozen=True, slots=True)
class Site:
    """A place and its furniture; floor positions in metres.

    Attributes:
        kind: what kind of place.
        band: distances from the camera between which people may walk: clear of the zone.
        zone: the forbidden zone, or None.
        bench: middle of the bench, or None.
        display: foot of the pedestal for an exhibit, or None.
        bin: foot of the rubbish bin, or None.
        beacon: foot of the post with a blinking orange lamp, or None.
        tone: how the camera shows colours.
        noise: usual standard deviation of the sensor's noise, in steps of 255.
    """

    kind: SceneKind
    band: tuple[float, float]
    zone: Zone | None
    bench: Spot | None
    display: Spot | None
    bin: Spot | None
    beacon: Spot | None
    tone: Tone
    noise: float

    @property
    def road(self) -> bool:
        """Whether there is a road with two lanes behind the people."""
        return self.kind in DRIVING

    @property
    def night(self) -> bool:
        """Whether it is dark and the camera sees by infrared."""
        return self.kind == "corridor"


def scenes_for(events: Sequence[EventKind | None]) -> tuple[SceneKind, ...]:
    """The kinds of place in which all of the events make sense."""
    fitting = set(SCENE_KINDS)
    if "wrong_way" in events:
        fitting &= set(DRIVING)
    if "stealing" in events:
        fitting &= set(EXHIBITING)
    return tuple(kind for kind in SCENE_KINDS if kind in fitting)


def draw_site(draw: np.random.Generator, kind: SceneKind, needs: frozenset[str]) -> Site:
    """Draws a place.

    Args:
        draw: where chance comes from.
        kind: what kind of place.
        needs: names of furniture, of :data:`FURNITURE`, that must be there; the rest may be.
    """
    chances = {"bench": 0.55, "display": 0.55 * (kind in EXHIBITING), "bin": 0.6, "zone": 0.2}
    rolls = {name: float(draw.random()) for name in FURNITURE}
    has = {name for name in FURNITURE if rolls[name] < chances[name]}
    has |= {name for name in needs if name != "display" or kind in EXHIBITING}
    zone, band = None, (NEAR, FAR)
    if "zone" in has:
        zone, band = _draw_zone(draw)
    places = dict(zip(draw.permutation(4).tolist(), (-0.66, -0.26, 0.26, 0.66), strict=True))

    def spot(slot: int, name: str) -> Spot | None:
        z = band[0] + 0.7 * (band[1] - band[0])
        x = (places[slot] + float(draw.uniform(-0.06, 0.06))) * 0.6 * z
        return (x, z) if name in has else None

    bench, display, bin_ = spot(0, "bench"), spot(1, "display"), spot(2, "bin")
    z = band[1] - 0.1
    beacon = (places[3] * 0.6 * z, z) if draw.random() < 0.25 else None
    night = kind == "corridor"
    tone = Tone(float(draw.uniform(0.7, 0.85)), 0.25) if night else Tone()
    noise = float(draw.uniform(3.0, 4.5) if night else draw.uniform(1.0, 2.4))
    return Site(kind, band, zone, bench, display, bin_, beacon, tone, noise)


def _draw_zone(draw: np.random.Generator) -> tuple[Zone, tuple[float, float]]:
    """A zone in the front or in the back, and the distances that are clear of it."""
    wide = float(draw.uniform(3.0, 3.8))
    if draw.random() < 0.75:
        near, far = NEAR + 0.1, NEAR + 2.0
        band = (far + CLEAR, FAR + 0.2)
    else:
        near, far = FAR - 2.2, FAR
        band = (NEAR - 0.1, near - CLEAR)
    middle = float(draw.uniform(-0.5, 0.5)) * (0.6 * near - wide / 2)
    return Zone(middle - wide / 2, middle + wide / 2, near, far), band
