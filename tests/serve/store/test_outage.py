"""A database that is away or full: the service goes on, and nothing is lost that fits in memory."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from costream.errors import StoreError
from costream.serve.backend import EventQuery
from costream.serve.config.model import StoreConfig
from costream.serve.events.event import EventMessage
from costream.serve.store.store import Store
from costream.serve.store.write_queue import WriteQueue
from tests.serve.postgres import PostgresServer
from tests.serve.store.records import a_record
from tests.serve.waiting import until


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small file system can't be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_what_a_full_disk_did_not_take_is_written_once_there_is_room(small_disk: Path) -> None:
    store = Store.open(StoreConfig(), small_disk)
    before = a_record(1)
    store.put(before)
    assert store.flush(10)
    ballast = small_disk / "ballast"
    _fill(ballast)

    records = [a_record(10 + i, sentence="x" * 2000) for i in range(60)]
    for record in records:
        store.put(record, [("hook", EventMessage("new", record.event, 1.0))])
    until(store.problems)
    assert "full" in store.problems()[0]
    assert store.event(before.event.id) == before.event

    ballast.unlink()
    until(lambda: not store.problems())
    assert store.flush(10)
    found = store.query(EventQuery(limit=100)).events
    assert list(found) == [r.event for r in reversed(records)] + [before.event]
    assert _delivered(store) == [r.event.id for r in records]
    store.close()


def _fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            return


def _delivered(store: Store) -> list[str]:
    after, ids = 0, []
    while outgoing := store.next_outgoing("hook", after):
        ids.append(outgoing.message.event.id)
        after = outgoing.number
    return ids


def test_postgresql_is_restarted(tmp_path: Path) -> None:
    server = PostgresServer()
    server.start()
    try:
        store = Store.open(StoreConfig(url=SecretStr(server.url)), tmp_path)
        first = a_record(1)
        store.put(first)
        assert store.event(first.event.id) == first.event
        server.stop()

        records = [a_record(10 + i) for i in range(20)]
        began = time.monotonic()
        for record in records:
            store.put(record, [("hook", EventMessage("new", record.event, 1.0))])
        assert time.monotonic() - began < 5
        until(store.problems)
        assert "verysecret" not in str(store.problems())
        with pytest.raises(StoreError, match="try again later"):
            store.event(first.event.id)

        server.start()
        until(lambda: not store.problems())
        assert store.flush(10)
        assert _delivered(store) == [r.event.id for r in records]
        store.close()
        server.stop()
    finally:
        server.remove()


def test_a_write_that_is_replaced_is_made_once(sqlite_store: Store) -> None:
    made: list[int] = []
    queue = WriteQueue(sqlite_store._engine)
    with sqlite_store._engine.connect() as blocker:
        blocker.execution_options(costream_writes=True).execute(text("SELECT 1"))
        for i in range(50):
            queue.add(lambda _, i=i: made.append(i), key="same")  # type: ignore[misc]
    assert queue.flush(10)
    queue.close(5)
    assert made[-1] == 49
    assert len(made) <= 2


def test_a_write_that_is_replaced_is_made_after_what_was_asked_for_meanwhile(
    sqlite_store: Store,
) -> None:
    made: list[str] = []
    queue = WriteQueue(sqlite_store._engine)
    with sqlite_store._engine.connect() as blocker:
        blocker.execution_options(costream_writes=True).execute(text("SELECT 1"))
        queue.add(lambda _: made.append("old"), key="same")
        queue.add(lambda _: made.append("other"))
        queue.add(lambda _: made.append("new"), key="same")
    assert queue.flush(10)
    queue.close(5)
    assert made[-2:] == ["other", "new"]


def test_too_many_writes_are_counted_and_the_oldest_go(sqlite_store: Store) -> None:
    made: list[int] = []
    queue = WriteQueue(sqlite_store._engine, limit=10)
    with sqlite_store._engine.connect() as blocker:
        blocker.execution_options(costream_writes=True).execute(text("SELECT 1"))
        for i in range(30):
            queue.add(lambda _, i=i: made.append(i))  # type: ignore[misc]
        assert len(queue) == 10
    assert queue.flush(10)
    queue.close(5)
    assert made[-10:] == list(range(20, 30))
    assert queue.lost == 20


def test_a_write_that_is_never_taken_keeps_no_other_waiting(sqlite_store: Store) -> None:
    good = a_record(1)
    bad = replace(good, event=replace(good.event, id="x" * 26, camera=None))  # type: ignore[arg-type]
    sqlite_store.put(bad)
    sqlite_store.put(good)
    assert sqlite_store.event(good.event.id) == good.event
    assert "1 changes of events were lost" in sqlite_store.problems()[0]


def test_whoever_is_told_of_a_write_and_fails_ends_no_other(sqlite_store: Store) -> None:
    def fail() -> None:
        raise KeyError("nobody is there")

    sqlite_store.put(a_record(1000), then=fail)
    assert sqlite_store.flush(10)
    sqlite_store.put(a_record(2000))
    assert sqlite_store.flush(10)
    assert len(sqlite_store.query(EventQuery()).events) == 2
