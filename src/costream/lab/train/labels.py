"""What the right answer on a window is, from the events of the video."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from costream.lab.synth import Event


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a window has to show of an event for the answer to be yes.

    Attributes:
        seconds: how much of the event's interval.
        before: how many seconds from before its start: some events are told by what they changed.
    """

    seconds: float
    before: float = 0.0


NEEDED = {
    "fighting": Evidence(1.5),
    "fall": Evidence(2.0),
    "panic": Evidence(1.5),
    "abandoned": Evidence(2.0),
    "stealing": Evidence(1.0, before=1.0),
    "intrusion": Evidence(1.5),
    "wrong_way": Evidence(1.5),
    # Its interval begins five seconds into the pacing: a window that begins with the last three
    # seconds of it shows no more than one that ends before it does.
    "loitering": Evidence(7.0),
    "fire": Evidence(1.5),
}
"""By kind of event."""


def is_shown(kind: str, start: float, end: float, events: Iterable[Event]) -> bool | None:
    """Tells whether a window shows an event of a kind.

    Args:
        kind: the kind.
        start: the window's start, in seconds of the video.
        end: its end.
        events: all events of the video.

    Returns:
        True or False, or None where it shows a little of one, but not enough to tell.
    """
    shown: list[bool | None] = [_shown(kind, start, end, event) for event in events]
    if any(shown):
        return True
    return None if None in shown else False


def is_on(kind: str, start: float, end: float, events: Iterable[Event]) -> bool | None:
    """Tells whether an event of a kind goes on throughout a stretch of time.

    Args:
        kind: the kind.
        start: in seconds of the video.
        end: likewise.
        events: all events of the video.

    Returns:
        True or False, or None where it goes on in a part of it only.
    """
    met = [event for event in events
           if event.kind == kind and event.start < end and start < event.end]  # fmt: skip
    if any(event.start <= start and end <= event.end for event in met):
        return True
    return None if met else False


def _shown(kind: str, start: float, end: float, event: Event) -> bool | None:
    if event.kind != kind:
        return False
    need = NEEDED[kind]
    overlap = min(end, event.end) - max(start, event.start)
    if overlap <= 0:
        # What an event leaves behind, an empty shelf, can still be seen when it is over.
        return None if need.before and start >= event.start else False
    enough = overlap >= need.seconds and event.start - start >= need.before
    return True if enough or (not need.before and overlap >= end - start) else None
