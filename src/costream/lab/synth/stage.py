"""What a plot looks like at a moment: everybody and everything in it, drawn and boxed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image

from costream.lab.synth.act import Spot
from costream.lab.synth.backdrop import BEACON, paint_backdrop
from costream.lab.synth.brush import Sketch, Tone, lay_shadow
from costream.lab.synth.figure import build_limbs, hand_of
from costream.lab.synth.person import Person
from costream.lab.synth.plot import Plot
from costream.lab.synth.prop import EXHIBITS, Blaze, Thing
from costream.lab.synth.truth import Action, Box, Label
from costream.lab.synth.vehicle import Vehicle

Actor = Person | Vehicle | Thing | Blaze

VISIBLE = 5
"""Pixels of width and height from which something counts as visible."""

BLINK = 1.2
"""Seconds from one flash of the beacon to the next."""

TICK = 0.04
"""Seconds to either side over which a velocity is taken."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """An actor as drawn at a moment, ``z`` metres from the camera."""

    z: float
    actor: Actor
    sketch: Sketch


class Stage:
    """Draws a plot before its backdrop.

    Args:
        plot: what happens.
        draw: where the chance of the backdrop comes from.
    """

    def __init__(self, plot: Plot, draw: np.random.Generator) -> None:
        self._plot, self._ground, self._site = plot, plot.ground, plot.site
        self._draw = draw

    @cached_property
    def _backdrop(self) -> Image.Image:
        # Whoever only asks for boxes need not wait for it.
        return paint_backdrop(self._ground, self._site, self._draw)

    def picture(self, time: float) -> Image.Image:
        """Draws the moment, in even light: an RGB picture."""
        picture, tone = self._backdrop.copy(), self._site.tone
        for drawn in self._drawn(time):
            if _grounded(drawn.actor, time):
                self._lay_shadow(picture, drawn.sketch)
            drawn.sketch.lay(picture, Tone() if isinstance(drawn.actor, Blaze) else tone)
        self._blink(picture, time)
        return picture

    def boxes(self, time: float) -> tuple[Box, ...]:
        """What can be seen at the moment: the zone, then everything else, the farthest first."""
        zone = self._zone_box()
        boxes = [zone, *(self._box(time, drawn) for drawn in self._drawn(time))]
        return tuple(box for box in boxes if box)

    def _drawn(self, time: float) -> list[Drawn]:
        hands: dict[int, Spot] = {}
        drawn = [
            *self._draw_people(time, hands),
            *self._draw_vehicles(time),
            *self._draw_things(time, hands),
            *self._draw_blazes(time),
        ]
        return sorted(drawn, key=lambda one: -one.z)

    def _draw_people(self, time: float, hands: dict[int, Spot]) -> Iterator[Drawn]:
        """Draws everybody, and notes where their near hands are."""
        for person in self._plot.people:
            moment = person.at(time)
            if moment is None:
                continue
            sketch = self._sketch(moment[0])
            limbs = build_limbs(person.look, moment[1])
            for limb in limbs:
                sketch.limb(limb)
            hands[person.number] = hand_of(limbs)
            yield Drawn(moment[0][1], person, sketch)

    def _draw_vehicles(self, time: float) -> Iterator[Drawn]:
        for vehicle in self._plot.vehicles:
            middle = vehicle.at(time)
            if middle is not None:
                sketch = self._sketch((middle, vehicle.lane))
                vehicle.draw(sketch, time)
                yield Drawn(vehicle.lane, vehicle, sketch)

    def _draw_things(self, time: float, hands: dict[int, Spot]) -> Iterator[Drawn]:
        for thing in self._plot.things:
            place = thing.at(time)
            if place is None:
                continue
            moment = place.holder.at(time) if place.holder else None
            spot = moment[0] if moment else place.spot
            sketch = self._sketch(spot)
            if place.holder is None or moment is None:
                thing.draw(sketch, 0.0, place.high)
            elif place.hug:
                thing.draw(sketch, 0.3 * moment[1].facing, 0.95)
            else:
                x, y = hands[place.holder.number]
                thing.draw(sketch, x, max(0.02, y - 1.08 * thing.size))
            # What is held is in front of its holder.
            yield Drawn(spot[1] - 0.02, thing, sketch)

    def _draw_blazes(self, time: float) -> Iterator[Drawn]:
        for blaze in self._plot.blazes:
            if blaze.start < time < blaze.end:
                sketch = self._sketch(blaze.spot)
                blaze.draw(sketch, time)
                if sketch.empty:
                    continue  # The first puff of smoke has yet to rise.
                yield Drawn(blaze.spot[1] - 0.05, blaze, sketch)

    def _sketch(self, spot: Spot) -> Sketch:
        return Sketch(self._ground.point(*spot), self._ground.scale(spot[1]))

    def _lay_shadow(self, picture: Image.Image, sketch: Sketch) -> None:
        left, _, right, _ = sketch.box
        wide = (right - left) / 2 + 0.1 * sketch.scale
        lay_shadow(picture, (left + right) / 2, sketch.foot[1], wide, 0.12 * sketch.scale)

    def _blink(self, picture: Image.Image, time: float) -> None:
        if self._site.beacon is None or time % BLINK > BLINK / 2:
            return
        sketch = self._sketch(self._site.beacon)
        sketch.disc(0.0, BEACON, 0.15, (255, 156, 20))
        sketch.lay(picture, self._site.tone)

    def _box(self, time: float, drawn: Drawn) -> Box | None:
        left, top, right, bottom = drawn.sketch.box
        box = Box(
            _label(drawn.actor),
            drawn.actor.number,
            left=max(0, round(left)),
            top=max(0, round(top)),
            right=min(self._ground.width, round(right)),
            bottom=min(self._ground.height, round(bottom)),
            foot=drawn.sketch.foot,
            action=_action(drawn.actor, time),
            velocity=self._velocity(drawn.actor, time),
        )
        seen = min(box.right - box.left, box.bottom - box.top) >= VISIBLE
        return box if seen else None

    def _velocity(self, actor: Actor, time: float) -> tuple[float, float]:
        spots = [_spot(actor, moment) for moment in (time - TICK, time + TICK)]
        if spots[0] is None or spots[1] is None:
            return 0.0, 0.0
        (left, top), (right, bottom) = (self._ground.point(*spot) for spot in spots if spot)
        return (right - left) / (2 * TICK), (bottom - top) / (2 * TICK)

    def _zone_box(self) -> Box | None:
        zone = self._site.zone
        if zone is None:
            return None
        corners = [
            self._ground.point(x, z) for x in (zone.left, zone.right) for z in (zone.near, zone.far)
        ]
        columns, rows = zip(*corners, strict=True)
        middle = (zone.left + zone.right) / 2, (zone.near + zone.far) / 2
        return Box(
            "zone",
            0,
            left=max(0, round(min(columns))),
            top=max(0, round(min(rows))),
            right=min(self._ground.width, round(max(columns))),
            bottom=min(self._ground.height, round(max(rows))),
            foot=self._ground.point(*middle),
        )


def _label(actor: Actor) -> Label:
    if isinstance(actor, Person):
        return "person"
    if isinstance(actor, Vehicle):
        return "vehicle"
    if isinstance(actor, Blaze):
        return "smoke" if actor.smoke else "fire"
    return "object" if actor.shape in EXHIBITS else "bag"


def _action(actor: Actor, time: float) -> Action:
    if isinstance(actor, Vehicle):
        return "drive"
    moment = actor.at(time) if isinstance(actor, Person) else None
    return moment[2] if moment else ""


def _spot(actor: Actor, time: float) -> Spot | None:
    """Where an actor is at a time, and a thing where its holder is."""
    if isinstance(actor, Blaze):
        return actor.spot
    if isinstance(actor, Vehicle):
        x = actor.at(time)
        return None if x is None else (x, actor.lane)
    if isinstance(actor, Thing):
        place = actor.at(time)
        if place is None:
            return None
        return _spot(place.holder, time) if place.holder else place.spot
    moment = actor.at(time)
    return moment[0] if moment else None


def _grounded(actor: Actor, time: float) -> bool:
    """Whether an actor stands on the floor, so that it casts a shadow of its own there."""
    if isinstance(actor, Thing):
        place = actor.at(time)
        return place is not None and place.holder is None and place.high == 0
    return not isinstance(actor, Blaze)
