"""What is done where live streams are more than the engine can keep up with."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from time import monotonic

from costream.control import LEVELS
from costream.engine.feed import Feed
from costream.engine.result import Result

LOOK = 3.0
"""Seconds from one look at the load to the next."""

BUSY = 0.9
"""Share of the time that the engine is at work from which on it may be what keeps windows late."""

LATE = 1.0
"""Strides behind which a window is answered late."""

FREE = 0.5
"""Share of the time that the engine is at work under which a level less may be tried."""

CALM, MAX_CALM = 2, 4
"""Looks in a row that find it so before it is; at most, where a trial failed lately."""

IDLE = 0.15
"""Share of the time that the engine is at work under which one look is enough."""

FORGET = 20
"""Looks in a row without overload after which failed trials are forgotten."""

logger = logging.getLogger("costream")


class OverloadGuard:
    """Treats live streams with less care while the engine is behind, and as before after that.

    At every look it compares how late windows were answered with their strides. If one was later
    than its stride, and the engine was at work nearly all the time, all live streams go one level
    further: they are pruned harder, then their strides are lengthened, then the sampled rate is
    lowered (:meth:`~costream.control.OperatingPoint.degraded`). Behind the last level frames are
    skipped by who reads them. Once no window was late and the engine had half of the time left in
    :data:`CALM` looks, they come back by one level; twice as many looks where that had failed, one
    where the engine hardly works at all. So from the last level it takes 12 to 48 s.

    Files are left alone: nobody waits for them.

    Args:
        clock: what time it is, in seconds.

    Attributes:
        level: how far it went: 0 for no overload.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self.level = 0
        self._clock = clock
        self._since = clock()
        self._rested = self._latest = 0.0
        self._calm, self._needed = 0, CALM
        self._returned = False
        self._reason = ""

    def rest(self, wait: Callable[[], None]) -> None:
        """Waits for something to do."""
        begun = self._clock()
        wait()
        self._rested += self._clock() - begun

    def noting(self, results: Iterable[tuple[Feed, Result]]) -> Iterator[tuple[Feed, Result]]:
        """Passes results on, and notes how late they are."""
        for feed, result in results:
            if result.lag is not None and feed.steering is not None:
                schedule = feed.watch.stream.schedule
                stride = schedule.stride / schedule.fps
                # What is held back until it is confirmed is late on purpose.
                waited = 0.0 if result.confirmation is None else result.confirmation.waited
                self._latest = max(self._latest, (result.lag - waited) / stride)
            yield feed, result

    def look(self, feeds: Sequence[Feed]) -> None:
        """Goes a level further or back, where it is time to look and there is reason to."""
        now = self._clock()
        elapsed = now - self._since
        if elapsed < LOOK:
            return
        busy, late = 1 - self._rested / elapsed, self._latest
        self._since, self._rested, self._latest = now, 0.0, 0.0
        self._judge(busy, late)
        for feed in feeds:
            steering = feed.steering
            if steering is not None and feed.watch.info.live and steering.level != self.level:
                steering.degrade(self.level, self._reason)

    def _judge(self, busy: float, late: float) -> None:
        """Sets the level."""
        if late > LATE and busy >= BUSY:
            if self._returned:
                self._needed = min(2 * self._needed, MAX_CALM)
            self._calm, self._returned = 0, False
            reason = f"overload: answers {late:.1f} strides late, busy {busy:.0%} of the time"
            self._go(min(self.level + 1, LEVELS - 1), reason)
        elif not self.level:
            self._calm += 1
            if self._calm >= FORGET:
                self._returned, self._needed = False, CALM
        elif busy <= FREE and late <= LATE:
            self._calm += 1
            if self._calm >= self._needed or busy <= IDLE:
                self._calm, self._returned = 0, True
                self._go(self.level - 1, f"overload ends: busy {busy:.0%} of the time")
        else:
            self._calm = 0

    def _go(self, level: int, reason: str) -> None:
        if level != self.level:
            self.level, self._reason = level, reason
            logger.warning("level %d of %d: %s", level, LEVELS - 1, reason)
