"""How long a stream may give no picture before it is given up."""

from __future__ import annotations

import time
from collections.abc import Callable

NOTICE = 2.0
"""Seconds without a picture after which the user is told what is waited for."""


class Patience:
    """Counts seconds without a picture: of the stream or on the wall clock, whichever are more."""

    def __init__(self, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        """Starts to wait.

        Args:
            seconds: how long, at most.
            now: the wall clock, in seconds.
        """
        self.seconds = seconds
        self._now = now
        self._since = now()
        self._first: float | None = None
        self._last: float | None = None

    @property
    def waited(self) -> float:
        """Seconds since the last picture, or since the start."""
        sent = 0.0 if self._first is None or self._last is None else self._last - self._first
        return max(sent, self._now() - self._since)

    @property
    def is_spent(self) -> bool:
        """Whether it was waited for longer than the seconds given."""
        return self.waited > self.seconds

    def send(self, stamp: float | None) -> None:
        """Notes a packet without a picture, with its time in seconds if that is known."""
        if stamp is not None:
            self._first = stamp if self._first is None else self._first
            self._last = stamp

    def reward(self) -> None:
        """Starts over: a picture came."""
        self._since = self._now()
        self._first = self._last = None
