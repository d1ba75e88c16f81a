"""Who owns which camera, in the service's store: placements, leases and fencing numbers.

A process owns a camera while the camera's row names it, and its row says so under a number, the
*fence*, that grows whenever the owner changes and never shrinks. A process renews its lease by the
database's clock, one row for all of its cameras. The controller alone gives cameras to processes,
each by comparing the fence that it knows: of two controllers that think they are the one, each row
obeys the first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Float,
    bindparam,
    cast,
    delete,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError

from costream.errors import StoreError
from costream.serve.cluster.messages import Lease, Row
from costream.serve.events.incident import Span
from costream.serve.store.database import reason, writing
from costream.serve.store.event_rows import put
from costream.serve.store.schema import DRAINED, LEASES, PLACEMENTS

LEASE = 6.0
"""Seconds for which a process that was not heard of still owns its cameras."""

FORGOTTEN = 3600.0
"""Seconds after which the lease of a process that is no more is removed."""

_BATCH = 500
"""Placements that are changed in one transaction, so that events wait no longer for it."""

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Handover:
    """What the last owner of a camera left to the next.

    Attributes:
        seen: the end of the last window of which events were made, seconds since 1970; None where
            it could not say.
        rising: what may become an incident soon, by question.
    """

    seen: float | None
    rising: Mapping[str, Span]


@dataclass(frozen=True, slots=True)
class Grant:
    """A camera is to get another owner.

    Attributes:
        camera: the camera.
        owner: who gets it; empty for nobody.
        fence: of the row that this was decided by; 0 where there was none.
    """

    camera: str
    owner: str
    fence: int


class PlacementTable:
    """Placements and leases in a database. Any thread may use it; every method waits for it.

    Args:
        engine: of the database, whose tables are there.
        lease: seconds for which a lease holds.

    Raises:
        StoreError: of all methods, the database can't be used at the moment.
    """

    def __init__(self, engine: Engine, lease: float = LEASE) -> None:
        self._engine = engine
        self._lease = lease

    def rows(self) -> list[Row]:
        """Returns all placements."""
        wanted = select(PLACEMENTS.c.camera, PLACEMENTS.c.owner, PLACEMENTS.c.fence)
        return self._read(lambda c: [Row(*row) for row in c.execute(wanted)])

    def leases(self) -> list[Lease]:
        """Returns all leases, those that have run out as well."""
        left = LEASES.c.expires - self._now()
        drained = select(DRAINED.c.node).where(DRAINED.c.node == LEASES.c.node).exists()
        wanted = select(LEASES.c.owner, LEASES.c.node, left, drained)
        return self._read(lambda c: [Lease(o, n, s, bool(d)) for o, n, s, d in c.execute(wanted)])

    def renew(self, owner: str, node: str) -> dict[str, int]:
        """Renews a process's lease; returns the fences of all cameras that it owns."""
        owned = select(PLACEMENTS.c.camera, PLACEMENTS.c.fence).where(PLACEMENTS.c.owner == owner)

        def work(connection: Connection) -> dict[str, int]:
            expires = connection.scalars(select(self._now())).one() + self._lease
            put(connection, LEASES, {"owner": owner}, {"node": node, "expires": expires})
            return {row.camera: row.fence for row in connection.execute(owned)}

        return self._write(work)

    def grant(self, grants: Iterable[Grant]) -> list[Row]:
        """Gives cameras to processes, each where its row is as it was known.

        Returns:
            The rows that were changed; what is missing was changed by somebody else meanwhile.
        """
        wanted = sorted(grants, key=lambda grant: grant.camera)
        parts = [wanted[at : at + _BATCH] for at in range(0, len(wanted), _BATCH)]
        return [row for part in parts for row in self._write(partial(_grant, part))]

    def release(
        self, camera: str, owner: str, fence: int, seen: float | None, rising: Mapping[str, Span]
    ) -> bool:
        """Lets go of a camera; returns whether it was still the owner's.

        Args:
            camera: the camera.
            owner: who lets go.
            fence: under which it owned the camera.
            seen: see :class:`Handover`.
            rising: likewise.
        """
        left = {"owner": "", "seen": seen, "rising": _written(rising)}
        mine = update(PLACEMENTS).where(*_owned(camera, owner, fence)).values(left)
        return self._write(lambda c: bool(c.execute(mine).rowcount))

    def take(self, camera: str, owner: str, fence: int) -> Handover | None:
        """Returns what the last owner left to this one; None where it does not own the camera."""
        wanted = select(PLACEMENTS.c.seen, PLACEMENTS.c.rising)

        def work(connection: Connection) -> Handover | None:
            row = connection.execute(wanted.where(*_owned(camera, owner, fence))).first()
            return None if row is None else Handover(row.seen, _read_rising(row.rising))

        return self._read(work)

    def drain(self, node: str, drained: bool) -> None:
        """Has a node be given no cameras, or again."""

        def work(connection: Connection) -> None:
            connection.execute(delete(DRAINED).where(DRAINED.c.node == node))
            if drained:
                connection.execute(insert(DRAINED).values(node=node))

        self._write(work)

    def forget(self) -> None:
        """Removes leases of processes that have been gone for long."""
        old = delete(LEASES).where(LEASES.c.expires < self._now() - FORGOTTEN)
        self._write(lambda c: c.execute(old))

    def _now(self) -> ColumnElement[float]:
        """Returns the database's clock, seconds since 1970."""
        if self._engine.dialect.name == "sqlite":
            return literal_column("(julianday('now') - 2440587.5) * 86400.0", Float(53))
        return cast(func.extract("epoch", func.clock_timestamp()), Float(53))

    def _read(self, work: Callable[[Connection], Value]) -> Value:
        try:
            with self._engine.connect() as connection:
                return work(connection)
        except SQLAlchemyError as error:
            raise _away(error) from None

    def _write(self, work: Callable[[Connection], Value]) -> Value:
        try:
            with self._engine.connect() as connection, writing(connection).begin():
                return work(connection)
        except SQLAlchemyError as error:
            raise _away(error) from None


