"""Stories that look like an event and are none: the hard negatives, by the event they resemble."""

from __future__ import annotations

from collections.abc import Callable

from costream.lab.synth.events import EventKind
from costream.lab.synth.person import Person
from costream.lab.synth.plot import Plot
from costream.lab.synth.story import pick_up, put_down
from costream.lab.synth.truth import Action

ORANGE = (244, 122, 22)


def _meet(plot: Plot, start: float, apart: float, action: Action, seconds: float) -> None:
    x, z = plot.spot(0.5)
    for side in (1, -1):
        one = plot.come((x - side * apart / 2, z), start, side=-side, speed=1.3).turn(side)
        one.do("talk", 1.5).do(action, seconds).do("stand", plot.uniform(1.0, 2.0))
        plot.leave(one, side=-side)


def hug(plot: Plot, start: float) -> None:
    """Two people hug."""
    _meet(plot, start, 0.36, "hug", plot.uniform(3.5, 7.0))


def shake_hands(plot: Plot, start: float) -> None:
    """Two people shake hands."""
    _meet(plot, start, 0.86, "shake", plot.uniform(2.5, 4.0))


def talk(plot: Plot, start: float) -> None:
    """Two people talk, close to each other."""
    _meet(plot, start, 0.8, "talk", plot.uniform(5.0, 9.0))


def sit(plot: Plot, start: float) -> None:
    """Somebody sits down on the bench, or on the floor where there is none, and gets up again."""
    bench = plot.site.bench
    spot = (bench[0], bench[1] - 0.1) if bench else plot.spot(0.5)
    one = plot.come(spot, start)
    one.sit(plot.uniform(7.0, 12.0), floor=bench is None).do("stand", 1.2, blend=1.0)
    plot.leave(one)


def sit_on_floor(plot: Plot, start: float) -> None:
    """Somebody sits down on the floor and gets up again."""
    one = plot.come(plot.spot(0.5), start)
    one.sit(plot.uniform(7.0, 12.0), floor=True).do("stand", 1.4, blend=1.2)
    plot.leave(one)


def tie_shoe(plot: Plot, start: float) -> None:
    """Somebody kneels down to tie a shoe and goes on."""
    one = plot.come(plot.spot(0.5), start)
    one.do("kneel", plot.uniform(3.0, 4.5), blend=0.6).do("stand", 0.8, blend=0.6)
    plot.leave(one, side=one.facing)


def jog(plot: Plot, start: float) -> None:
    """A single person jogs through."""
    plot.cross(start, gait="run", speed=plot.uniform(2.6, 3.2))


def walk_together(plot: Plot, start: float) -> None:
    """A group walks through together."""
    side, speed = plot.side(), plot.uniform(1.1, 1.4)
    for place in range(int(plot.draw.integers(4, 6))):
        z = plot.depth()
        one = plot.person(start + 0.7 * place, (side * plot.edge(z), z))
        plot.leave(one, side=-side, speed=speed)


def wait_with_bag(plot: Plot, start: float) -> None:
    """Somebody puts luggage down, waits beside it, takes it and leaves."""
    owner = plot.come(plot.spot(0.5), start, gait="carry")
    bag = plot.luggage(owner)
    put_down(owner, bag.places)
    owner.do("stand", plot.uniform(6.0, 10.0))
    pick_up(owner, bag.places)
    plot.leave(owner, gait="carry")


def carry_through(plot: Plot, start: float) -> None:
    """Somebody carries luggage through."""
    plot.luggage(plot.cross(start, gait="carry"))


def admire(plot: Plot, start: float) -> None:
    """Somebody walks up to the exhibit, looks, reaches out, and leaves it."""
    spot = plot.site.display
    if spot is None:
        carry_through(plot, start)
        return
    side = plot.side()
    one = plot.come((spot[0] + side * 0.66, spot[1] + 0.05), start, side=side).turn(-side)
    one.do("stand", plot.uniform(1.5, 3.0)).do("reach", plot.uniform(1.0, 2.0))
    one.do("stand", plot.uniform(1.0, 2.0))
    plot.leave(one, side=side)


def pass_zone(plot: Plot, start: float) -> None:
    """Somebody walks along the forbidden zone, and perhaps looks at it."""
    z = min(plot.site.band, key=lambda edge: abs(edge - _zone_middle(plot)))
    side = plot.side()
    one = plot.person(start, (side * plot.edge(z), z))
    if plot.chance(0.5):
        one.go((plot.uniform(-1.0, 1.0), z), plot.pace()).do("stand", plot.uniform(1.5, 4.0))
    plot.leave(one, side=-side)


def _zone_middle(plot: Plot) -> float:
    zone = plot.site.zone
    return (zone.near + zone.far) / 2 if zone else plot.depth()


def wait(plot: Plot, start: float) -> None:
    """Somebody comes, stands still for long, and leaves."""
    one = plot.come(plot.spot(0.6), start).do("stand", plot.uniform(12.0, 20.0))
    plot.leave(one, side=one.facing)


def walk_through(plot: Plot, start: float) -> None:
    """Somebody walks through."""
    plot.cross(start)


def wear_orange(plot: Plot, start: float) -> None:
    """Somebody in an orange jacket comes by and stands for a while."""
    one: Person = plot.come(plot.spot(0.6), start, top=ORANGE).do("stand", plot.uniform(3.0, 7.0))
    plot.leave(one)


PRETENCES: dict[EventKind, tuple[Callable[[Plot, float], None], ...]] = {
    "fighting": (hug, shake_hands, talk),
    "fall": (tie_shoe, sit, sit_on_floor),
    "panic": (jog, walk_together),
    "abandoned": (wait_with_bag, carry_through),
    "stealing": (admire,),
    "intrusion": (pass_zone,),
    "wrong_way": (walk_through,),
    "loitering": (wait, walk_through),
    "fire": (wear_orange,),
}
"""Tells a story that resembles a kind of event and is none."""
