"""Statements about messages that sinks are still to be told of."""

from __future__ import annotations

from sqlalchemy import Connection, delete, func, insert, select, update

from costream.serve.events.event import EventMessage
from costream.serve.store.record import Outgoing, from_json, to_json
from costream.serve.store.schema import META, OUTBOX


def add(connection: Connection, sink: str, message: EventMessage) -> None:
    """Puts a message into a sink's outbox, unless it is there."""
    key = {
        "sink": sink,
        "event": message.event.id,
        "change": message.change,
        "at": message.at,
    }
    same = [OUTBOX.c[name] == value for name, value in key.items()]
    if connection.scalar(select(OUTBOX.c.number).where(*same)) is None:
        values = {"payload": to_json(message), "attempts": 0, "due": 0.0}
        connection.execute(insert(OUTBOX).values({**key, **values}))


def wait_for_turn(connection: Connection) -> None:
    """Has others who add messages wait until this transaction is over.

    Numbers are given when rows are written and not when transactions end: without this a message
    could appear behind one of a higher number, which a dispatcher has delivered by then.
    """
    connection.execute(select(META.c.value).where(META.c.name == "schema").with_for_update())


def head(connection: Connection, sink: str, after: int) -> Outgoing | None:
    """Returns the oldest message of a sink whose number lies above one."""
    waiting = select(OUTBOX).where(OUTBOX.c.sink == sink, OUTBOX.c.number > after)
    row = connection.execute(waiting.order_by(OUTBOX.c.number).limit(1)).first()
    if row is None:
        return None
    try:
        message = from_json(row.payload)
    except (ValueError, TypeError, KeyError):
        message = None
    return Outgoing(message, row.number, row.attempts, row.due)


def remove(connection: Connection, number: int) -> None:
    """Removes a message that was delivered, or never will be."""
    connection.execute(delete(OUTBOX).where(OUTBOX.c.number == number))


def postpone(connection: Connection, number: int, attempts: int, due: float) -> None:
    """Writes down an attempt that failed."""
    changes = {"attempts": attempts, "due": due}
    connection.execute(update(OUTBOX).where(OUTBOX.c.number == number).values(changes))


def waiting(connection: Connection, sink: str) -> int:
    """Returns how many messages wait for a sink."""
    rows = select(func.count()).select_from(OUTBOX).where(OUTBOX.c.sink == sink)
    return connection.scalar(rows) or 0


def keep_only(connection: Connection, sinks: list[str]) -> None:
    """Removes the messages of sinks that there are no more."""
    connection.execute(delete(OUTBOX).where(OUTBOX.c.sink.not_in(sinks)))
