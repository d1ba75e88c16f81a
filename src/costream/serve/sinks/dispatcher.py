"""Delivers what the outbox holds for one sink."""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from costream.errors import DeliveryError, RejectedError, StoreError
from costream.serve.backend import SinkStatus
from costream.serve.config.watched import WatchedCamera
from costream.serve.sinks.outlet import Outlet
from costream.serve.store.record import Outgoing
from costream.serve.store.store import Store

logger = logging.getLogger("costream")

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 300.0
_IDLE = 5.0


def pause_after(attempts: int, chance: Callable[[], float] = random.random) -> float:
    """Returns how long to wait after attempts that failed, in seconds.

    1, 2, 4, ... up to 300, each shortened by up to half at random.
    """
    longest = min(FIRST_PAUSE * 2.0 ** min(attempts - 1, 30), LONGEST_PAUSE)
    return longest * (1 - chance() / 2)


class Dispatcher:
    """A thread that tells one sink of its messages, in order, each until it is taken."""

    def __init__(
        self,
        name: str,
        outlet: Outlet,
        store: Store,
        *,
        clock: Callable[[], float] = time.time,
        pause: Callable[[int], float] = pause_after,
    ) -> None:
        self._name = name
        self._outlet = outlet
        self._store = store
        self._clock = clock
        self._pause = pause
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._cameras: Sequence[WatchedCamera] | None = None
        self._done = 0  # number of the last message that is not to be tried again
        self._failed: Outgoing | None = None  # the store may not know yet that it was tried
        self._next: tuple[int, float] | None = None  # which one is tried when, by `monotonic`
        self._waiting = 0
        self._status = SinkStatus(name, outlet.type, 0, 0, 0, 0, None)
        self._thread = threading.Thread(target=self._run, name=f"costream-sink-{name}", daemon=True)

    def start(self) -> None:
        """Begins with the oldest message that waits."""
        self._thread.start()

    def stop(self) -> None:
        """Asks the thread to end after the message that it is at."""
        self._stopped.set()
        self._wake.set()

    def join(self, timeout: float) -> None:
        """Waits for the thread's end, which a sink that hangs delays."""
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def wake(self) -> None:
        """Says that there is something new in the outbox."""
        self._wake.set()

    def announce(self, cameras: Sequence[WatchedCamera]) -> None:
        """Has the sink told which cameras there are now."""
        self._cameras = tuple(cameras)
        self._wake.set()

    def status(self) -> SinkStatus:
        """Returns how the sink is doing."""
        with contextlib.suppress(StoreError):
            self._waiting = self._store.waiting(self._name)
        return replace(self._status, waiting=self._waiting)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._wake.clear()
            self._announce()
            self._wake.wait(self._go_on())
        self._outlet.sink.close()

    def _announce(self) -> None:
        cameras, self._cameras = self._cameras, None
        if cameras is None:
            return
        try:
            self._outlet.sink.announce(cameras)
        except Exception as error:  # a mistake in a sink must not end its thread
            self._count(_unforeseen(error), failed=1)

    def _go_on(self) -> float:
        """Does what is next, whatever goes wrong; returns after how many seconds to look again."""
        try:
            return self._step()
        except Exception as error:  # whatever it is, the thread is needed for what comes
            self._count(_unforeseen(error))
            return _IDLE

    def _step(self) -> float:
        """Does what is next and returns after how many seconds to look again."""
        try:
            outgoing = self._store.next_outgoing(self._name, self._done)
        except StoreError:
            return _IDLE
        if outgoing is None:
            return _IDLE
        if self._failed is not None and self._failed.number == outgoing.number:
            outgoing = self._failed
        early = self._early(outgoing)
        return early if early > 0 else self._attempt(outgoing)

    def _early(self, outgoing: Outgoing) -> float:
        """Returns for how long a message waits for its next attempt, in seconds.

        What the store says of it counts once: a clock that was set meanwhile keeps nobody waiting.
        """
        if self._next is None or self._next[0] != outgoing.number:
            early = min(outgoing.due - self._clock(), LONGEST_PAUSE)
            self._next = outgoing.number, time.monotonic() + early
        return self._next[1] - time.monotonic()

    def _attempt(self, outgoing: Outgoing) -> float:
        """Delivers a message once and returns after how many seconds to go on."""
        try:
            if outgoing.message is None:
                raise RejectedError("a message that waited can't be read and is left out")
            self._outlet.sink.deliver(outgoing.message)
        except RejectedError as error:
            self._count(error, rejected=1)
        except DeliveryError as error:
            return self._postpone(outgoing, error)
        except Exception as error:  # a mistake in a sink must not end its thread
            return self._postpone(outgoing, _unforeseen(error))
        else:
            self._count(None, delivered=1)
        self._done = outgoing.number
        self._store.delivered(outgoing)
        return 0.0

    def _postpone(self, outgoing: Outgoing, error: DeliveryError) -> float:
        self._count(error, failed=1)
        attempts = outgoing.attempts + 1
        pause = self._pause(attempts)
        self._next = outgoing.number, time.monotonic() + pause
        self._failed = replace(outgoing, attempts=attempts, due=self._clock() + pause)
        self._store.postpone(self._failed)
        return pause

    def _count(
        self, error: DeliveryError | None, *, delivered: int = 0, failed: int = 0, rejected: int = 0
    ) -> None:
        before, said = self._status, None if error is None else str(error)
        if said is not None and said != before.error:
            logger.warning("sink %s: %s", self._name, said)
        self._status = replace(
            before,
            delivered=before.delivered + delivered,
            failed=before.failed + failed,
            rejected=before.rejected + rejected,
            error=said,
        )


def _unforeseen(error: Exception) -> DeliveryError:
    logger.error("a sink failed by an error that was not foreseen", exc_info=error)
    return DeliveryError(
        f"an error that was not foreseen ({type(error).__name__}): please report it"
    )
