"""How threads and coroutines wait for what the engine's thread gives them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import TypeVar

T = TypeVar("T")


class Over(Enum):
    """Stands for the end of what is waited for."""

    OVER = "over"


class Wakeup:
    """Wakes whoever waits, in a thread or in an event loop, without a thread of the waiter's.

    Attributes:
        lock: guards what is waited for. It may be taken again by the thread that holds it.
    """

    def __init__(self) -> None:
        self.lock = threading.Condition()
        self._wakers: list[Callable[[], None]] = []

    def notify(self) -> None:
        """Wakes all that wait, to look again."""
        with self.lock:
            self.lock.notify_all()
            for waker in self._wakers:
                waker()

    def wait(self, take: Callable[[], T | None], timeout: float | None = None) -> T | None:
        """Waits in a thread until there is something to take.

        Args:
            take: called with the lock held; returns None while there is nothing.
            timeout: seconds after which None is returned; None for as long as it takes.
        """
        with self.lock:
            found: list[T] = []

            def look() -> bool:
                found.extend([] if (item := take()) is None else [item])
                return bool(found)

            self.lock.wait_for(look, timeout)
            return found[0] if found else None

    async def awaited(self, take: Callable[[], T | None]) -> T:
        """Waits in an event loop until there is something to take, as :meth:`wait` does."""
        loop, rung = asyncio.get_running_loop(), asyncio.Event()

        def waker() -> None:
            # A loop that was closed under its waiting task has nobody left to wake.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(rung.set)

        with self.lock:
            self._wakers.append(waker)
        try:
            while True:
                with self.lock:
                    if (item := take()) is not None:
                        return item
                await rung.wait()
                rung.clear()
        finally:
            with self.lock:
                self._wakers.remove(waker)
