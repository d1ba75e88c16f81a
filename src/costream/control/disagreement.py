"""At least cost, answers that differ from full recomputation's no more often than is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from costream.audit import Cause
from costream.control.controller import Move, PointController, percent
from costream.control.evidence import RateDetector, RateTest
from costream.control.point import USUAL, OperatingPoint

ALARM = 100.0
"""Evidence of an excess from which on a stream is treated with more care. At the target itself that
happens once in so many checked windows at most."""

ASSURANCE = 20.0
"""Evidence of a rate below the target from which on less care is tried."""

MOST_ASSURANCE = 1e300
"""The most that is asked for, of a point that was left again and again."""


class DisagreementController(PointController):
    """Holds the share of answers that differ under a target, by what checks say.

    **More care.** Checked windows are observations of the share of answers that differ. Once a
    :class:`~.evidence.RateDetector` says that it exceeds the target, the knob moves that most of
    the differing answers were put down to: pruning, recomputing, or decoding. Where that knob can't
    go on, the next one does.

    **Less care.** Once a :class:`~.evidence.RateTest`, begun at this point, says that the share is
    lower than the target, one step is taken back: of what was added, and then below the usual, as
    far as the first of :data:`~.point.PRUNING`. It is a trial, which checks will end if it was
    wrong. Then the bar for trying that point again is squared, each time, which takes twice as many
    checked windows: that is the hysteresis. Where nothing differs, a step back takes about ``3.8 /
    target`` checked windows.

    Args:
        target: share of answers that may differ, in 0..1, both ends excluded.
        settling: see :class:`~.controller.PointController`.
    """

    def __init__(self, target: float, settling: int) -> None:
        super().__init__(settling)
        self.target = target
        self._bars: dict[OperatingPoint, float] = {}
        self._begin()

    def checked(self, index: int, weight: float, flips: Mapping[Cause, float]) -> Move | None:
        """Takes a window that was answered in full as well: see :meth:`PointController.checked`."""
        if not self._counts(index):
            return None
        loss = sum(flips.values())
        self._excess.add(loss, weight)
        self._assurance.add(loss, weight)
        self._seen += 1
        self._lost += loss
        for cause, share in flips.items():
            self._causes[cause] = self._causes.get(cause, 0.0) + share * weight
        if self._excess.evidence >= ALARM:
            return self._raise(index)
        easier = self._easier()
        if easier is not None and self._assurance.evidence >= self._bar(easier):
            reason = f"{self._differing()}, surely less than {percent(self.target)}"
            return self._move(index, easier, reason)
        return None

    def _raise(self, index: int) -> Move | None:
        careful, cause = self._more_careful()
        if careful is None:
            self._begin()  # All is recomputed already: nothing is left to give up.
            return None
        self._bars[self.point] = min(self._bar(self.point) ** 2, MOST_ASSURANCE)
        target = percent(self.target)
        reason = f"{self._differing()}, lately surely more than {target}; most by {cause}"
        return self._move(index, careful, reason)

    def _more_careful(self) -> tuple[OperatingPoint | None, str]:
        point = self.point
        steps: dict[Cause, OperatingPoint | None] = {
            "pruning": point.with_pruning(1),
            "reuse": point.with_recomputing(1),
            "decoding": point.with_decoding(),
        }
        named = sorted(self._causes, key=lambda cause: -self._causes[cause])
        for cause in (*named, *steps):
            after = steps.get(cause)
            if after is not None:
                return after, named[0] if named else "none that was told"
        return None, ""

    def _bar(self, point: OperatingPoint) -> float:
        """Returns the evidence that it takes to go to a point with less care."""
        return self._bars.get(point, ASSURANCE)

    def _easier(self) -> OperatingPoint | None:
        """Returns the next point with less care: what was added last costs most, and goes first."""
        point = self.point
        if point.pruning > USUAL.pruning and point.recomputing:
            # Of two that were added, that which is further from the usual.
            further = point.pruning - USUAL.pruning >= point.recomputing
            return point.with_pruning(-1) if further else point.with_recomputing(-1)
        if point.pruning > USUAL.pruning:
            return point.with_pruning(-1)
        if point.recomputing:
            return point.with_recomputing(-1)
        return replace(point, decode_all=False) if point.decode_all else point.with_pruning(-1)

    def _differing(self) -> str:
        return (
            f"{self._lost / self._seen:.3g} of the answers of {self._seen} checked windows differ"
        )

    def _move(self, index: int, point: OperatingPoint, reason: str) -> Move:
        move = self._go(index, point, reason)
        self._begin()
        return move

    def _begin(self) -> None:
        """Forgets what was seen: it is of another point."""
        self._excess, self._assurance = RateDetector(self.target), RateTest(self.target)
        self._causes: dict[Cause, float] = {}
        self._seen, self._lost = 0, 0.0
