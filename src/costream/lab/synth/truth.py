"""What is known to be in a synthetic frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from costream.lab.synth.events import EventKind

Label = Literal["person", "vehicle", "bag", "object", "fire", "smoke", "zone"]
Action = Literal[
    "", "walk", "run", "stand", "talk", "sit", "kneel", "stoop", "reach", "lie", "fight", "hug",
    "shake", "flee", "carry", "drive",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Box:
    """Something visible.

    Attributes:
        label: what it is.
        actor: its number, the same in all frames of a camera.
        left: first column, in pixels; with the others always within the picture.
        top: first row.
        right: column after the last one.
        bottom: row after the last one.
        foot: column and row of its point on the floor.
        action: what a person or a vehicle does; empty for anything else.
        velocity: of its point on the floor: columns and rows a second.
    """

    label: Label
    actor: int
    left: int
    top: int
    right: int
    bottom: int
    foot: tuple[float, float]
    action: Action = ""
    velocity: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Event:
    """Something worth an alarm.

    Attributes:
        kind: what happens.
        actor: number of whoever does it, as in the boxes.
        start: seconds from the first frame.
        end: likewise.
    """

    kind: EventKind
    actor: int
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Truth:
    """Ground truth of one frame.

    Attributes:
        time: seconds from the first frame.
        boxes: what can be seen, the farthest first. A nearer one may hide a part.
        events: the events that are going on.
    """

    time: float
    boxes: tuple[Box, ...]
    events: tuple[Event, ...]
