"""Removal of what is older, or takes more bytes, than is to be kept."""

from __future__ import annotations

import time
from collections.abc import Callable

from costream.serve.events.ageing import Ageing
from costream.serve.store.store import Store

EVERY = 600.0
"""Seconds after which it is looked at."""


class Retention:
    """Has a store remove what grew old, whoever writes its events.

    Args:
        store: the store.
        clock: the present, seconds since 1970.
        steady: the present on a clock that nobody sets.
    """

    def __init__(
        self,
        store: Store,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ageing = Ageing(clock, steady)
        self._looked = float("-inf")

    def begin(self) -> None:
        """Asks for the removal of files that a crash left behind."""
        self._store.sweep(self._clock())

    def advance(self) -> None:
        """Asks for the removal of what is old, where that is due: call it now and then."""
        now = self._clock()
        if abs(now - self._looked) >= EVERY:
            self._looked = now
            self._store.retain(self._ageing.now())