def may_write(connection: Connection, camera: str, owner: str, fence: int) -> bool:
    """Says whether a process still owns a camera; it does so until this transaction is over.

    Args:
        connection: of the transaction.
        camera: the camera.
        owner: the process.
        fence: the number under which it was given the camera.
    """
    mine = select(PLACEMENTS.c.fence).where(*_owned(camera, owner, fence))
    return connection.scalar(mine.with_for_update(read=True)) is not None


def _grant(grants: Sequence[Grant], connection: Connection) -> list[Row]:
    columns, names = PLACEMENTS.c, [grant.camera for grant in grants]
    there = select(columns.camera, columns.owner, columns.fence).where(columns.camera.in_(names))
    rows = connection.execute(there.order_by(columns.camera).with_for_update())
    found = {row.camera: Row(*row) for row in rows}
    fit = [g for g in grants if g.fence == (found[g.camera].fence if g.camera in found else 0)]
    new = [_values(grant) for grant in fit if grant.camera not in found]
    # What an owner left is for the next one; an owner that died left nothing.
    left = [_values(g) for g in fit if g.camera in found and not found[g.camera].owner]
    lost = [_values(g) for g in fit if g.camera in found and found[g.camera].owner]
    change = update(PLACEMENTS).where(columns.camera == bindparam("_camera"))
    given: dict[str, Any] = {"owner": bindparam("_owner"), "fence": bindparam("_fence")}
    nothing = {"seen": None, "rising": "{}"}
    for statement, values in (
        (change.values(given), left),
        (change.values({**given, **nothing}), lost),
        (insert(PLACEMENTS).values({"camera": bindparam("_camera"), **given, **nothing}), new),
    ):
        if values:
            connection.execute(statement, values)
    return [Row(grant.camera, grant.owner, grant.fence + 1) for grant in fit]


def _values(grant: Grant) -> dict[str, object]:
    return {"_camera": grant.camera, "_owner": grant.owner, "_fence": grant.fence + 1}


def _owned(camera: str, owner: str, fence: int) -> Sequence[ColumnElement[bool]]:
    columns = PLACEMENTS.c
    return columns.camera == camera, columns.owner == owner, columns.fence == fence


def _written(rising: Mapping[str, Span]) -> str:
    return json.dumps({question: asdict(span) for question, span in rising.items()})


def _read_rising(text: str) -> dict[str, Span]:
    return {question: Span(**span) for question, span in json.loads(text).items()}


def _away(error: SQLAlchemyError) -> StoreError:
    return StoreError(
        f"the store can't be used at the moment ({reason(error)}): cameras are placed and leases "
        "renewed when it is back"
    )
