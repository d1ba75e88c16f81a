from __future__ import annotations

import time
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.serve.fakes import FakeBackend


def test_events_come_in_pages_the_newest_first(client: TestClient) -> None:
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = client.get("/api/events", params={"limit": "5", **cursor}).json()
        assert len(page["events"]) <= 5
        seen += [event["id"] for event in page["events"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert len(seen) == 12
    assert seen == sorted(set(seen), reverse=True)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("camera=camera-1", 4),
        ("camera=camera-1&camera=camera-2", 7),
        ("question=fall", 6),
        ("active=true", 1),
        ("active=false", 12),
        ("min_score=0.9", 1),
        ("camera=nowhere", 0),
    ],
)
def test_events_are_filtered(
    client: TestClient, backend: FakeBackend, query: str, found: int
) -> None:
    backend.begin_event(time.time(), score=0.7)
    events = client.get(f"/api/events?{query}").json()["events"]
    assert len(events) == found


def test_events_are_filtered_by_time(client: TestClient) -> None:
    events = client.get("/api/events").json()["events"]
    middle = events[5]["start"]
    later = client.get("/api/events", params={"after": middle + 200}).json()["events"]
    earlier = client.get("/api/events", params={"before": middle}).json()["events"]
    assert [event["id"] for event in later] == [event["id"] for event in events[:5]]
    assert [event["id"] for event in earlier] == [event["id"] for event in events[6:]]


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "after=nan", "camera=../x", "before=x"])
def test_filters_that_make_no_sense_are_refused(client: TestClient, query: str) -> None:
    assert client.get(f"/api/events?{query}").status_code == 422


def test_an_event_is_given_with_its_curve_and_removed(
    owner: TestClient, backend: FakeBackend
) -> None:
    event = backend.begin_event(time.time())
    answer = owner.get(f"/api/events/{event.id}").json()
    assert answer["event"]["sentence"] == event.sentence
    assert len(answer["curve"]) == 30
    assert owner.delete(f"/api/events/{event.id}").status_code == 204
    assert owner.get(f"/api/events/{event.id}").status_code == 404


def test_a_clip_is_sent_in_ranges(client: TestClient, backend: FakeBackend, clip: Path) -> None:
    event = backend.end_event(backend.begin_event(time.time()).id, time.time())
    url, data = f"/api/events/{event.id}/clip.mp4", clip.read_bytes()
    whole = client.get(url)
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.content == data
    head = client.head(url)
    assert head.headers["content-length"] == str(len(data))
    assert head.content == b""
    middle = client.get(url, headers={"Range": "bytes=100-299"})
    assert middle.status_code == 206
    assert middle.headers["content-range"] == f"bytes 100-299/{len(data)}"
    assert middle.content == data[100:300]
    last = client.get(url, headers={"Range": "bytes=-50"})
    assert last.content == data[-50:]
    beyond = client.get(url, headers={"Range": f"bytes={len(data)}-"})
    assert beyond.status_code == 416
    assert beyond.headers["content-range"].endswith(f"*/{len(data)}")
    same = client.get(url, headers={"If-None-Match": whole.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    stale = client.get(url, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert stale.status_code == 200


def test_pictures_that_are_gone_are_not_found(
    client: TestClient, backend: FakeBackend, tmp_path: Path
) -> None:
    event = backend.begin_event(time.time())
    assert client.get(f"/api/events/{event.id}/clip.mp4").status_code == 404
    assert client.get(f"/api/events/{event.id}/still.jpg").status_code == 200
    (tmp_path / "still.jpg").unlink()
    answer = client.get(f"/api/events/{event.id}/still.jpg")
    assert answer.status_code == 404
    assert str(tmp_path) not in answer.text


@pytest.mark.parametrize(
    "id", ["..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "01K9", "0" * 25 + "I", "%00"]
)
def test_ids_that_are_none_lead_nowhere(client: TestClient, id: str) -> None:
    for part in ("", "/still.jpg", "/clip.mp4"):
        assert client.get(f"/api/events/{id}{part}").status_code in (401, 404, 422)
