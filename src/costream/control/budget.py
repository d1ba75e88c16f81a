"""At least disagreement, a stream that costs no more than is allowed."""

from __future__ import annotations

from costream.control.controller import Move, PointController, percent
from costream.control.point import OperatingPoint

LADDER = (
    OperatingPoint(pruning=0),
    OperatingPoint(pruning=1),
    OperatingPoint(),
    OperatingPoint(pruning=3),
    OperatingPoint(pruning=3, recomputing=1),
    OperatingPoint(pruning=4, recomputing=1),
    OperatingPoint(pruning=4, recomputing=2),
    OperatingPoint(pruning=4, recomputing=3),
    OperatingPoint(pruning=5, recomputing=3, decode_all=True),
    OperatingPoint(pruning=5, recomputing=4, decode_all=True),
)
"""From least care to full recomputation: what is added next is what costs least."""

GROWTH = 1.3
"""How many times the cost of a rung the next one is taken to cost before it was seen. It is rather
too little: a trial costs a span, and then it is known."""

MARGIN = 0.9
"""Share of the budget up to which what the next rung is expected to cost may come."""

MEMORY = 20
"""Spans for which what a rung cost is remembered; after that it may be tried again."""


class BudgetController(PointController):
    """Climbs from rung to rung of :data:`LADDER` as far as a budget reaches.

    The mean cost of a span of windows is compared with the budget: above it the stream goes a rung
    down, at once; a rung up where what that rung cost when it was last tried, or is expected to,
    leaves a margin. A rung that was too dear is not tried again before it was :data:`MEMORY` spans
    ago: that is the hysteresis.

    Args:
        budget: cost as a share of full recomputation's, above 0.
        settling: see :class:`~.controller.PointController`; also the windows of a span.
    """

    def __init__(self, budget: float, settling: int) -> None:
        super().__init__(settling)
        self.budget = budget
        self._rung = LADDER.index(self.point)
        self._costs: dict[int, tuple[float, int]] = {}
        self._spans = 0
        self._spent = self._full = 0.0
        self._windows = 0

    def window(self, index: int, spent: float, full: float) -> Move | None:
        """Takes a window that was answered: see :meth:`PointController.window`."""
        if not self._counts(index):
            return None
        self._spent += spent
        self._full += full
        self._windows += 1
        if self._windows < max(1, self._settling):
            return None
        cost = self._spent / self._full
        self._spent = self._full = 0.0
        self._windows = 0
        self._spans += 1
        self._costs[self._rung] = cost, self._spans
        if cost > self.budget:
            return self._climb(index, -1, f"costs {percent(cost)} of full recomputation")
        if self._expected(cost) <= MARGIN * self.budget:
            return self._climb(index, 1, f"costs {percent(cost)} of full recomputation")
        return None

    def _expected(self, cost: float) -> float:
        """Returns what the next rung up will cost."""
        seen = self._costs.get(self._rung + 1)
        if seen is None or self._spans - seen[1] > MEMORY:
            return cost * GROWTH
        return seen[0]

    def _climb(self, index: int, step: int, reason: str) -> Move | None:
        rung = self._rung + step
        if not 0 <= rung < len(LADDER):
            return None
        self._rung = rung
        return self._go(index, LADDER[rung], f"{reason}, of {percent(self.budget)} that it may")
