"""Where events, runtime changes and undelivered messages are kept."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from sqlalchemy import Connection, Engine, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from costream.errors import CoStreamError, SettingsError, StoreError, TakenError, UnknownError
from costream.serve.backend import EventPage, EventQuery
from costream.serve.config.model import StoreConfig
from costream.serve.events.curve import CurvePart, Point
from costream.serve.events.event import Event, EventMessage
from costream.serve.store import database, event_rows, outbox_rows, schema
from costream.serve.store.claim import FolderClaim
from costream.serve.store.cursor import read_cursor, write_cursor
from costream.serve.store.media_files import MediaFiles
from costream.serve.store.record import Media, Outgoing, Record
from costream.serve.store.schema import OVERLAY
from costream.serve.store.write_queue import WriteQueue

logger = logging.getLogger("costream")

FLUSH = 1.0
"""Seconds for which a read waits for the writes before it."""

Value = TypeVar("Value")

Check = Callable[[Connection], bool]
"""Says, within the transaction of a write, whether it may be made."""

Permit = Callable[[str], Check]
"""Returns what a write of a camera's events, asked for now, is checked by when it is made."""


class Store:
    """The events of a service, in a database; any thread may use it.

    What is written of events (:meth:`put` and the outbox) goes through a queue in memory: nobody
    waits for the database, and while it is away or full the queue keeps what comes, in order. All
    else is done at once, in the caller's thread. Reads see the writes that were asked for before.

    Attributes:
        refused: writes of events that were left out, as their cameras are no more ours.
    """

    def __init__(
        self,
        engine: Engine,
        config: StoreConfig,
        data: Path,
        claim: FolderClaim,
        permit: Permit | None = None,
    ) -> None:
        self.refused = 0
        self._permit = permit
        self._engine = engine
        self._claim = claim
        self._config = config
        self._files = MediaFiles(data)
        self._queue = WriteQueue(engine)

    @classmethod
    def open(cls, config: StoreConfig, data: Path, permit: Permit | None = None) -> Store:
        """Opens the database, and makes its tables and the data folder where they are missing.

        Args:
            config: of the database.
            data: the data folder.
            permit: is asked before each write of an event, where others write to the database too.

        Raises:
            SettingsError: the database can't be used as configured, or the folder not, or another
                service uses it.
            StoreError: the database can't be reached or written at the moment.
        """
        try:
            data.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(f"the folder {data} can't be made: {error.strerror}") from None
        claim = FolderClaim(data)
        try:
            return cls(_prepared(config, data), config, data, claim, permit)
        except CoStreamError:
            claim.release()
            raise

    def close(self, timeout: float = 5.0) -> None:
        """Makes the writes that wait, and lets go of the database."""
        self._queue.close(timeout)
        self._engine.dispose()
        self._claim.release()

    @property
    def engine(self) -> Engine:
        """Of the database, for tables that are not of events."""
        return self._engine

    @property
    def queued(self) -> int:
        """How many writes wait for the database."""
        return len(self._queue)

    @property
    def lost(self) -> int:
        """How many writes were lost since the service began."""
        return self._queue.lost

    def problems(self) -> list[str]:
        """Says in sentences what is wrong with the store."""
        sentences = []
        if self._queue.problem is not None:
            sentences.append(
                f"The store takes no events ({self._queue.problem}): {len(self._queue)} changes "
                "wait in memory and are written as soon as it does."
            )
        if self._queue.lost:
            sentences.append(
                f"{self._queue.lost} changes of events were lost since the service began, because "
                "the store took none for too long."
            )
        return sentences

    def put(
        self,
        record: Record,
        messages: Sequence[tuple[str, EventMessage]] = (),
        *,
        media: Sequence[Media] = (),
        then: Callable[[], None] | None = None,
    ) -> None:
        """Writes an event as it is now and, in the same transaction, what sinks are to be told.

        Args:
            record: the event.
            messages: sinks by their names, and what each is told.
            media: files of the event that are new.
            then: is called once all of it is in the database.
        """
        made, check = False, self._check(record.event.camera)

        def work(connection: Connection) -> None:
            nonlocal made
            made = self._may_write(connection, check)
            if not made:
                return
            event_rows.put_record(connection, record)
            for file in media:
                self._files.put(connection, record.event.id, file)
            if messages and self._permit is not None:
                outbox_rows.wait_for_turn(connection)
            for sink, message in messages:
                outbox_rows.add(connection, sink, message)

        def tell() -> None:
            if made and then is not None:
                then()

        plain = not messages and not media and then is None
        self._queue.add(work, key=("event", record.event.id) if plain else None, then=tell)

    def amend(
        self,
        id: str,
        change: Callable[[Record], Record],
        media: Sequence[Media],
        then: Callable[[Record], None],
    ) -> None:
        """Writes an event with something changed, of what it is in the database by then.

        Args:
            id: the event's; where there is none any more, nothing is written.
            change: returns the changed event.
            media: files of the event that are new.
            then: is called with the changed event once it is in the database.
        """
        amended: list[Record] = []

        def work(connection: Connection) -> None:
            amended.clear()
            found = event_rows.record(connection, id)
            if found is None:
                logger.warning("there is no event %s any more: what was made of it is left out", id)
                return
            if not self._may_write(connection, self._check(found.event.camera)):
                return
            amended.append(change(found))
            event_rows.put_record(connection, amended[0])
            for file in media:
                self._files.put(connection, id, file)

        def tell() -> None:
            for record in amended:
                then(record)

        self._queue.add(work, then=tell)

    def put_part(self, camera: str, part: CurvePart) -> None:
        """Writes a part of the curve of a camera's event."""
        check = self._check(camera)

        def work(connection: Connection) -> None:
            if self._may_write(connection, check):
                event_rows.put_part(connection, part)

        self._queue.add(work, key=("curve", part.event, part.number))

    def add_media(self, id: str, media: Media, then: Callable[[Record], None]) -> None:
        """Writes a file of an event, whoever makes the event.

        Args:
            id: the event's; where there is none any more, nothing is written.
            media: the file.
            then: is called with the event once the file is in the database.
        """
        added: list[Record] = []

        def work(connection: Connection) -> None:
            added.clear()
            if event_rows.flag(connection, id, media.kind):
                self._files.put(connection, id, media)
                added.extend(filter(None, [event_rows.record(connection, id)]))

        def tell() -> None:
            for record in added:
                then(record)

        self._queue.add(work, then=tell)

    def describe(self, kind: Literal["still", "clip"], file: Path) -> Media:
        """Returns a file as :meth:`put` takes it.

        Raises:
            SettingsError: it is no plain file within the data folder.
        """
        return self._files.describe(kind, file)

    def open_records(self, camera: str | None = None) -> list[tuple[Record, int]]:
        """Returns the events that did not end, oldest first, and the next part of their curves.

        Args:
            camera: whose events; None for all.
        """
        return self._read(lambda c: event_rows.open_records(c, camera))

    def record(self, id: str) -> Record:
        """Returns an event with its state.

        Raises:
            UnknownError: there is none.
        """
        return _known(self._read(lambda c: event_rows.record(c, id)), id)

    def event(self, id: str) -> Event:
        """Returns an event.

        Raises:
            UnknownError: there is none.
        """
        return self.record(id).event

    def query(self, query: EventQuery) -> EventPage:
        """Returns some events, the newest first.

        Raises:
            SettingsError: the query's cursor or limit can't be used.
        """
        if query.limit < 1:
            raise SettingsError(f"a page of {query.limit} events can't be had: ask for at least 1")
        below = read_cursor(query)
        events = self._read(lambda c: event_rows.page(c, query, below))
        more = len(events) > query.limit
        events = events[: query.limit]
        return EventPage(tuple(events), write_cursor(query, events[-1].id) if more else None)

    def curve(self, id: str) -> list[Point]:
        """Returns the scores of an event: (seconds since 1970, score).

        Raises:
            UnknownError: there is none.
        """
        self.event(id)
        return self._read(lambda c: event_rows.curve(c, id))

    def file(self, id: str, kind: Literal["still", "clip"]) -> Path:
        """Returns a file of an event.

        Raises:
            UnknownError: there is none.
        """
        path = self._read(lambda c: self._files.path(c, id, kind))
        if path is None:
            raise UnknownError(f"there is no {kind} of an event {id[:40]!r}")
        return path

    def remove(self, id: str) -> None:
        """Removes an event with its files.

        Raises:
            UnknownError: there is none.
            SettingsError: it is not over yet.
        """
        if not self.record(id).closed:
            raise SettingsError(
                f"the event {id} is not over, or may go on within its cool-down: remove it later"
            )
        self._write(lambda c: self._files.remove_event(c, id))

    def retain(self, now: float) -> None:
        """Asks for the removal of what is older, or takes more bytes, than is to be kept."""

        def work(connection: Connection) -> None:
            aged = self._files.remove_older(connection, now - self._config.keep)
            if not (aged and self._files.remove_beyond(connection, self._config.max_media)):
                self.retain(now)

        self._queue.add(work, key="retain")

    def sweep(self, now: float) -> None:
        """Asks for the removal of files that a crash left behind: those of no event."""
        self._queue.add(lambda connection: self._files.sweep(connection, now))

    def overlay(self) -> tuple[int, Mapping[str, Any] | None]:
        """Returns what was changed at run time and its version; 0 and None where nothing was."""
        wanted = select(OVERLAY.c.version, OVERLAY.c.document).where(OVERLAY.c.name == "overlay")
        row = self._read(lambda c: c.execute(wanted).first())
        return (0, None) if row is None else (row.version, json.loads(row.document))

    def set_overlay(self, document: Mapping[str, Any], expected: int) -> int:
        """Writes what was changed at run time and returns its new version.

        Args:
            document: JSON-ready values.
            expected: the version that it was made from.

        Raises:
            TakenError: somebody else changed it since.
        """
        values = {"version": expected + 1, "document": json.dumps(document, ensure_ascii=False)}
        same = (OVERLAY.c.name == "overlay") & (OVERLAY.c.version == expected)

        def work(connection: Connection) -> bool:
            if connection.execute(update(OVERLAY).where(same).values(values)).rowcount:
                return True
            if expected or connection.scalar(select(OVERLAY.c.version)) is not None:
                return False
            connection.execute(insert(OVERLAY).values(name="overlay", **values))
            return True

        if not self._write(work):
            raise TakenError("somebody else changed the configuration meanwhile: try again")
        return expected + 1

    def next_outgoing(self, sink: str, after: int) -> Outgoing | None:
        """Returns the oldest message that a sink was not told of, of those above a number."""
        return self._now(lambda c: outbox_rows.head(c, sink, after))

    def delivered(self, outgoing: Outgoing) -> None:
        """Removes a message from the outbox, whether it was taken or never will be."""
        self._queue.add(lambda c: outbox_rows.remove(c, outgoing.number))

    def postpone(self, outgoing: Outgoing) -> None:
        """Writes down how often a message was tried, and when it is tried next."""
        number, attempts, due = outgoing.number, outgoing.attempts, outgoing.due
        key = ("postponed", number)
        self._queue.add(lambda c: outbox_rows.postpone(c, number, attempts, due), key=key)

    def waiting(self, sink: str) -> int:
        """Returns how many messages wait for a sink."""
        return self._read(lambda c: outbox_rows.waiting(c, sink))

    def keep_sinks(self, sinks: Sequence[str]) -> None:
        """Removes the messages of all other sinks."""
        names = list(sinks)
        self._queue.add(lambda c: outbox_rows.keep_only(c, names))

    def flush(self, timeout: float = FLUSH) -> bool:
        """Waits for the writes that were asked for by now; returns whether they were made."""
        return self._queue.flush(timeout)

    def _check(self, camera: str) -> Check | None:
        return None if self._permit is None else self._permit(camera)

    def _may_write(self, connection: Connection, check: Check | None) -> bool:
        allowed = check is None or check(connection)
        self.refused += not allowed
        return allowed

    def _read(self, work: Callable[[Connection], Value]) -> Value:
        self.flush()
        return self._now(work)

    def _now(self, work: Callable[[Connection], Value]) -> Value:
        try:
            with self._engine.connect() as connection:
                return work(connection)
        except SQLAlchemyError as error:
            raise _away(error) from None

    def _write(self, work: Callable[[Connection], Value]) -> Value:
        try:
            with self._engine.connect() as connection, database.writing(connection).begin():
                return work(connection)
        except SQLAlchemyError as error:
            raise _away(error) from None


def _prepared(config: StoreConfig, data: Path) -> Engine:
    """Returns the engine of a database whose tables are there."""
    engine = database.connect(config, data)
    name = database.shown(engine.url)
    try:
        schema.prepare(engine, name)
    except SQLAlchemyError as error:
        engine.dispose()
        said = database.reason(error)
        raise StoreError(f"the store {name} can't be opened: {said}") from None
    except SettingsError:
        engine.dispose()
        raise
    return engine


def _away(error: SQLAlchemyError) -> StoreError:
    said = database.reason(error)
    return StoreError(f"the store can't be used at the moment ({said}): try again later")


def _known(record: Record | None, id: str) -> Record:
    if record is None:
        raise UnknownError(f"there is no event {id[:40]!r}")
    return record
