"""Who logged in with a browser."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict

LIFETIME = 30 * 86400
"""Seconds for which a browser stays logged in."""

MOST_SESSIONS = 100
"""Sessions at a time; a further one ends the oldest."""


class Sessions:
    """Logins, each a random name that a cookie holds. They end with the service."""

    def __init__(self) -> None:
        self._ends: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def start(self) -> str:
        """Returns the name of a new session."""
        name = secrets.token_urlsafe(32)
        with self._lock:
            self._ends[name] = time.monotonic() + LIFETIME
            while len(self._ends) > MOST_SESSIONS:
                self._ends.popitem(last=False)
        return name

    def valid(self, name: str) -> bool:
        """Whether there is such a session."""
        with self._lock:
            return time.monotonic() < self._ends.get(name, 0.0)

    def end(self, name: str) -> None:
        """Ends a session, if there is one of that name."""
        with self._lock:
            self._ends.pop(name, None)
