"""Events and who is told of them: what the service uses."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from costream.serve.backend import SinkStatus
from costream.serve.config.watched import WatchedCamera, WatchedQuestion
from costream.serve.events.event import EventMessage, ScoredWindow
from costream.serve.events.tracker import PATIENCE, Tracker
from costream.serve.sinks.delivery import Delivery
from costream.serve.sinks.outlet import Outlet
from costream.serve.store.retention import Retention
from costream.serve.store.store import Store

logger = logging.getLogger("costream")

TURN = 0.5
"""Seconds after which what is due by the clock is looked at."""


class Alerts:
    """Makes events of scores, keeps them, and has sinks told of them.

    Any thread may use it. No method waits for the database or for a sink, except :meth:`start`,
    :meth:`stop`, :meth:`sinks` and :meth:`problems`.
    """

    def __init__(
        self,
        store: Store,
        sinks: Mapping[str, Outlet],
        *,
        on_message: Callable[[EventMessage], None],
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
        patience: float = PATIENCE,
    ) -> None:
        """Begins nothing yet.

        Args:
            store: where events are kept; it is opened and closed by the caller.
            sinks: who is told, by name.
            on_message: is told of every change at once, in order, under a lock: it must not wait
                nor call back.
            clock: the present, seconds since 1970.
            steady: the present on a clock that nobody sets.
            patience: for how long a ``new`` waits for :meth:`announce` before sinks are told.
        """
        self._store = store
        self._delivery = Delivery(store, sinks, clock=clock)
        self._tracker = Tracker(
            store,
            self._delivery.audiences(),
            on_message=on_message,
            on_parcels=self._delivery.wake,
            clock=clock,
            steady=steady,
            patience=patience,
        )
        self._retention = Retention(store, clock, steady)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="costream-alerts", daemon=True)

    def start(self) -> None:
        """Takes up the events that were open when the service went away, and begins to deliver.

        Raises:
            StoreError: the store can't be read.
        """
        opened = self._store.open_records()
        self._retention.begin()
        self._delivery.keep()
        self._tracker.take_up(opened)
        self.advance()
        self._delivery.start()
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Ends delivery; events that are open stay so, for :meth:`start` to take up."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        self._tracker.announce_all()
        self._delivery.stop(timeout)
        self._store.flush(timeout)

    def observe(
        self, camera: WatchedCamera, question: WatchedQuestion, window: ScoredWindow
    ) -> list[EventMessage]:
        """Takes what a window said to a question: see :meth:`Tracker.observe`."""
        return self._tracker.observe(camera, question, window)

    def lost(self, camera_id: str, at: float) -> list[EventMessage]:
        """Takes note that a camera was lost: its incidents are over, as far as known."""
        return self._tracker.lost(camera_id, at)

    def changed(self, cameras: Sequence[WatchedCamera]) -> list[EventMessage]:
        """Takes note of what is watched now: see :meth:`Tracker.changed`."""
        messages = self._tracker.changed(cameras)
        self._delivery.announce(cameras)
        return messages

    def announce(self, event_id: str) -> None:
        """Has sinks told of an event that began; later calls, and those of others, do nothing."""
        self._tracker.announce(event_id)

    def attach(
        self,
        event_id: str,
        *,
        sentence: str | None = None,
        still: Path | None = None,
        clip: Path | None = None,
    ) -> None:
        """Adds to an event what was made of it; sinks are told unless it has ended.

        Of an event that is over it is written once the database takes it, and left out where there
        is no such event any more.

        Args:
            event_id: the event.
            sentence: what the model says of it.
            still: a JPEG within the data folder.
            clip: a video within the data folder.

        Raises:
            SettingsError: a file lies elsewhere, or is a link.
        """
        media = [self._store.describe("still", still)] if still is not None else []
        media += [self._store.describe("clip", clip)] if clip is not None else []
        if not self._tracker.attach(event_id, sentence=sentence, media=media):
            self._tracker.amend(event_id, sentence, media)

    def change_sinks(self, changed: Mapping[str, Outlet | None]) -> None:
        """Puts sinks in the place of those of the same names: see :meth:`Delivery.change`."""
        self._delivery.change(changed, self._tracker.change_audiences)

    def sinks(self) -> list[SinkStatus]:
        """Returns how each sink is doing; it waits for the store."""
        return self._delivery.statuses()

    def problems(self) -> list[str]:
        """Says in sentences what is wrong with the store and with sinks."""
        return [*self._store.problems(), *self._delivery.problems()]

    def advance(self) -> list[EventMessage]:
        """Does what is due by the clock; the thread that :meth:`start` begins calls it."""
        messages = self._tracker.advance()
        self._retention.advance()
        return messages

    def _run(self) -> None:
        while not self._stopped.wait(TURN):
            try:
                self.advance()
            except Exception as error:  # what is due is tried again at the next turn
                logger.error("events can't be looked after", exc_info=error)
