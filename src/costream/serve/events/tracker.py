"""From scores to events that are kept: what the service uses, and each node of a cluster."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from costream.printable import one_line
from costream.serve.config.watched import WatchedCamera, WatchedQuestion
from costream.serve.events.event import Change, EventMessage, ScoredWindow
from costream.serve.events.incident import Span, Step
from costream.serve.events.track import Track
from costream.serve.store.record import Media, Record
from costream.serve.store.store import Store

PATIENCE = 10.0
"""Seconds for which sinks are told of an event later than it began, for its still and sentence."""

_LONGEST_SENTENCE = 2000

Key = tuple[str, str]
"""Ids of a camera and a question."""


class Audience(Protocol):
    """A sink, as far as events need to know it.

    Attributes:
        prompt: whether it is told of a ``new`` at once, before there is a still.
    """

    @property
    def prompt(self) -> bool: ...

    def wants(self, message: EventMessage) -> bool:
        """Whether the sink is told of a message."""
        ...


class Tracker:
    """Makes events of scores and keeps them, with what sinks are to be told in the store's outbox.

    Any thread may use it. No method waits for the database.

    Args:
        store: where events are kept; it is opened and closed by the caller.
        audiences: the sinks, by name.
        on_message: is told of every change, in order; it must not wait nor call back. It is called
            at once, under a lock, or, with ``once_kept``, by the store's thread.
        on_parcels: is told the names of sinks for which there is something new in the outbox.
        clock: the present, seconds since 1970.
        steady: the present on a clock that nobody sets.
        patience: for how long a ``new`` waits for :meth:`announce` before sinks are told.
        once_kept: whether ``on_message`` is told of a change only once the store has it, and of
            one that the store refuses never.
    """

    def __init__(
        self,
        store: Store,
        audiences: Mapping[str, Audience],
        *,
        on_message: Callable[[EventMessage], None],
        on_parcels: Callable[[set[str]], None] | None = None,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
        patience: float = PATIENCE,
        once_kept: bool = False,
    ) -> None:
        self._store = store
        self._audiences = dict(audiences)
        self._on_message = on_message
        self._on_parcels = on_parcels
        self._clock = clock
        self._steady = steady
        self._patience = patience
        self._once_kept = once_kept
        self._lock = threading.Lock()
        self._tracks: dict[Key, Track] = {}
        self._wanted: dict[Key, WatchedQuestion] | None = None

    def take_up(self, opened: Iterable[tuple[Record, int]], *, interrupted: bool = True) -> None:
        """Goes on with events that somebody left open.

        Args:
            opened: the events, oldest first, and the next part of their curves.
            interrupted: whether nobody watched meanwhile, so that an incident that lasted is over
                as far as known.
        """
        with self._lock:
            for record, part in opened:
                self._resume(record, part, interrupted)

    def let_go(self, camera_id: str) -> dict[str, Span]:
        """Forgets a camera that somebody else watches from now on; its open events stay so.

        Returns:
            What of it was rising, by question, for :meth:`go_on`.
        """
        with self._lock:
            rising = {}
            for key in [key for key in self._tracks if key[0] == camera_id]:
                track = self._tracks.pop(key)
                self._announce(track)
                if track.record is None and track.risen is not None:
                    rising[key[1]] = track.risen
            return rising

    def go_on(self, camera: WatchedCamera, rising: Mapping[str, Span], seen: float) -> None:
        """Goes on where somebody else ended, beside the events that are open: :meth:`take_up`.

        Args:
            camera: the camera.
            rising: what was rising, by question: see :meth:`let_go`.
            seen: the end of the last window that was seen then, seconds since 1970.
        """
        received = self._steady() - max(self._clock() - seen, 0.0)
        with self._lock:
            for question in camera.questions:
                key = (camera.id, question.id)
                if key not in self._tracks:
                    self._tracks[key] = Track.following(
                        camera.id, question, rising.get(question.id), seen, received
                    )

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
            self._wanted = wanted
            gone = [
                key for key, track in self._tracks.items() if not track.goes_by(wanted.get(key))
            ]
            closing = [self._tracks.pop(key) for key in gone]
            return [m for track in closing for m in self._tell(track, track.close(now))]

    def change_audiences(self, audiences: Mapping[str, Audience]) -> None:
        """Has these sinks be told from now on, and no others."""
        with self._lock:
            self._audiences = dict(audiences)

    def announce(self, event_id: str) -> None:
        """Has sinks told of an event that began; later calls, and those of others, do nothing."""
        with self._lock:
            track = self._track_of(event_id)
            if track is not None:
                self._announce(track)

    def announce_all(self) -> None:
        """Has sinks told of every event that began, whatever of it is still missing."""
        with self._lock:
            for track in self._open():
                self._announce(track)

    def attach(
        self, event_id: str, *, sentence: str | None = None, media: Sequence[Media] = ()
    ) -> bool:
        """Adds to an event that is open what was made of it, and has sinks told.

        Args:
            event_id: the event.
            sentence: what the model says of it.
            media: its files.

        Returns:
            Whether it is open here.
        """
        sentence = None if sentence is None else _clean(sentence)
        with self._lock:
            track = self._track_of(event_id)
            if track is None or track.record is None:
                return False
            track.record = _with(track.record, sentence, media)
            self._send(track.record, "update", self._clock(), media)
            return True

    def amend(self, event_id: str, sentence: str | None, media: Sequence[Media]) -> None:
        """Adds what was made of an event that is not open: see :meth:`Store.amend`."""
        sentence = None if sentence is None else _clean(sentence)
        self._store.amend(
            event_id, lambda record: _with(record, sentence, media), media, self._report
        )

    def advance(self) -> list[EventMessage]:
        """Does what is due by the clock: call it about twice a second."""
        now, steady = self._clock(), self._steady()
        messages = []
        with self._lock:
            for track in self._open():
                if track.due <= steady:
                    self._announce(track)
                messages += self._tell(track, track.expire(now, steady))
        return messages

    def _report(self, record: Record) -> None:
        """Reports an event that is over and of which something was made since."""
        with self._lock:
            self._on_message(EventMessage("update", record.event, self._clock()))

    def _resume(self, record: Record, part: int, interrupted: bool) -> None:
        key = (record.event.camera, record.event.question)
        now = self._clock()
        older = self._tracks.pop(key, None)
        if older is not None:
            self._tell(older, older.close(now))
        # How long nobody watched, the wall clock alone knows.
        received = self._steady() - max(now - record.last, 0.0)
        track = self._tracks[key] = Track.resumed(record, part, received)
        if interrupted:
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
        self._post(replace(record, announced=announced), parcels, media, message)
        if not self._once_kept:
            self._on_message(message)
        return message

    def _parcels(self, record: Record, message: EventMessage) -> Iterator[tuple[str, EventMessage]]:
        """Yields which sinks are told what; a ``new`` that was held back comes before the end."""
        first = replace(message, change="new")
        for name, audience in self._audiences.items():
            held_back = not record.announced and not audience.prompt
            if held_back and message.change != "end":
                continue
            if held_back and audience.wants(first):
                yield name, first
            if audience.wants(message):
                yield name, message

    def _announce(self, track: Track) -> None:
        if track.record is None or track.record.announced:
            return
        track.record = replace(track.record, announced=True)
        message = EventMessage("new", track.record.event, self._clock())
        audiences = self._audiences.items()
        told = [n for n, audience in audiences if audience.wants(message) and not audience.prompt]
        self._post(track.record, [(name, message) for name in told])

    def _post(
        self,
        record: Record,
        parcels: Sequence[tuple[str, EventMessage]],
        media: Sequence[Media] = (),
        message: EventMessage | None = None,
    ) -> None:
        told = {name for name, _ in parcels}

        def tell() -> None:
            if self._once_kept and message is not None:
                self._on_message(message)
            if told and self._on_parcels is not None:
                self._on_parcels(told)

        waits = bool(told) or (self._once_kept and message is not None)
        self._store.put(record, parcels, media=media, then=tell if waits else None)

    def _keep(self, track: Track) -> None:
        """Has the store know, after every window, where an open event is."""
        record, part = track.refreshed()
        if record is not None:
            self._store.put(record)
        if part is not None:
            self._store.put_part(track.camera, part)


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
