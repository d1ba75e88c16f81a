"""What is put into a store comes out again, from SQLite and from PostgreSQL."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from costream.errors import SettingsError, StoreError, UnknownError
from costream.serve.backend import EventQuery
from costream.serve.config.model import StoreConfig
from costream.serve.events.curve import CurvePart
from costream.serve.events.event import EventMessage
from costream.serve.store.cursor import read_cursor
from costream.serve.store.store import Store
from tests.serve.postgres import PostgresServer
from tests.serve.store.records import a_record


def test_an_event_comes_out_as_it_went_in(store: Store) -> None:
    record = a_record(sentence="Eine Person läuft. 🚶", zone="gate")
    store.put(record)
    assert store.record(record.event.id) == record
    changed = replace(record, event=replace(record.event, end=1060.5, score=0.95), closed=True)
    store.put(changed)
    assert store.record(record.event.id) == changed


def test_what_is_not_there_is_said(store: Store) -> None:
    for ask in (store.event, store.curve, store.remove, lambda id: store.file(id, "clip")):
        with pytest.raises(UnknownError, match="nothing"):
            ask("nothing")


def test_open_events_are_found_with_their_state(store: Store) -> None:
    record = a_record(1000)
    store.put(record)
    store.put(a_record(900, 950, closed=True))
    store.put_part("door", CurvePart(record.event.id, 0, ((1000.0, 0.9),)))
    later = a_record(1100)
    store.put(later)
    assert store.open_records() == [(record, 1), (later, 0)]


def test_a_curve_is_written_by_parts_that_may_be_written_again(store: Store) -> None:
    record = a_record()
    store.put(record)
    id = record.event.id
    store.put_part("door", CurvePart(id, 0, ((1.5, 0.25),)))
    store.flush()
    store.put_part("door", CurvePart(id, 0, ((1.5, 0.25), (3.5, 0.123456))))
    store.put_part("door", CurvePart(id, 1, ((5.5, 1.0),)))
    assert store.curve(id) == [(1.5, 0.25), (3.5, 0.123456), (5.5, 1.0)]


def test_pages_hold_every_event_once_newest_first(store: Store) -> None:
    records = [a_record(1000 + i, camera="door" if i % 2 else "yard") for i in range(23)]
    for record in records:
        store.put(record)
    found, cursor = [], None
    while True:
        page = store.query(EventQuery(limit=5, cursor=cursor))
        found += page.events
        store.put(a_record(5000))  # what comes meanwhile moves no page
        cursor = page.next
        if cursor is None:
            break
    assert found == [record.event for record in reversed(records)]


def test_filters(store: Store) -> None:
    first = a_record(100, 200, score=0.6, camera="yard", closed=True).event
    second = a_record(300, None, score=0.8, question="car").event
    third = a_record(400, 450, score=0.9, closed=True).event
    for event in (first, second, third):
        store.put(replace(a_record(), event=event))

    def found(**filters: object) -> list[str]:
        return [event.id for event in store.query(EventQuery(**filters)).events]  # type: ignore[arg-type]

    assert found() == [third.id, second.id, first.id]
    assert found(cameras=("yard",)) == [first.id]
    assert found(cameras=("yard", "door"), questions=("car",)) == [second.id]
    assert found(after=200) == [third.id, second.id]
    assert found(after=500) == [second.id]
    assert found(before=400) == [second.id, first.id]
    assert found(active=True) == [second.id]
    assert found(active=False) == [third.id, first.id]
    assert found(min_score=0.8) == [third.id, second.id]


def test_a_cursor_belongs_to_its_filters(sqlite_store: Store) -> None:
    for i in range(3):
        sqlite_store.put(a_record(1000 + i))
    cursor = sqlite_store.query(EventQuery(limit=1)).next
    sqlite_store.query(EventQuery(limit=2, cursor=cursor))
    with pytest.raises(SettingsError, match="cursor"):
        sqlite_store.query(EventQuery(limit=1, cursor=cursor, cameras=("door",)))


@given(st.text(max_size=80))
def test_a_made_up_cursor_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="cursor"):
        read_cursor(EventQuery(cursor=text))


def test_an_event_that_is_open_is_not_removed(store: Store) -> None:
    record = a_record()
    store.put(record)
    with pytest.raises(SettingsError, match="not over"):
        store.remove(record.event.id)
    store.put(replace(record, closed=True))
    store.remove(record.event.id)
    with pytest.raises(UnknownError):
        store.event(record.event.id)


def test_the_outbox_keeps_order_and_never_takes_a_message_twice(store: Store) -> None:
    record = a_record()
    messages = [EventMessage(c, record.event, 1.0) for c in ("new", "update", "end")]  # type: ignore[arg-type]
    for message in messages:
        store.put(record, [("hook", message), ("other", message)])
        store.put(record, [("hook", message)])
    assert store.waiting("hook") == 3
    after, delivered = 0, []
    while outgoing := store.next_outgoing("hook", after):
        delivered.append(outgoing.message)
        after = outgoing.number
        store.delivered(outgoing)
    assert delivered == messages
    assert (store.waiting("hook"), store.waiting("other")) == (0, 3)
    store.keep_sinks(["hook"])
    assert store.waiting("other") == 0


def test_an_attempt_is_remembered(store: Store) -> None:
    record = a_record()
    store.put(record, [("hook", EventMessage("new", record.event, 1.0))])
    store.flush()
    outgoing = store.next_outgoing("hook", 0)
    assert outgoing is not None
    store.postpone(replace(outgoing, attempts=3, due=17.5))
    store.flush()
    again = store.next_outgoing("hook", 0)
    assert again is not None
    assert (again.attempts, again.due) == (3, 17.5)


def test_numbers_of_messages_are_not_given_twice(store: Store) -> None:
    record = a_record()
    numbers = []
    for at in (1.0, 2.0):
        store.put(record, [("hook", EventMessage("update", record.event, at))])
        store.flush()
        outgoing = store.next_outgoing("hook", 0)
        assert outgoing is not None
        numbers.append(outgoing.number)
        store.delivered(outgoing)
        store.flush()
    assert numbers[1] > numbers[0]


def test_the_overlay_is_changed_by_whoever_knows_its_version(store: Store) -> None:
    assert store.overlay() == (0, None)
    assert store.set_overlay({"paused": ["door"]}, 0) == 1
    assert store.set_overlay({"paused": []}, 1) == 2
    for stale in (0, 1, 7):
        with pytest.raises(SettingsError, match="somebody else"):
            store.set_overlay({}, stale)
    assert store.overlay() == (2, {"paused": []})


def test_one_of_many_that_change_the_overlay_at_once_wins(store: Store) -> None:
    outcomes: list[object] = []

    def change() -> None:
        try:
            outcomes.append(store.set_overlay({}, 0))
        except (SettingsError, StoreError) as error:
            outcomes.append(error)

    threads = [threading.Thread(target=change) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(1) == 1
    assert store.overlay()[0] == 1


def test_a_store_survives_its_process(tmp_path: Path) -> None:
    record = a_record()
    first = Store.open(StoreConfig(), tmp_path)
    first.put(record)
    first.close()
    second = Store.open(StoreConfig(), tmp_path)
    assert second.event(record.event.id) == record.event
    second.close()


def test_a_folder_belongs_to_one_service(sqlite_store: Store, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="another service"):
        Store.open(StoreConfig(), tmp_path / "data")


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="can't be made"):
        Store.open(StoreConfig(), tmp_path / "file" / "data")


def test_sqlite_writes_ahead(sqlite_store: Store, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "data" / "costream.sqlite") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    Store.open(StoreConfig(), tmp_path).close()
    with sqlite3.connect(tmp_path / "costream.sqlite") as connection:
        connection.execute("UPDATE costream_meta SET value = 99")
    connection.close()
    with pytest.raises(SettingsError, match=r"newer CoStream .* version 99"):
        Store.open(StoreConfig(), tmp_path)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "no SQLAlchemy URL"),
        ("oracle+cx_oracle://u:verysecret@h/d", "can't be used"),
        ("nosuch://u:verysecret@h/d", "can't be used"),
    ],
)
def test_a_url_that_cannot_be_used_is_explained(tmp_path: Path, url: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        Store.open(StoreConfig(url=SecretStr(url)), tmp_path)
    assert "verysecret" not in str(caught.value)


def test_an_absent_database_is_said_without_its_password(tmp_path: Path) -> None:
    url = SecretStr("postgresql://user:verysecret@127.0.0.1:9/db")
    with pytest.raises(StoreError, match="can't be opened") as caught:
        Store.open(StoreConfig(url=url), tmp_path)
    assert "verysecret" not in str(caught.value)


def test_a_postgresql_url_needs_no_driver_in_it(
    postgres_store: Store, postgres: PostgresServer
) -> None:
    assert postgres.url.startswith("postgresql://")
    assert postgres_store.overlay() == (0, None)
