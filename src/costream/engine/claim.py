"""Who uses an engine: one thread at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from costream.errors import SettingsError


class Claim:
    """Keeps an engine from being used by two threads at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner: object = None
        self._times = 0

    @contextmanager
    def held(self, owner: object) -> Iterator[None]:
        """Holds the engine for an owner, who may hold it several times.

        Raises:
            SettingsError: somebody else holds it.
        """
        self.take(owner)
        try:
            yield
        finally:
            self.give_back()

    def take(self, owner: object) -> None:
        """Takes the engine for an owner: see :meth:`held`."""
        with self._lock:
            if self._times and owner != self._owner:
                raise SettingsError(
                    "the engine is watching in another thread already: add the stream to the "
                    "session that is open, or make another engine"
                )
            self._owner, self._times = owner, self._times + 1

    def give_back(self) -> None:
        """Gives the engine back once."""
        with self._lock:
            self._times -= 1
