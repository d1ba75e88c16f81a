"""The contract of a controller: which operating point a stream is treated at, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from costream.audit import Cause
from costream.control.point import USUAL, OperatingPoint


@dataclass(frozen=True, slots=True)
class Move:
    """A stream's change to another operating point.

    Attributes:
        window: number of the window after which it was decided.
        before: the point that was left.
        after: the point from then on. Windows whose frames were all read at it begin a window's
            length later.
        reason: why, in a sentence's part: "costs 12.5% of full recomputation, of 10% that it may".
    """

    window: int
    before: OperatingPoint
    after: OperatingPoint
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Returns it as JSON-ready values."""
        values = asdict(self)
        for name in ("before", "after"):
            values[name]["text"] = str(getattr(self, name))
        return values

    def __str__(self) -> str:
        return f"{self.before} -> {self.after}: {self.reason}"


def percent(share: float) -> str:
    """Returns a share as reasons tell it: three digits at most."""
    return f"{100 * share:.3g}%"


class PointController:
    """Moves one stream from operating point to operating point.

    What it is told of windows whose frames were read at an earlier point says nothing of the
    present one, and is not counted: a move takes a window's length to show.

    Args:
        settling: windows after a move until all that a window holds was read at the new point.

    Attributes:
        point: where the stream is.
    """

    def __init__(self, settling: int) -> None:
        self.point = USUAL
        self._settling = settling
        self._counts_from = settling

    def window(self, index: int, spent: float, full: float) -> Move | None:
        """Takes a window that was answered.

        Args:
            index: its number.
            spent: operations that were spent on it, and on checks and confirmations since the
                window before.
            full: operations of its full recomputation.

        Returns:
            Where to go, if the stream is to be treated otherwise from now on.
        """
        return None

    def checked(self, index: int, weight: float, flips: Mapping[Cause, float]) -> Move | None:
        """Takes a window that was answered in full as well.

        Args:
            index: its number.
            weight: 0..1, of it among checked windows: see :class:`~.evidence.RateDetector`.
            flips: by cause, the share of its answers that differ.
        """
        return None

    def interrupt(self, index: int) -> None:
        """Leaves out windows up to one of this number, and those that hold what it held.

        The stream was treated otherwise than at its point for a while.
        """
        self._counts_from = max(self._counts_from, index + 1 + self._settling)

    def _counts(self, index: int) -> bool:
        return index >= self._counts_from

    def _go(self, index: int, point: OperatingPoint, reason: str) -> Move:
        move = Move(index, self.point, point, reason)
        self.point = point
        self.interrupt(index)
        return move
