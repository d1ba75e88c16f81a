"""The moment by which events grow old: the clock's, unless it was just set forward."""

from __future__ import annotations

import time
from collections.abc import Callable

DOUBT = 86400.0
"""Seconds for which a clock that was set forward has to stay so before events are aged by it."""

SLACK = 3600.0
"""Seconds by which a clock may be set forward without a doubt."""


class Ageing:
    """Tells the present for the removal of what is old.

    A clock that is set years ahead by mistake would have every event removed within minutes, and
    none comes back when it is put right. So it is believed only after a day; until then time goes
    on as if it had not been set.

    Args:
        clock: the present, seconds since 1970.
        steady: seconds of a clock that nobody sets.
    """

    def __init__(
        self, clock: Callable[[], float], steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock, self._steady = clock, steady
        self._believed = clock(), steady()
        self._doubted_since: float | None = None

    def now(self) -> float:
        """Returns the present, seconds since 1970."""
        now, steady = self._clock(), self._steady()
        at, then = self._believed
        expected = at + steady - then
        if now > expected + SLACK:
            if self._doubted_since is None:
                self._doubted_since = steady
            if steady - self._doubted_since < DOUBT:
                return expected
        self._believed, self._doubted_since = (now, steady), None
        return now
