"""A stream is moved between operating points: by its controller, and by overload."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from costream.audit import Cause
from costream.control import USUAL, BudgetController, DisagreementController, Move, PointController
from costream.engine.feed import Feed
from costream.engine.ingest import ReadingKnobs
from costream.engine.ingest_process import AHEAD
from costream.engine.plan import Plan
from costream.engine.result import Result
from costream.engine.schedule import Schedule
from costream.settings import EngineSettings

Steer = Callable[[ReadingKnobs], None]
"""Has a stream be read otherwise from its next window on that is read."""

logger = logging.getLogger("costream")


class Steering:
    """Tells a stream's controller what becomes of its windows, and does what it says.

    In an overload the stream is treated with less care than its controller says, and the controller
    is told nothing.

    Args:
        feed: the stream; what checks its windows is there already, where anything does.
        steer: has it be read otherwise.
        controller: the stream's, or None where it stays at the usual point.
        hold: whether pruned groups are carried over. Without, anchors go no further apart than they
            are: every window holds every place.

    Attributes:
        level: of overload, 0 for none.
    """

    def __init__(
        self, feed: Feed, steer: Steer, controller: PointController | None, *, hold: bool
    ) -> None:
        self._feed = feed
        self._steer = steer
        self._controller = controller
        self._hold = hold
        self.level = self._index = 0
        self._recomputed = 0
        self._point = USUAL
        feed.offset = feed.watch.stream.key
        feed.watch.point = str(USUAL)
        feed.watch.observers.append(self._answered)
        if feed.audit is not None:
            feed.audit.on_checked = self._checked

    def degrade(self, level: int, reason: str) -> None:
        """Goes to a level of overload: see :meth:`~costream.control.OperatingPoint.degraded`."""
        self.level = level
        if self._controller is not None:
            self._controller.interrupt(self._index)
        self._go(reason)

    def _answered(self, plan: Plan, result: Result) -> None:
        self._index = result.index
        if self._controller is None or self.level:
            return
        recomputed = sum(other.spent for other in self._feed.recomputing)
        spent = result.flops.spent + recomputed - self._recomputed
        self._recomputed = recomputed
        self._follow(self._controller.window(result.index, spent, result.flops.full))

    def _checked(self, index: int, weight: float, flips: Mapping[Cause, float]) -> None:
        if self._controller is not None and not self.level:
            self._follow(self._controller.checked(index, weight, flips))

    def _follow(self, move: Move | None) -> None:
        if move is not None:
            self._go(move.reason)

    def _go(self, reason: str) -> None:
        usual = USUAL if self._controller is None else self._controller.point
        point, before = usual.degraded(self.level), self._point
        if point == before:
            return
        self._point = point
        anchors = point.knobs.anchors if self._hold else min(point.knobs.anchors, 1.0)
        knobs = ReadingKnobs(point.knobs.threshold, anchors, point.decode_all, point.thin)
        self._steer(knobs)
        watch = self._feed.watch
        # A window longer than a stride overlaps with the one before, however far it moves.
        schedule = watch.stream.schedule
        self._feed.stretch = min(point.stretch, max(1, schedule.recent // schedule.stride))
        move = Move(self._index, before, point, reason)
        watch.move(move)
        logger.info("%s: %s", watch.info.source, move)


def controller_of(settings: EngineSettings, schedule: Schedule) -> PointController | None:
    """Returns a new stream's controller, or None where the settings ask for none."""
    # What is read ahead was read at the point before.
    settling = -(-schedule.recent // schedule.stride) + AHEAD
    if settings.max_disagreement is not None:
        return DisagreementController(settings.max_disagreement, settling)
    if settings.budget is not None:
        return BudgetController(settings.budget, settling)
    return None
