"""Files of events: kept within the data folder, removed by age and by bytes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from costream.errors import SettingsError, UnknownError
from costream.serve.backend import EventQuery
from costream.serve.config.model import StoreConfig
from costream.serve.store.store import Store
from tests.serve.store.records import a_record
from tests.serve.waiting import until


def a_file(folder: Path, name: str, size: int = 1000) -> Path:
    file = folder / "media" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(bytes(size))
    return file


def an_event(store: Store, folder: Path, name: str, start: float, *, closed: bool = True) -> str:
    record = a_record(start, start + 10 if closed else None, closed=closed, still=True)
    store.put(record, media=[store.describe("still", a_file(folder, name))])
    return record.event.id


def opened(folder: Path, **limits: float) -> Store:
    return Store.open(StoreConfig.model_validate(limits), folder)


def test_a_file_is_found_again(store: Store, tmp_path: Path) -> None:
    id = an_event(store, tmp_path / "data", "a.jpg", 100)
    assert store.file(id, "still") == tmp_path / "data" / "media" / "a.jpg"
    with pytest.raises(UnknownError, match="no clip"):
        store.file(id, "clip")


def test_removing_an_event_removes_its_files(store: Store, tmp_path: Path) -> None:
    id = an_event(store, tmp_path / "data", "a.jpg", 100)
    store.remove(id)
    assert not (tmp_path / "data" / "media" / "a.jpg").exists()


def test_a_file_elsewhere_is_refused(tmp_path: Path) -> None:
    store = opened(tmp_path / "data")
    outside = tmp_path / "outside.jpg"
    outside.write_bytes(b"kept")
    (tmp_path / "data" / "link.jpg").symlink_to(outside)
    (tmp_path / "data" / "folder").symlink_to(tmp_path)
    links = [tmp_path / "data" / "link.jpg", tmp_path / "data" / "folder" / "outside.jpg"]
    climbing = tmp_path / "data" / ".." / "outside.jpg"
    for file in (outside, climbing, tmp_path / "data", tmp_path / "data" / "none.jpg", *links):
        with pytest.raises(SettingsError, match="within the data folder"):
            store.describe("still", file)
    store.close()


def test_a_link_that_takes_a_files_place_is_not_followed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    store = opened(data)
    id = an_event(store, data, "day/a.jpg", 100)
    store.flush()
    elsewhere = tmp_path / "elsewhere"
    (data / "media" / "day").rename(elsewhere)
    (data / "media" / "day").symlink_to(elsewhere)
    with pytest.raises(UnknownError):
        store.file(id, "still")
    store.remove(id)
    assert (elsewhere / "a.jpg").exists()
    store.close()


def test_what_is_too_old_is_removed_and_what_lasts_is_kept(tmp_path: Path) -> None:
    store = opened(tmp_path, keep=100)
    old = an_event(store, tmp_path, "old.jpg", 100)
    lasting = an_event(store, tmp_path, "lasting.jpg", 110, closed=False)
    recent = an_event(store, tmp_path, "recent.jpg", 200)
    store.retain(now=250)
    with pytest.raises(UnknownError):
        store.event(old)
    assert not (tmp_path / "media" / "old.jpg").exists()
    assert store.file(lasting, "still").exists()
    assert store.file(recent, "still").exists()
    store.close()


def test_files_of_the_oldest_events_go_when_there_are_too_many_bytes(tmp_path: Path) -> None:
    store = opened(tmp_path, max_media=2500)
    ids = [an_event(store, tmp_path, f"{i}.jpg", 100 + i, closed=i != 0) for i in range(5)]
    store.retain(now=200)
    kept = [i for i, id in enumerate(ids) if store.event(id).still]
    assert kept == [0, 4]
    assert sorted(file.name for file in (tmp_path / "media").iterdir()) == ["0.jpg", "4.jpg"]
    store.close()


def test_what_a_crash_left_behind_is_swept_and_nothing_else(tmp_path: Path) -> None:
    store = opened(tmp_path / "data")
    day = "2026/11/29"
    known, orphan = a_record(100, 110, closed=True), a_record(200)
    kept = a_file(tmp_path / "data", f"{day}/{known.event.id}.mp4")
    store.put(known, media=[store.describe("clip", kept)])
    old = a_file(tmp_path / "data", f"{day}/{orphan.event.id}.mp4")
    recent = a_file(tmp_path / "data", f"{day}/{orphan.event.id}.jpg")
    foreign = a_file(tmp_path / "data", f"{day}/notes.mp4")
    outside = a_file(tmp_path, f"{orphan.event.id}.mp4")
    (tmp_path / "data" / "media" / "elsewhere").symlink_to(outside.parent)
    for file in (kept, old, foreign, outside):
        os.utime(file, (0, 0))
    store.sweep(now=time.time())
    until(lambda: not old.exists())
    store.close()
    assert all(file.exists() for file in (kept, recent, foreign, outside))


def test_many_old_events_go_too(tmp_path: Path) -> None:
    store = opened(tmp_path, keep=1)
    for i in range(450):
        store.put(a_record(100 + i / 100, 110, closed=True))
    store.retain(now=1000)
    until(lambda: store.query(EventQuery()).events == ())
    store.close()
