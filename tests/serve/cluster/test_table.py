"""Placements, leases and fences in real databases."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from costream.errors import StoreError
from costream.serve.backend import EventQuery
from costream.serve.cluster.messages import Row
from costream.serve.cluster.table import Grant, Handover, PlacementTable, may_write
from costream.serve.config.model import StoreConfig
from costream.serve.events.curve import CurvePart
from costream.serve.events.event import EventMessage
from costream.serve.events.incident import Span
from costream.serve.store.database import writing
from costream.serve.store.record import Media
from costream.serve.store.store import Check, Store
from tests.serve.store.records import a_record

A, B = "node-a#1", "node-b#1"


def test_a_camera_is_granted_once_of_what_two_controllers_decide(table: PlacementTable) -> None:
    assert table.grant([Grant("door", A, 0), Grant("yard", B, 0)]) == [
        Row("door", A, 1),
        Row("yard", B, 1),
    ]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: table.grant([Grant("door", f"node-{n}", 1)]), range(8)))
    (row,) = [row for rows in found for row in rows]
    assert row.fence == 2
    assert sorted(table.rows(), key=lambda row: row.camera) == [row, Row("yard", B, 1)]


def test_many_cameras_are_granted_at_once(table: PlacementTable) -> None:
    grants = [Grant(f"camera-{n:04}", A, 0) for n in range(1200)]
    assert len(table.grant(grants)) == 1200
    half = [replace(grant, owner=B, fence=1) for grant in grants[:600]]
    stale = [replace(grant, owner=B, fence=0) for grant in grants[600:]]
    assert [row.owner for row in table.grant([*half, *stale])] == [B] * 600
    assert len(table.renew(A, "node-a")) == 600


def test_a_lease_runs_out_by_the_database_s_clock(table: PlacementTable) -> None:
    table.grant([Grant("door", A, 0)])
    assert table.renew(A, "node-a") == {"door": 1}
    (lease,) = table.leases()
    assert (lease.owner, lease.node, lease.drained) == (A, "node-a", False)
    assert 0 < lease.left <= 0.6
    time.sleep(0.7)
    assert table.leases()[0].left < 0
    # Late, and still its own, as nobody else was given the camera.
    assert table.renew(A, "node-a") == {"door": 1}
    assert table.leases()[0].left > 0
    table.forget()
    assert len(table.leases()) == 1


def test_a_node_that_is_drained_is_known_as_such_whatever_process_it_runs(
    table: PlacementTable,
) -> None:
    table.renew(A, "node-a")
    table.drain("node-a", True)
    table.drain("node-a", True)
    table.renew("node-a#2", "node-a")
    assert [lease.drained for lease in table.leases()] == [True, True]
    table.drain("node-a", False)
    assert not any(lease.drained for lease in table.leases())


def test_what_an_owner_leaves_is_for_the_next_one(table: PlacementTable) -> None:
    rising = {"person": Span(10.0, None, 0.9, 0.5)}
    table.grant([Grant("door", A, 0)])
    assert table.take("door", A, 1) == Handover(None, {})
    assert not table.release("door", B, 1, 12.0, rising)
    assert table.release("door", A, 1, 12.0, rising)
    assert not table.release("door", A, 1, 13.0, {})
    assert table.take("door", A, 1) is None
    assert table.grant([Grant("door", B, 1)]) == [Row("door", B, 2)]
    assert table.take("door", B, 2) == Handover(12.0, rising)
    # An owner that died leaves nothing.
    table.grant([Grant("door", A, 2)])
    assert table.take("door", A, 3) == Handover(None, {})


def permitted(owner: str, fences: dict[str, int]) -> object:
    def permit(camera: str) -> Check:
        fence = fences.get(camera, 0)
        return lambda connection: may_write(connection, camera, owner, fence)

    return permit


def test_an_event_is_written_by_its_camera_s_owner_alone(
    store: Store, table: PlacementTable, database: StoreConfig, tmp_path: Path
) -> None:
    record = a_record(1)
    camera = record.event.camera
    told: list[str] = []
    mine = {camera: 1}
    owner = Store.open(database, tmp_path / "a", permitted(A, mine))
    table.grant([Grant(camera, A, 0)])
    message = EventMessage("new", record.event, 1.0)
    owner.put(record, [("house", message)], then=lambda: told.append("first"))
    owner.put_part(camera, CurvePart(record.event.id, 0, ((1.0, 0.5),)))
    assert owner.flush(5)
    table.grant([Grant(camera, B, 1)])
    later = replace(record, closed=True)
    owner.put(
        later, [("house", replace(message, change="end"))], then=lambda: told.append("second")
    )
    owner.put_part(camera, CurvePart(record.event.id, 1, ((2.0, 0.5),)))
    owner.amend(record.event.id, lambda found: later, (), lambda found: told.append("third"))
    assert owner.flush(5)
    assert told == ["first"] and owner.refused == 3 and owner.lost == 0
    assert not store.record(record.event.id).closed
    assert store.curve(record.event.id) == [(1.0, 0.5)]
    assert store.waiting("house") == 1
    # What it asked for under an old fence stays refused when the camera is its own again.
    table.grant([Grant(camera, A, 2)])
    owner.put(later)
    mine[camera] = 3
    assert owner.flush(5)
    assert not store.record(record.event.id).closed
    owner.put(later)
    assert owner.flush(5)
    assert store.record(record.event.id).closed
    owner.close()


def test_a_grant_waits_for_a_write_that_is_under_way(store: Store, table: PlacementTable) -> None:
    table.grant([Grant("door", A, 0)])
    granted: list[float] = []

    def grant() -> None:
        table.grant([Grant("door", B, 1)])
        granted.append(time.monotonic())

    with store.engine.connect() as connection, writing(connection).begin():
        assert may_write(connection, "door", A, 1)
        thread = threading.Thread(target=grant)
        thread.start()
        time.sleep(0.3)
        assert not granted
        ended = time.monotonic()
    thread.join(10)
    assert granted[0] >= ended
    with store.engine.connect() as connection, writing(connection).begin():
        assert not may_write(connection, "door", A, 1)
        assert may_write(connection, "door", B, 2)


def test_messages_of_several_writers_are_numbered_in_the_order_in_which_they_appear(
    store: Store, table: PlacementTable, database: StoreConfig, tmp_path: Path
) -> None:
    writers = []
    for name in ("a", "b", "c"):
        table.grant([Grant(f"camera-{name}", name, 0)])
        permit = permitted(name, {f"camera-{name}": 1})
        writers.append(Store.open(database, tmp_path / name, permit))
    for n in range(20):
        for writer, name in zip(writers, "abc", strict=True):
            record = a_record(100 * n + ord(name))
            record = replace(record, event=replace(record.event, camera=f"camera-{name}"))
            writer.put(record, [("house", EventMessage("new", record.event, 1.0))])
    seen: list[int] = []
    deadline = time.monotonic() + 30
    while len(seen) < 60 and time.monotonic() < deadline:
        outgoing = store.next_outgoing("house", seen[-1] if seen else 0)
        if outgoing is not None:
            seen.append(outgoing.number)
    assert len(seen) == 60 and seen == sorted(seen)
    for writer in writers:
        writer.close()


def test_a_file_that_the_front_end_adds_is_not_forgotten_by_the_owner_s_next_write(
    store: Store, tmp_path: Path
) -> None:
    record = a_record(1)
    store.put(record)
    assert store.flush(5)
    file = tmp_path / "front" / "still.jpg"
    file.write_bytes(b"jpeg")
    media: Media = store.describe("still", file)
    told = []
    store.add_media(record.event.id, media, told.append)
    store.add_media("01K9ZV3M5T0000000000000007", media, told.append)
    store.put(replace(record, last=5.0))  # by an owner that does not know of the file
    (event,) = store.query(EventQuery()).events
    assert event.still and not event.clip
    assert store.file(event.id, "still") == file
    assert [one.event.id for one in told] == [record.event.id]


def test_a_database_that_is_away_is_told_of(store: Store, tmp_path: Path) -> None:
    table = PlacementTable(store.engine)
    with store.engine.connect() as connection, writing(connection).begin():
        connection.exec_driver_sql("DROP TABLE costream_leases")
    with pytest.raises(StoreError, match="the store can't be used at the moment"):
        table.leases()
