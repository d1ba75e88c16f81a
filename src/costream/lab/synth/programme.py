"""A demonstration: one event after the other before one camera."""

from __future__ import annotations

from itertools import cycle, islice

from costream.lab.synth.chapter import CHAPTER
from costream.lab.synth.events import EventKind
from costream.lab.synth.world import WorldCamera

PROGRAMME: tuple[EventKind, ...] = (
    "fall", "fighting", "fire", "stealing", "abandoned", "panic", "intrusion", "loitering",
)  # fmt: skip
"""The order of events. No place has both cars and exhibits, so nobody drives the wrong way."""


def show_programme(seed: int, seconds: float) -> WorldCamera:
    """Returns a camera before which as many events happen, in turn, as the time is enough for.

    Args:
        seed: picks the place and everything else.
        seconds: length of the video; without room for an event, none happens.

    Raises:
        SettingsError: a value is out of range.
    """
    kinds = tuple(islice(cycle(PROGRAMME), int(seconds // CHAPTER)))
    return WorldCamera(seed, event=kinds or None, seconds=seconds)
