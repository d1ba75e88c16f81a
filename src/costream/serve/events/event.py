"""An event: one incident before one camera, and what is told of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Change = Literal["new", "update", "end"]


@dataclass(frozen=True, slots=True)
class ScoredWindow:
    """What one window said to one question.

    Attributes:
        start: the window's start, seconds since 1970 by the wall clock.
        end: its end, likewise.
        score: 0..1, or None where the model's output was no number.
        threshold: the model's own threshold for the question.
        stride: seconds by which windows move on.
        received: when it ended on the clock of ``time.monotonic``, which nobody sets.
    """

    start: float
    end: float
    score: float | None
    threshold: float
    stride: float
    received: float


@dataclass(frozen=True, slots=True)
class Event:
    """One incident, as it is known by now.

    Attributes:
        id: 26 characters that sort by time (ULID).
        camera: the camera's id.
        question: the question's id.
        ask: the question as it was asked.
        zone: the zone that it was asked about, or None.
        start: when it began, seconds since 1970: one stride before the end of the first window that
            reached the threshold.
        end: when it was over: the end of the last window at or above ``release``; None while it
            lasts.
        score: the highest so far.
        threshold: the score from which on it counted.
        sentence: what the model says of it, or None. Never a decision.
        still: whether there is a still.
        clip: whether there is a clip.
        interrupted: whether the service or the camera was gone while it lasted, so that its end is
            only the last that is known.
    """

    id: str
    camera: str
    question: str
    ask: str
    zone: str | None
    start: float
    end: float | None
    score: float
    threshold: float
    sentence: str | None = None
    still: bool = False
    clip: bool = False
    interrupted: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON-ready values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class EventMessage:
    """A change of an event, for whoever is told.

    Attributes:
        change: what happened to it.
        event: the event after that.
        at: when, seconds since 1970.
    """

    change: Change
    event: Event
    at: float

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON-ready values."""
        return {"change": self.change, "at": self.at, "event": self.event.to_dict()}
