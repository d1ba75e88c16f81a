"""How threads that read tell the engine that something has come."""

from __future__ import annotations

import threading

_WAKE_EVERY = 0.5
"""Seconds after which a wait looks up, so that an interrupt from the keyboard is noticed."""


class Bell:
    """Rings are counted, so that none is missed between a look and a wait.

    Attributes:
        rings: how often it was rung.
    """

    def __init__(self) -> None:
        self._rung = threading.Condition()
        self.rings = 0

    def ring(self) -> None:
        """Wakes those that wait."""
        with self._rung:
            self.rings += 1
            self._rung.notify_all()

    def wait(self, seen: int) -> None:
        """Waits for a ring after the first ``seen``, or for a moment."""
        with self._rung:
            if self.rings == seen:
                self._rung.wait(_WAKE_EVERY)
