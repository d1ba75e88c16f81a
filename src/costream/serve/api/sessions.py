"""Who logged in with a browser, and who tried too often."""

from __future__ import annotations

import ipaddress
import secrets
import threading
import time
from collections import OrderedDict, deque

LIFETIME = 30 * 86400
"""Seconds for which a browser stays logged in."""

MOST_SESSIONS = 100
"""Sessions at a time; a further one ends the oldest."""

ATTEMPTS = 10
"""Wrong tokens that an address may send in :data:`PERIOD` seconds."""

PERIOD = 60.0
_MOST_ADDRESSES = 1000


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


class Attempts:
    """Counts wrong tokens by address, so that nobody can try them all."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, address: str) -> float:
        """Returns for how many seconds an address has to wait before it may try a token."""
        with self._lock:
            failures = self._failures.get(_network(address), deque())
            if len(failures) < ATTEMPTS:
                return 0.0
            return max(0.0, failures[0] + PERIOD - time.monotonic())

    def failed(self, address: str) -> None:
        """Notes a wrong token."""
        network = _network(address)
        with self._lock:
            self._failures.setdefault(network, deque(maxlen=ATTEMPTS)).append(time.monotonic())
            self._failures.move_to_end(network)
            while len(self._failures) > _MOST_ADDRESSES:
                self._failures.popitem(last=False)


def _network(address: str) -> str:
    """Returns an IPv4 address, or the network of 64 bits that one subscriber has of IPv6."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
