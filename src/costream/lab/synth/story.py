"""The stories that end in an event. Each begins quietly, and the event starts at a given time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from costream.lab.synth.events import EventKind
from costream.lab.synth.person import Person
from costream.lab.synth.plot import Plot
from costream.lab.synth.prop import Blaze, Place
from costream.lab.synth.site import Zone
from costream.lab.synth.visit import RISE

HAND_OVER = 0.8
"""Seconds from beginning to stoop until the hand is at the floor."""


def tell_fighting(plot: Plot, start: float) -> None:
    """Two people meet, and then punch, lunge and sway."""
    x, z = plot.spot(0.5)
    long, wait = plot.length(6.0, 14.0), plot.uniform(1.5, 3.0)
    pair = [
        plot.come((x - side * 0.36, z), start - wait, side=-side, speed=1.3).turn(side)
        for side in (1, -1)
    ]
    drift = plot.uniform(-0.5, 0.5)
    for one in pair:
        one.do("talk", wait).do("fight", long, drift=drift).do("stand", plot.uniform(0.6, 1.5))
        plot.leave(one, side=-one.facing)
    plot.event("fighting", pair[0].number, start, start + long)


def tell_fall(plot: Plot, start: float) -> None:
    """Somebody walks, topples and stays down."""
    x, z = plot.spot(0.5)
    one = plot.come((x, z), start, side=(-1 if x > 0 else 1))
    stays = plot.chance(0.6) and plot.last and plot.lasting is None
    long = plot.seconds - start + 1 if stays else plot.length(9.0, 14.0)
    one.fall(long)
    end = start + long
    if not stays:
        one.rise()
        end += RISE / 2
        plot.leave(one)
    plot.event("fall", one.number, start, end)


def tell_panic(plot: Plot, start: float) -> None:
    """A group stands about, and then all run away to one side; more come running through."""
    side = plot.side()
    count = int(plot.draw.integers(4, 6))
    group: list[Person] = []
    for place in range(count):
        x, z = plot.spot(0.7, 0.8)
        delay = 0.0 if place == 0 else plot.uniform(0.0, 1.6)
        begin = plot.uniform(plot.since - 2.0, max(plot.since + 0.5, start - 9.0))
        there = plot.since - 1.0
        one = plot.come((x, z), begin + 3.0) if plot.chance(0.5) else plot.person(there, (x, z))
        one.turn(plot.side()).do("talk", start + delay - one.end)
        group.append(plot.leave(one, side=side, speed=plot.uniform(3.2, 4.2), gait="flee"))
    for place in range(int(plot.draw.integers(5, 8))):
        z = plot.depth()
        begin = start + 0.3 + 0.6 * place + plot.uniform(0.0, 0.5)
        one = plot.person(begin, (-side * plot.edge(z), z))
        group.append(plot.leave(one, side=side, speed=plot.uniform(3.2, 4.2), gait="flee"))
    plot.event("panic", group[0].number, start, max(one.end for one in group) - 0.3)


def tell_abandoned(plot: Plot, start: float) -> None:
    """Somebody puts luggage down and walks out; now and then it is fetched."""
    x, z = plot.spot(0.5)
    # Two metres from the bag at ``start``: it is put down before.
    speed = plot.pace()
    owner = plot.come((x, z), start - 2.0 / speed - 2 * HAND_OVER - 1.0, gait="carry")
    bag = plot.luggage(owner)
    put_down(owner, bag.places)
    end = plot.seconds
    plot.leave(owner, speed=speed)
    left = plot.until - start
    if (left > 18 and plot.chance(0.35)) or not plot.last or plot.lasting:
        end = start + plot.length(11.0, max(11.5, left - 5.0))
        spot = bag.places[-1].spot
        fetcher = plot.come((spot[0] - 0.3, z), end)
        fetcher.turn(1)
        pick_up(fetcher, bag.places)
        plot.leave(fetcher, gait="carry")
    plot.event("abandoned", bag.number, start, end)


def tell_stealing(plot: Plot, start: float) -> None:
    """Somebody walks up to the exhibit, takes it and goes off with it in the arms."""
    spot, exhibit = plot.site.display, plot.exhibit
    if spot is None or exhibit is None:
        raise ValueError("stealing needs a display")
    side = plot.side()
    wait = plot.uniform(0.8, 2.5)
    thief = plot.come((spot[0] + side * 0.62, spot[1] + 0.05), start - wait, side=side)
    thief.turn(-side).do("stand", wait - 0.4).do("reach", 1.0)
    exhibit.places.append(Place(start + 0.3, holder=thief, hug=True))
    thief.do("hug", 0.5)
    plot.leave(thief, side=side, speed=plot.uniform(0.75, 1.0), gait="carry")
    plot.event("stealing", thief.number, start, max(start + 6.0, thief.end - 0.8))


def tell_intrusion(plot: Plot, start: float) -> None:
    """Somebody walks into the forbidden zone and moves about inside."""
    zone = plot.site.zone
    if zone is None:
        raise ValueError("intrusion needs a zone")
    z = plot.uniform(zone.near + 0.5, zone.far - 0.4)
    side = plot.side()
    inner, outer = (zone.right, zone.left) if side > 0 else (zone.left, zone.right)
    speed = plot.pace()
    one = plot.come((inner, z), start, side=side, speed=speed)
    stops = int(plot.draw.integers(2, 4))
    for stop in range(stops):
        # Ever onward, since whoever turns again and again would loiter.
        share = (stop + plot.uniform(0.5, 1.0)) / (stops + 0.6)
        to = inner + share * (outer - inner), plot.uniform(zone.near + 0.3, zone.far - 0.3)
        one.go(to, speed * 0.8).do("stand", plot.uniform(1.2, 2.6))
    plot.leave(one, side=-side if plot.chance(0.7) else side)
    plot.event("intrusion", one.number, *inside(one, zone, start))


def tell_wrong_way(plot: Plot, start: float) -> None:
    """A car drives against its lane."""
    lane = int(plot.draw.integers(2))
    direction = -1 if lane == 0 else 1
    car = plot.drive(lane, direction, start - 0.8, plot.uniform(2.2, 3.0), van=False)
    plot.event("wrong_way", car.number, start, car.end - 0.8)


def tell_loitering(plot: Plot, start: float) -> None:
    """Somebody paces to and fro."""
    x, z = plot.spot(0.25)
    pacing = start - 5.0
    one = plot.come((x, z), pacing)
    side, long = plot.side(), plot.length(18.0, 27.0)
    reach = 0.62 * plot.ground.half_width(z)
    speed = plot.uniform(0.95, 1.25)
    while one.end < pacing + long:
        step = plot.uniform(1.6, 3.0)
        to = float(np.clip(one.spot[0] + side * step, -reach, reach))
        one.go((to, z + plot.uniform(-0.15, 0.15)), speed).do("stand", plot.uniform(0.5, 1.1))
        side = -side
    end = one.end
    plot.leave(one)
    plot.event("loitering", one.number, start, end)


def tell_fire(plot: Plot, start: float) -> None:
    """The bin burns, or smokes, and may be put out in the end."""
    spot = plot.site.bin
    if spot is None:
        raise ValueError("fire needs a bin")
    left = plot.until - start
    brief = (left > 14 and plot.chance(0.4)) or not plot.last or plot.lasting
    end = start + plot.length(10.0, max(10.5, left)) if brief else plot.seconds + 1
    blaze = Blaze(
        plot.number(), plot.chance(0.35), spot, 0.7, start, end, plot.uniform(0, 6),
        plot.site.night,
    )  # fmt: skip
    plot.blazes.append(blaze)
    plot.event("fire", blaze.number, start, end)


def put_down(owner: Person, places: list[Place]) -> None:
    """Has the owner stoop and leave the luggage beside the feet."""
    x, z = owner.spot
    begin = owner.end
    owner.do("stoop", 2 * HAND_OVER, blend=0.7)
    places.append(Place(begin + HAND_OVER, (x + 0.42 * owner.facing, z - 0.12)))
    owner.do("stand", 1.0, blend=0.6)


def pick_up(owner: Person, places: list[Place]) -> None:
    """Has somebody stoop and take the luggage."""
    begin = owner.end
    owner.do("stoop", 1.4, blend=0.7)
    places.append(Place(begin + HAND_OVER, holder=owner))
    owner.do("stand", 0.6, blend=0.6)


def inside(one: Person, zone: Zone, start: float) -> tuple[float, float]:
    """First and last moment at which somebody's feet are in the zone."""
    times = np.arange(start - 3, one.end, 0.04)
    moments = ((float(time), one.at(float(time))) for time in times)
    within = [time for time, moment in moments if moment and zone.holds(moment[0])]
    return within[0], within[-1]


LASTING: tuple[EventKind, ...] = ("fighting", "fall", "abandoned", "loitering", "fire")
"""Events that may last as long as is wanted."""

NEEDS: dict[EventKind, str] = {"stealing": "display", "intrusion": "zone", "fire": "bin"}
"""Furniture without which an event can't happen."""

STORIES: dict[EventKind, Callable[[Plot, float], None]] = {
    "fighting": tell_fighting,
    "fall": tell_fall,
    "panic": tell_panic,
    "abandoned": tell_abandoned,
    "stealing": tell_stealing,
    "intrusion": tell_intrusion,
    "wrong_way": tell_wrong_way,
    "loitering": tell_loitering,
    "fire": tell_fire,
}
"""Tells the story of a kind of event, which starts at a time."""
