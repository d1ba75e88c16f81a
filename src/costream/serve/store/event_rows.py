"""Statements about events and their curves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Table,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.sql import Select

from costream.serve.backend import EventQuery
from costream.serve.events.curve import CurvePart, Point, pack, unpack
from costream.serve.events.event import Event
from costream.serve.store.record import Record
from costream.serve.store.schema import EVENTS, MEDIA, OUTBOX, SCORES

_RENAMED = {"start": "started", "end": "ended"}
_FLAGS = ("still", "clip")


def put(
    connection: Connection, table: Table, key: Mapping[str, Any], values: Mapping[str, Any]
) -> None:
    """Writes a row whether there is one of this key or not."""
    matches = and_(*(table.c[name] == value for name, value in key.items()))
    if not connection.execute(update(table).where(matches).values(values)).rowcount:
        connection.execute(insert(table).values({**key, **values}))


def put_record(connection: Connection, record: Record) -> None:
    """Writes an event as it is now. A file that it has stays, whether or not the record knows."""
    values = {_RENAMED.get(name, name): value for name, value in asdict(record.event).items()}
    state = {n: getattr(record, n) for n in ("last", "cooldown", "announced", "closed")}
    values.update(state)
    known = {name: value for name, value in values.items() if name not in _FLAGS or value}
    there = EVENTS.c.id == values["id"]
    if not connection.execute(update(EVENTS).where(there).values(known)).rowcount:
        connection.execute(insert(EVENTS).values(values))


def flag(connection: Connection, id: str, kind: str) -> bool:
    """Notes that an event has a file of a kind; returns whether there is such an event."""
    there = update(EVENTS).where(EVENTS.c.id == id).values({kind: True})
    return bool(connection.execute(there).rowcount)


def put_part(connection: Connection, part: CurvePart) -> None:
    """Writes a part of a curve."""
    key = {"event": part.event, "number": part.number}
    put(connection, SCORES, key, {"points": pack(part.points)})


def record(connection: Connection, id: str) -> Record | None:
    """Returns one event."""
    row = connection.execute(select(EVENTS).where(EVENTS.c.id == id)).first()
    return None if row is None else _record(row)


def open_records(connection: Connection, camera: str | None = None) -> list[tuple[Record, int]]:
    """Returns the events that were not ended, oldest first, and the next part of their curves.

    Args:
        connection: to read by.
        camera: whose events; None for all.
    """
    number = func.coalesce(func.max(SCORES.c.number), -1)
    parts = select(number).where(SCORES.c.event == EVENTS.c.id).scalar_subquery()
    found = select(EVENTS, parts.label("part")).where(EVENTS.c.closed.is_(False))
    if camera is not None:
        found = found.where(EVENTS.c.camera == camera)
    rows = connection.execute(found.order_by(EVENTS.c.id))
    return [(_record(row), row.part + 1) for row in rows]


def curve(connection: Connection, id: str) -> list[Point]:
    """Returns the scores of an event."""
    parts = select(SCORES.c.points).where(SCORES.c.event == id).order_by(SCORES.c.number)
    return [point for data in connection.scalars(parts) for point in unpack(data)]


def page(connection: Connection, query: EventQuery, below: str | None) -> list[Event]:
    """Returns one event more than a page has, the newest first.

    Args:
        connection: to read by.
        query: which events are wanted.
        below: the id of the last event of the page before.
    """
    wanted: Select[Any] = select(EVENTS).where(*_conditions(query))
    if below is not None:
        wanted = wanted.where(EVENTS.c.id < below)
    rows = connection.execute(wanted.order_by(EVENTS.c.id.desc()).limit(query.limit + 1))
    return [_record(row).event for row in rows]


def remove(connection: Connection, id: str) -> None:
    """Removes an event and all that is kept of it."""
    for table in (SCORES, MEDIA, OUTBOX):
        connection.execute(delete(table).where(table.c.event == id))
    connection.execute(delete(EVENTS).where(EVENTS.c.id == id))


def _conditions(query: EventQuery) -> Iterator[ColumnElement[bool]]:
    columns = EVENTS.c
    if query.cameras:
        yield columns.camera.in_(query.cameras)
    if query.questions:
        yield columns.question.in_(query.questions)
    if query.after is not None:
        yield or_(columns.ended.is_(None), columns.ended > query.after)
    if query.before is not None:
        yield columns.started < query.before
    if query.active is not None:
        yield columns.ended.is_(None) if query.active else columns.ended.is_not(None)
    if query.min_score is not None:
        yield columns.score >= query.min_score


def _record(row: Row[Any]) -> Record:
    values = row._mapping
    columns = {name: _RENAMED.get(name, name) for name in Event.__dataclass_fields__}
    event = Event(**{name: values[column] for name, column in columns.items()})
    return Record(event, values["last"], values["cooldown"], values["announced"], values["closed"])
