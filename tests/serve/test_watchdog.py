"""Signs of life for systemd."""

from __future__ import annotations

import threading

from costream.serve.systemd import Notifier
from costream.serve.watchdog import Watchdog
from tests.serve.waiting import until


class Signs(Notifier):
    """A watchdog's time, and signs of life that are counted."""

    def __init__(self) -> None:
        super().__init__({"WATCHDOG_USEC": "20000"})
        self.count = 0

    def alive(self) -> None:
        self.count += 1


def test_a_look_that_fails_is_no_sign_of_life_and_not_the_last_look() -> None:
    signs, asked = Signs(), threading.Event()

    def is_alive() -> bool:
        if not asked.is_set():
            asked.set()
            raise RuntimeError("a camera was removed meanwhile")
        return True

    watchdog = Watchdog(signs, is_alive)
    watchdog.start()
    try:
        assert asked.wait(10)
        until(lambda: signs.count)
    finally:
        watchdog.stop()
