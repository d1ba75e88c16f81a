"""What is known to be in a synthetic frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Label = Literal["person", "fallen"]
EventKind = Literal["fall"]


@dataclass(frozen=True, slots=True)
class Box:
    """One visible person.

    Attributes:
        label: ``fallen`` while the person is nearer to lying than to standing.
        visitor: number of the person, the same in all frames.
        left: first column, in pixels; with the others always within the picture.
        top: first row.
        right: column after the last one.
        bottom: row after the last one.
    """

    label: Label
    visitor: int
    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True)
class Event:
    """Something worth an alarm. ``start`` and ``end`` are seconds from the first frame."""

    kind: EventKind
    visitor: int
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Truth:
    """Ground truth of one frame.

    Attributes:
        time: seconds from the first frame.
        boxes: the persons that can be seen, the farthest first. A nearer one may hide a part.
        events: the events that are going on.
    """

    time: float
    boxes: tuple[Box, ...]
    events: tuple[Event, ...]
