"""The scores of an event, in parts of few bytes."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

Point = tuple[float, float]
"""Seconds since 1970, and the score then."""

PART = 64
"""Points of a part."""

PARTS = 256
"""Most parts of a curve: of a longer event the first are kept."""

CONTEXT = 30
"""Points before an event that its curve begins with."""

_POINT = struct.Struct("<df")


@dataclass(frozen=True, slots=True)
class CurvePart:
    """Some points of an event's curve, and their place in it."""

    event: str
    number: int
    points: tuple[Point, ...]


class Curve:
    """The scores of one question: the last ones, and of the event that is open all of them."""

    def __init__(self) -> None:
        self._recent: deque[Point] = deque(maxlen=CONTEXT)
        self._open: list[Point] = []
        self._event: str | None = None
        self._number = 0

    def add(self, at: float, score: float) -> None:
        """Takes a score."""
        self._recent.append((at, score))
        if self._event is not None:
            if len(self._open) == PART:
                self._open, self._number = [], self._number + 1
            self._open.append((at, score))

    def begin(self, event: str) -> None:
        """Begins the curve of an event with the last scores."""
        self._event, self._number, self._open = event, 0, list(self._recent)

    def resume(self, event: str, number: int) -> None:
        """Goes on with the curve of an event, at a part that there is not yet."""
        self._event, self._number, self._open = event, number, []

    def end(self) -> None:
        """Ends the event's curve."""
        self._event = None

    def part(self) -> CurvePart | None:
        """Returns the part that the last score went into, for the event that is open."""
        if self._event is None or not self._open or self._number >= PARTS:
            return None
        return CurvePart(self._event, self._number, tuple(self._open))


def pack(points: Iterable[Point]) -> bytes:
    """Returns points as 12 bytes each."""
    return b"".join(_POINT.pack(*point) for point in points)


def unpack(data: bytes) -> Iterator[Point]:
    """Yields packed points."""
    return ((at, round(score, 6)) for at, score in _POINT.iter_unpack(data))
