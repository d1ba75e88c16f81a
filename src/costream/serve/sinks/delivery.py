"""All sinks, each told by a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from typing import TypeVar

from costream.serve.backend import SinkStatus
from costream.serve.config.watched import WatchedCamera
from costream.serve.sinks.audience import Audience
from costream.serve.sinks.dispatcher import Dispatcher
from costream.serve.sinks.outlet import Outlet
from costream.serve.store.store import Store

_LEAVE = 5.0

Value = TypeVar("Value")


class Delivery:
    """Delivers what the store's outbox holds, whoever put it there. Any thread may use it.

    Args:
        store: has the outbox.
        sinks: who is told, by name.
        clock: the present, seconds since 1970.
    """

    def __init__(
        self, store: Store, sinks: Mapping[str, Outlet], *, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._outlets = dict(sinks)
        self._cameras: tuple[WatchedCamera, ...] = ()
        self._dispatchers = {
            name: Dispatcher(name, outlet, store, clock=clock) for name, outlet in sinks.items()
        }

    def keep(self) -> None:
        """Drops what waits for sinks that there are no more."""
        self._store.keep_sinks(list(self._outlets))

    def start(self) -> None:
        """Begins to deliver."""
        for dispatcher in self._dispatchers.values():
            dispatcher.start()

    def stop(self, timeout: float) -> None:
        """Ends delivery; a sink that is at a message is waited for, for so many seconds."""
        for dispatcher in self._dispatchers.values():
            dispatcher.stop()
        end = time.monotonic() + timeout
        for dispatcher in self._dispatchers.values():
            dispatcher.join(max(end - time.monotonic(), 0.0))

    def audiences(self) -> dict[str, Audience]:
        """Returns what is to be put into the outbox for whom."""
        return {name: outlet.audience for name, outlet in self._outlets.items()}

    def wake(self, sinks: Collection[str]) -> None:
        """Says for which sinks there is something new in the outbox."""
        dispatchers = self._dispatchers
        for name in dispatchers.keys() & set(sinks):
            dispatchers[name].wake()

    def announce(self, cameras: Sequence[WatchedCamera]) -> None:
        """Has sinks told which cameras there are now."""
        with self._lock:
            self._cameras = tuple(cameras)
        for dispatcher in self._dispatchers.values():
            dispatcher.announce(cameras)

    def change(
        self,
        changed: Mapping[str, Outlet | None],
        then: Callable[[dict[str, Audience]], None],
    ) -> None:
        """Puts sinks in the place of those of the same names; None for one that is gone.

        A sink that is at a message is waited for, for a moment. What waits for one that is gone is
        dropped; a new one under an old name is told what waited for that.

        Args:
            changed: the sinks.
            then: is told of all audiences before messages of sinks that are gone are dropped.
        """
        with self._lock:
            ending = [self._dispatchers[name] for name in changed if name in self._dispatchers]
        for dispatcher in ending:
            dispatcher.stop()
        for dispatcher in ending:
            dispatcher.join(_LEAVE)
        outlets = {name: outlet for name, outlet in changed.items() if outlet is not None}
        begun = {
            name: Dispatcher(name, outlet, self._store, clock=self._clock)
            for name, outlet in outlets.items()
        }
        with self._lock:
            self._outlets = {**_without(self._outlets, changed), **outlets}
            self._dispatchers = {**_without(self._dispatchers, changed), **begun}
            then(self.audiences())
            self.keep()
            cameras = self._cameras
        for dispatcher in begun.values():
            dispatcher.announce(cameras)
            dispatcher.start()

    def statuses(self) -> list[SinkStatus]:
        """Returns how each sink is doing; it waits for the store."""
        return [dispatcher.status() for dispatcher in self._dispatchers.values()]

    def problems(self) -> list[str]:
        """Says in sentences what is wrong with sinks."""
        return [
            f"The sink {status.name} failed ({status.error}); messages that wait: {status.waiting}."
            for status in self.statuses()
            if status.error is not None
        ]


def _without(values: Mapping[str, Value], names: Container[str]) -> dict[str, Value]:
    return {name: value for name, value in values.items() if name not in names}
