"""The chapters of a world: in each a thing happens, or nothing, beside what only resembles one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from costream.lab.synth.events import EVENT_KINDS, EventKind
from costream.lab.synth.plot import Plot
from costream.lab.synth.pretence import PRETENCES
from costream.lab.synth.story import NEEDS, STORIES

CHAPTER = 30.0
"""Shortest chapter with an event, in seconds."""

AROUND = 20.0
"""Seconds of a chapter that an event of a chosen length leaves: what leads up to it, and away."""

QUIET = 7.0
"""Seconds before an event that are free of it."""

LENGTHS: dict[EventKind, float] = {
    "fighting": 10.0, "fall": 12.0, "panic": 9.0, "abandoned": 12.0, "stealing": 8.0,
    "intrusion": 12.0, "wrong_way": 10.0, "loitering": 20.0, "fire": 12.0,
}  # fmt: skip
"""Seconds to keep free for an event before the video ends."""

ALARM = (-9.0, 6.0)
"""Seconds around the start of a panic in which nobody calmly passes by."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """What happens in a stretch of a video.

    Attributes:
        event: the kind of event, or None.
        pretend: kinds of event of which something similar but harmless happens.
    """

    event: EventKind | None
    pretend: tuple[EventKind, ...]


def draw_chapters(
    draw: np.random.Generator,
    events: Sequence[EventKind | None],
    pretend: tuple[EventKind, ...] | None,
) -> list[Chapter]:
    """Draws a chapter for every event; what is pretended in each is drawn if it is None."""
    return [
        Chapter(event, _draw_pretences(draw, event) if pretend is None else pretend)
        for event in events
    ]


def furniture_for(chapters: Sequence[Chapter]) -> frozenset[str]:
    """The furniture without which the chapters can't be told."""
    kinds = {kind for chapter in chapters for kind in (chapter.event, *chapter.pretend)}
    return frozenset(NEEDS[kind] for kind in kinds if kind in NEEDS)


def write_plot(plot: Plot, chapters: Sequence[Chapter], *, passers: bool = True) -> None:
    """Writes chapters of equal length one after the other, by default with who passes by."""
    span = plot.seconds / len(chapters)
    for number, chapter in enumerate(chapters):
        last = number + 1 == len(chapters)
        plot.begin(number * span, plot.seconds if last else (number + 1) * span)
        _write_chapter(plot, chapter, number * span)
    if not passers:
        return
    _add_passers(plot)
    if plot.site.road:
        _add_traffic(plot)


def _write_chapter(plot: Plot, chapter: Chapter, begin: float) -> None:
    event, draw = chapter.event, plot.draw
    if event is not None:
        first = begin + QUIET + (5.0 if event == "loitering" else 0.0)
        latest = max(first + 0.1, plot.until - max(LENGTHS[event], plot.lasting or 0.0) - 1.0)
        STORIES[event](plot, plot.uniform(first, latest))
    count = max(1, len(chapter.pretend))
    slots = np.linspace(begin + 2.0, max(begin + 3.0, plot.until - 14.0), count)
    for kind, slot in zip(chapter.pretend, slots, strict=False):
        stories = PRETENCES[kind]
        stories[int(draw.integers(len(stories)))](plot, float(slot) + plot.uniform(-1.0, 3.0))


def _add_passers(plot: Plot) -> None:
    panics = [event.start for event in plot.events if event.kind == "panic"]
    time = plot.uniform(-5.0, 4.0)
    while time < plot.seconds:
        if not any(ALARM[0] < time - start < ALARM[1] for start in panics):
            plot.cross(time)
        time += plot.uniform(7.0, 14.0)


def _add_traffic(plot: Plot) -> None:
    """Lets cars pass on both lanes, but for a lane while somebody drives against it."""
    against = [(vehicle.lane, vehicle.start, vehicle.end) for vehicle in plot.vehicles]
    for lane, direction in enumerate((1, -1)):
        speed = plot.uniform(3.6, 5.5)
        time = plot.uniform(-6.0, 2.0)
        while time < plot.seconds:
            car = plot.drive(lane, direction, time, speed, van=plot.chance(0.25))
            if any(
                z == car.lane and start < car.end + 0.5 and car.start < end + 0.5
                for z, start, end in against
            ):
                plot.vehicles.remove(car)
            time += plot.uniform(4.5, 9.0)


def _draw_pretences(draw: np.random.Generator, event: EventKind | None) -> tuple[EventKind, ...]:
    """Two harmless stories beside an event, one of them often of its own kind; three without."""
    count = 3 if event is None else 2
    kinds = [EVENT_KINDS[int(one)] for one in draw.choice(len(EVENT_KINDS), count, replace=False)]
    if event is not None and draw.random() < 0.5:
        kinds[0] = event
    return tuple(kind for kind in kinds if not (event == "panic" and kind == "loitering"))
