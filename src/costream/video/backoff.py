"""When to try again for a source that is away."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from time import monotonic

from costream.errors import SettingsError

FIRST = 1.0
"""Seconds before the first try, at most."""

LONGEST = 30.0
"""Seconds between two tries, at most. A connection that holds for longer makes up for those that
failed."""

JITTER = 0.5
"""Share of each delay that is drawn at random, so that cameras which a power cut took down together
are not asked for in the same instant."""


def check_patience(seconds: float) -> None:
    """Checks for how long a source is to be waited for.

    Raises:
        SettingsError: it is negative or no number.
    """
    if math.isnan(seconds) or seconds < 0:
        raise SettingsError(f"a patience of {seconds:g} s can't be kept: choose 0 or more")


class Backoff:
    """Delays between attempts, each twice as long as the one before, and an end to patience.

    Args:
        patience: seconds without a frame after which no attempt is made any more; 0 makes none,
            infinity never ends.
        clock: tells seconds.
        draw: draws a number from 0 up to 1.

    Raises:
        SettingsError: ``patience`` is negative or no number.
    """

    def __init__(
        self,
        patience: float,
        *,
        clock: Callable[[], float] = monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        check_patience(patience)
        self.patience = patience
        self._clock = clock
        self._draw = draw
        self._longest = FIRST
        self._since = clock()
        self._connected: float | None = None
        self.attempts = 0
        """Attempts since the last frame."""

    @property
    def away(self) -> float:
        """Seconds since the last frame, or since the beginning where there was none."""
        return self._clock() - self._since

    def note_frame(self) -> None:
        """Notes that a frame came: patience begins again."""
        self._since = self._clock()
        self.attempts = 0
        if self._connected is None:
            self._connected = self._since
        if self._since - self._connected > LONGEST:
            self._longest = FIRST

    def next_delay(self) -> float | None:
        """Counts one more attempt.

        Returns:
            Seconds to wait before it, or None where patience is at an end.
        """
        self._connected = None
        left = self.patience - self.away
        if left <= 0:
            return None
        self.attempts += 1
        delay = self._longest * (1 - JITTER * self._draw())
        self._longest = min(2 * self._longest, LONGEST)
        # The last attempt is made when patience ends, not before.
        return min(delay, left)
