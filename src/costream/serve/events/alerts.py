"""From scores to events, and from events to whoever is told: what the service uses."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from costream.printable import one_line
from costream.serve.backend import SinkStatus
from costream.serve.config.watched import WatchedCamera, WatchedQuestion
from costream.serve.events.ageing import Ageing
from costream.serve.events.event import Change, EventMessage, ScoredWindow
from costream.serve.events.incident import Step
from costream.serve.events.track import Track
from costream.serve.sinks.dispatcher import Dispatcher
from costream.serve.sinks.outlet import Outlet
from costream.serve.store.record import Media, Record
from costream.serve.store.store import Store

logger = logging.getLogger("costream")

PATIENCE = 10.0
"""Seconds for which sinks are told of an event later than it began, for its still and sentence."""

_TURN = 0.5
_LEAVE = 5.0
_RETENTION = 600.0
_LONGEST_SENTENCE = 2000

Value = TypeVar("Value")

Key = tuple[str, str]
"""Ids of a camera and a question."""


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
        self._outlets = dict(sinks)
        self._on_message = on_message
        self._clock = clock
        self._steady = steady
        self._patience = patience
        self._lock = threading.Lock()
        self._tracks: dict[Key, Track] = {}
        self._wanted: dict[Key, WatchedQuestion] | None = None
        self._cameras: tuple[WatchedCamera, ...] = ()
        self._dispatchers = {
            name: Dispatcher(name, outlet, store, clock=clock) for name, outlet in sinks.items()
        }
        self._retained = float("-inf")
        self._ageing = Ageing(clock, steady)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="costream-alerts", daemon=True)

    def start(self) -> None:
        """Takes up the events that were open when the service went away, and begins to deliver.

        Raises:
            StoreError: the store can't be read.
        """
        opened = self._store.open_records()
        self._store.keep_sinks(list(self._outlets))
        self._store.sweep(self._clock())
        with self._lock:
            for record, part in opened:
                self._resume(record, part)
        self.advance()
        for dispatcher in self._dispatchers.values():
            dispatcher.start()
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Ends delivery; events that are open stay so, for :meth:`start` to take up."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        with self._lock:
            for track in self._open():
                self._announce(track)
        for dispatcher in self._dispatchers.values():
            dispatcher.stop()
        end = time.monotonic() + timeout
        for dispatcher in self._dispatchers.values():
            dispatcher.join(max(end - time.monotonic(), 0.0))
        self._store.flush(timeout)

    def observe(
        self, camera: WatchedCamera, question: WatchedQuestion, window: ScoredWindow
    ) -> list[EventMessage]:
        """Takes what a window said to a question; returns what became of it.

        Windows of what :meth:`changed` no longer names are left out.
        """
        key = (camera.id, question.id)
        with self._lock:
            if self._wanted is not None and key not in self._wanted:
                return []
            track = self._tracks.setdefault(key, Track(*key))
            messages = self._tell(track, track.observe(window, question))
            self._keep(track)
        return messages

    def lost(self, camera_id: str, at: float) -> list[EventMessage]:
        """Takes note that a camera was lost: its incidents are over, as far as known."""
        with self._lock:
            tracks = [t for (camera, _), t in self._tracks.items() if camera == camera_id]
            return [m for track in tracks for m in self._tell(track, track.lose(at))]

    def changed(self, cameras: Sequence[WatchedCamera]) -> list[EventMessage]:
        """Takes note of what is watched now.

        Events of questions that are not asked any more, or are asked otherwise, end. A camera that
        is paused is not asked.
        """
        now = self._clock()
        asked = ((c, q) for c in cameras if not c.paused for q in c.questions)
        wanted = {(camera.id, question.id): question for camera, question in asked}
        with self._lock:
            self._cameras, self._wanted = tuple(cameras), wanted
            gone = [
                key for key, track in self._tracks.items() if not track.goes_by(wanted.get(key))
            ]
            closing = [self._tracks.pop(key) for key in gone]
            messages = [m for track in closing for m in self._tell(track, track.close(now))]
        for dispatcher in self._dispatchers.values():
            dispatcher.announce(cameras)
        return messages

    def announce(self, event_id: str) -> None:
        """Has sinks told of an event that began; later calls, and those of others, do nothing."""
        with self._lock:
            track = self._track_of(event_id)
            if track is not None:
                self._announce(track)

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
        sentence = None if sentence is None else _clean(sentence)
        with self._lock:
            track = self._track_of(event_id)
            if track is not None and track.record is not None:
                track.record = _with(track.record, sentence, media)
                self._send(track.record, "update", self._clock(), media)
                return
        self._store.amend(
            event_id, lambda record: _with(record, sentence, media), media, self._report
        )

    def _report(self, record: Record) -> None:
        """Reports an event that is over and of which something was made since."""
        with self._lock:
            self._on_message(EventMessage("update", record.event, self._clock()))

    def change_sinks(self, changed: Mapping[str, Outlet | None]) -> None:
        """Puts sinks in the place of those of the same names; None for one that is gone.

        A sink that is at a message is waited for, for a moment. What waits for one that is gone is
        dropped; a new one under an old name is told what waited for that.
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
            self._store.keep_sinks(list(self._outlets))
            cameras = self._cameras
        for dispatcher in begun.values():
            dispatcher.announce(cameras)
            dispatcher.start()

    def sinks(self) -> list[SinkStatus]:
        """Returns how each sink is doing; it waits for the store."""
        return [dispatcher.status() for dispatcher in self._dispatchers.values()]

    def problems(self) -> list[str]:
        """Says in sentences what is wrong with the store and with sinks."""
        sentences = self._store.problems()
        for status in self.sinks():
            if status.error is not None:
                sentences.append(
                    f"The sink {status.name} failed ({status.error}); messages that wait: "
                    f"{status.waiting}."
                )
        return sentences

    def advance(self) -> list[EventMessage]:
        """Does what is due by the clock; the thread that :meth:`start` begins calls it."""
        now, steady = self._clock(), self._steady()
        messages = []
        with self._lock:
            for track in self._open():
                if track.due <= steady:
                    self._announce(track)
                messages += self._tell(track, track.expire(now, steady))
        if abs(now - self._retained) >= _RETENTION:
            self._retained = now
            self._store.retain(self._ageing.now())
        return messages

    def _run(self) -> None:
        while not self._stopped.wait(_TURN):
            try:
                self.advance()
            except Exception as error:  # what is due is tried again at the next turn
                logger.error("events can't be looked after", exc_info=error)

    def _resume(self, record: Record, part: int) -> None:
        key = (record.event.camera, record.event.question)
        now = self._clock()
        older = self._tracks.pop(key, None)
        if older is not None:
            self._tell(older, older.close(now))
        # How long the service was away, the wall clock alone knows.
        received = self._steady() - max(now - record.last, 0.0)
        track = self._tracks[key] = Track.resumed(record, part, received)
        self._tell(track, track.lose(now))

    def _open(self) -> list[Track]:
        return [track for track in self._tracks.values() if track.record is not None]

    def _track_of(self, event_id: str) -> Track | None:
        return next((t for t in self._open() if t.record and t.record.event.id == event_id), None)

    def _tell(self, track: Track, steps: Sequence[Step]) -> list[EventMessage]:
        messages = []
        for step in steps:
            record = track.take(step)
            if step.change == "new":
                track.due = self._steady() + self._patience
            messages.append(self._send(record, step.change, step.at))
        return messages

    def _send(
        self, record: Record, change: Change, at: float, media: Sequence[Media] = ()
    ) -> EventMessage:
        """Keeps a change with what sinks are told of it, and reports it."""
        message = EventMessage(change, record.event, at)
        parcels = list(self._parcels(record, message))
        announced = record.announced or record.closed
        self._post(replace(record, announced=announced), parcels, media)
        self._on_message(message)
        return message

    def _parcels(self, record: Record, message: EventMessage) -> Iterator[tuple[str, EventMessage]]:
        """Yields which sinks are told what; a ``new`` that was held back comes before the end."""
        first = replace(message, change="new")
        for name, outlet in self._outlets.items():
            held_back = not record.announced and not outlet.sink.prompt
            if held_back and message.change != "end":
                continue
            if held_back and outlet.wants(first):
                yield name, first
            if outlet.wants(message):
                yield name, message

    def _announce(self, track: Track) -> None:
        if track.record is None or track.record.announced:
            return
        track.record = replace(track.record, announced=True)
        message = EventMessage("new", track.record.event, self._clock())
        outlets = self._outlets.items()
        told = [n for n, outlet in outlets if outlet.wants(message) and not outlet.sink.prompt]
        self._post(track.record, [(name, message) for name in told])

    def _post(
        self,
        record: Record,
        parcels: Sequence[tuple[str, EventMessage]],
        media: Sequence[Media] = (),
    ) -> None:
        told = {name for name, _ in parcels}

        def wake() -> None:
            dispatchers = self._dispatchers
            for name in told & dispatchers.keys():
                dispatchers[name].wake()

        self._store.put(record, parcels, media=media, then=wake if told else None)

    def _keep(self, track: Track) -> None:
        """Has the store know, after every window, where an open event is."""
        record, part = track.refreshed()
        if record is not None:
            self._store.put(record)
        if part is not None:
            self._store.put_part(part)


def _without(values: Mapping[str, Value], names: Container[str]) -> dict[str, Value]:
    return {name: value for name, value in values.items() if name not in names}


def _with(record: Record, sentence: str | None, media: Sequence[Media]) -> Record:
    """Returns an event with what was made of it."""
    kinds = {file.kind for file in media}
    event = record.event
    return replace(
        record,
        event=replace(
            event,
            sentence=event.sentence if sentence is None else sentence,
            still=event.still or "still" in kinds,
            clip=event.clip or "clip" in kinds,
        ),
    )


def _clean(sentence: str) -> str:
    """Returns a model's text as databases take it: on one line, of a length that is bounded."""
    text = one_line(sentence).encode(errors="replace").decode()
    return " ".join(text.split())[:_LONGEST_SENTENCE]
