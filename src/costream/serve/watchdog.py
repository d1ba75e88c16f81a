"""Tells systemd that the service is alive, for as long as it is."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from costream.serve.systemd import Notifier

logger = logging.getLogger("costream")


class Watchdog:
    """Gives a sign of life twice in the watchdog's time, as long as the service makes its way.

    Args:
        notifier: tells systemd.
        is_alive: says whether it does; one that never returns, or raises, counts as no.
    """

    def __init__(self, notifier: Notifier, is_alive: Callable[[], bool]) -> None:
        self._notifier = notifier
        self._is_alive = is_alive
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begins, where systemd watches."""
        if self._notifier.watchdog is not None:
            threading.Thread(
                target=self._run,
                args=(self._notifier.watchdog / 2,),
                name="costream-watchdog",
                daemon=True,
            ).start()

    def stop(self) -> None:
        """Ends it."""
        self._stopped.set()

    def _run(self, seconds: float) -> None:
        while not self._stopped.wait(seconds):
            try:
                if self._is_alive():
                    self._notifier.alive()
            except Exception as error:  # the next look may tell
                logger.warning("whether the service is alive can't be told: %r", error)
