"""The cast of a world and its parts: what stories are written into."""

from __future__ import annotations

import numpy as np

from costream.lab.synth.act import Spot
from costream.lab.synth.events import EventKind
from costream.lab.synth.figure import Colour, Look
from costream.lab.synth.ground import Ground
from costream.lab.synth.person import Gait, Person
from costream.lab.synth.prop import BRIGHT, EXHIBITS, Blaze, Place, Shape, Thing
from costream.lab.synth.site import LANES, Site
from costream.lab.synth.truth import Event
from costream.lab.synth.vehicle import LENGTH, PAINTS, Vehicle
from costream.lab.synth.visit import HAIRS, SKINS, TOPS, TROUSERS

PEDESTAL = 0.95
APART = 1.5
"""Metres that reserved spots keep from each other, sideways."""


class Plot:
    """Collects persons, things, vehicles, fires and events.

    Args:
        ground: the camera's view.
        site: the place.
        seconds: length of the video.
        draw: where chance comes from.

    Attributes:
        people: everybody with a part.
        things: what can be carried.
        vehicles: what drives.
        blazes: what burns.
        events: what is worth an alarm.
        exhibit: the thing on the pedestal, where there is one.
        since: when the present chapter begins, in seconds.
        until: when it ends.
        lasting: seconds that events last which may last long; drawn where it is None.
    """

    def __init__(
        self,
        ground: Ground,
        site: Site,
        seconds: float,
        draw: np.random.Generator,
        lasting: float | None = None,
    ) -> None:
        self.ground, self.site, self.seconds, self.draw = ground, site, seconds, draw
        self.people: list[Person] = []
        self.things: list[Thing] = []
        self.vehicles: list[Vehicle] = []
        self.blazes: list[Blaze] = []
        self.events: list[Event] = []
        self.since, self.until, self.lasting = 0.0, seconds, lasting
        self._taken: list[Spot] = []
        self._number = 0
        self.exhibit: Thing | None = None
        if site.display:
            self.exhibit = self.thing(EXHIBITS, self.uniform(0.5, 0.62))
            self.exhibit.places.append(Place(-1.0, site.display, PEDESTAL))

    def begin(self, start: float, until: float) -> None:
        """Begins a chapter: spots are free again but for the furniture, the exhibit is back."""
        site = self.site
        self.since, self.until = start, until
        self._taken = [spot for spot in (site.bench, site.display, site.bin, site.beacon) if spot]

        if self.exhibit and site.display and self.exhibit.places[-1].holder:
            self.exhibit.places.append(Place(start, site.display, PEDESTAL))

    @property
    def last(self) -> bool:
        """Whether this is the last chapter, so that what happens may go on to the end."""
        return self.until >= self.seconds

    def uniform(self, low: float, high: float) -> float:
        """A number by chance."""
        return float(self.draw.uniform(low, high))

    def length(self, low: float, high: float) -> float:
        """Seconds that an event lasts: as long as is wanted, or by chance."""
        drawn = self.uniform(low, high)
        return drawn if self.lasting is None else self.lasting

    def chance(self, share: float) -> bool:
        """True with the probability ``share``."""
        return bool(self.draw.random() < share)

    def side(self) -> int:
        """1 or -1."""
        return 1 if self.chance(0.5) else -1

    def number(self) -> int:
        """The next actor's number."""
        self._number += 1
        return self._number

    def depth(self) -> float:
        """A distance from the camera at which people may walk."""
        return self.uniform(*self.site.band)

    def edge(self, z: float) -> float:
        """Metres from the axis to just outside the picture."""
        return self.ground.half_width(z) + 0.6

    def spot(self, reach: float = 0.62, apart: float = APART) -> Spot:
        """Reserves a spot away from furniture and other reserved spots, as far as there is room.

        Args:
            reach: largest distance from the axis, as a share of what the camera sees there.
            apart: metres to keep from the others, sideways.
        """
        best, most = (0.0, self.site.band[0]), -1.0
        for _ in range(24):
            z = self.depth()
            x = self.uniform(-reach, reach) * self.ground.half_width(z)
            room = min((abs(x - other[0]) for other in self._taken), default=99.0)
            if room > most:
                best, most = (x, z), room
            if room > apart:
                break
        self._taken.append(best)
        return best

    def person(
        self, start: float, spot: Spot, facing: int = 1, top: Colour | None = None
    ) -> Person:
        """Adds somebody who appears at a time and a spot."""
        one = Person(self.number(), self._look(top), start, spot, facing, self.uniform(0, 6))
        self.people.append(one)
        return one

    def come(
        self,
        to: Spot,
        at: float,
        *,
        side: int | None = None,
        speed: float | None = None,
        gait: Gait = "walk",
        top: Colour | None = None,
    ) -> Person:
        """Adds somebody who comes in from a side and arrives at a spot at a time."""
        side = side or (1 if to[0] > 0 else -1) * (1 if self.chance(0.7) else -1)
        speed = speed or self.pace()
        origin = (side * self.edge(to[1]), to[1])
        way = abs(origin[0] - to[0])
        return self.person(at - way / speed, origin, -side, top).go(to, speed, gait)

    def leave(
        self, one: Person, *, side: int | None = None, speed: float = 0.0, gait: Gait = "walk"
    ) -> Person:
        """Sends somebody out of the picture, straight to a side."""
        side = side or self.side()
        return one.go((side * self.edge(one.spot[1]), one.spot[1]), speed or self.pace(), gait)

    def cross(self, start: float, *, gait: Gait = "walk", speed: float = 0.0) -> Person:
        """Adds somebody who goes through the picture."""
        z, side = self.depth(), self.side()
        one = self.person(start, (side * self.edge(z), z))
        return one.go((-side * self.edge(z), z), speed or self.pace(), gait)

    def pace(self) -> float:
        """A walker's metres a second."""
        return self.uniform(1.05, 1.5)

    def thing(self, shapes: tuple[Shape, ...], size: float) -> Thing:
        """Adds a thing that is nowhere yet."""
        shape = shapes[int(self.draw.integers(len(shapes)))]
        colour = BRIGHT[int(self.draw.integers(len(BRIGHT)))]
        self.things.append(Thing(self.number(), shape, colour, size))
        return self.things[-1]

    def luggage(self, owner: Person) -> Thing:
        """Adds a suitcase or a bag in somebody's hand."""
        bag = self.thing(("suitcase", "bag"), self.uniform(0.56, 0.7))
        bag.places.append(Place(owner.start, holder=owner))
        return bag

    def drive(self, lane: int, direction: int, at: float, speed: float, *, van: bool) -> Vehicle:
        """Adds a vehicle whose front reaches the picture at a time."""
        z = LANES[lane]
        reach = self.ground.half_width(z) + LENGTH / 2 + 0.3
        paint = PAINTS[int(self.draw.integers(len(PAINTS)))]
        vehicle = Vehicle(
            self.number(), z, direction, at, -direction * reach, speed, at + 2 * reach / speed,
            paint, van,
        )  # fmt: skip
        self.vehicles.append(vehicle)
        return vehicle

    def event(self, kind: EventKind, actor: int, start: float, end: float) -> None:
        """Notes an event, cut off at the end of the video."""
        self.events.append(Event(kind, actor, start, min(end, self.seconds)))

    def _look(self, top: Colour | None) -> Look:
        def pick(colours: tuple[Colour, ...]) -> Colour:
            return colours[int(self.draw.integers(len(colours)))]

        tall = self.uniform(1.62, 1.88)
        return Look(tall, pick(SKINS), pick(HAIRS), top or pick(TOPS), pick(TROUSERS), (40, 36, 34))
