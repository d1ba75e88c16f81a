"""News, as they happen."""

from __future__ import annotations

import base64
import threading
import time

import httpx
import numpy as np
import pytest

from costream.serve import hub
from costream.serve.api import stream
from tests.serve.api.conftest import BEARER, TOKEN, Serving, config, served
from tests.serve.api.sockets import PATIENCE, eventually
from tests.serve.fakes import FakeBackend
from tests.serve.news import told


@pytest.fixture
def url(backend: FakeBackend, serving: Serving) -> str:
    return serving(backend, config())


def test_a_listener_is_told_what_is_known_and_what_happens(url: str, backend: FakeBackend) -> None:
    now = time.time()
    backend.step(now + 1)
    with httpx.stream("GET", f"{url}/api/stream", timeout=PATIENCE) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        news = told(response)
        known = [next(news) for _ in range(12)]
        assert [kind for kind, _, _ in known] == ["state"] * 4 + ["preview"] * 4 + ["window"] * 4
        preview, window = known[4][1], known[8][1]
        assert preview["still"] == "/api/cameras/camera-1/still.jpg"
        values = base64.b64decode(preview["motion"]["values"])
        last = backend.hub.preview("camera-1")
        assert last is not None
        assert last.motion is not None
        grid = np.frombuffer(values, np.uint8).reshape(
            preview["motion"]["rows"], preview["motion"]["cols"]
        )
        np.testing.assert_array_equal(grid, last.motion)
        assert [score["question"] for score in window["scores"]] == ["person", "fall"]
        event = backend.begin_event(now)
        kind, data, id = next(news)
        assert (kind, data["change"], data["event"]["id"]) == ("event", "new", event.id)
        assert id is not None
        backend.remove_camera("camera-4")
        assert next(news)[1] == {"camera": "camera-4", "status": None}


def test_news_are_filtered_by_camera_and_kind(url: str, backend: FakeBackend) -> None:
    query = "camera=camera-2&camera=camera-3&kinds=window,state"
    with httpx.stream("GET", f"{url}/api/stream?{query}", timeout=PATIENCE) as response:
        news = told(response)
        assert [next(news)[1]["camera"] for _ in range(2)] == ["camera-2", "camera-3"]
        backend.begin_event(time.time())
        backend.step(time.time() + 1)
        found = [next(news) for _ in range(2)]
        assert [(kind, data["camera"]) for kind, data, _ in found] == [
            ("window", "camera-2"),
            ("window", "camera-3"),
        ]


def test_kinds_that_there_are_not_are_refused(url: str) -> None:
    for kinds in ("", "previews", "event,", "event,x"):
        assert httpx.get(f"{url}/api/stream", params={"kinds": kinds}).status_code == 422


def test_whoever_comes_back_is_told_of_the_events_that_were_missed(
    url: str, backend: FakeBackend
) -> None:
    now = time.time()
    with httpx.stream("GET", f"{url}/api/stream?kinds=event", timeout=PATIENCE) as response:
        news = told(response)
        first = backend.begin_event(now)
        _, _, last = next(news)
    assert last is not None
    backend.end_event(first.id, now + 5)
    old = backend.begin_event(now - 3600)
    second = backend.begin_event(now - 1)
    headers = {"Last-Event-ID": last}
    address = f"{url}/api/stream?kinds=event"
    with httpx.stream("GET", address, headers=headers, timeout=PATIENCE) as response:
        news = told(response)
        missed = [next(news) for _ in range(3)]
    assert [(data["change"], data["event"]["id"]) for _, data, _ in missed] == [
        ("update", old.id),
        ("new", second.id),
        ("end", first.id),
    ]


@pytest.mark.parametrize("id", ["", "nan", "inf", "x", "1e400"])
def test_a_last_event_that_is_none_replays_nothing(url: str, backend: FakeBackend, id: str) -> None:
    headers = {"Last-Event-ID": id}
    address = f"{url}/api/stream?kinds=event"
    with httpx.stream("GET", address, headers=headers, timeout=PATIENCE) as response:
        news = told(response)
        event = backend.begin_event(time.time())
        assert next(news)[1]["event"]["id"] == event.id


def test_a_slow_listener_is_told_how_much_it_missed(
    url: str, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "QUEUED", 3)
    with httpx.stream("GET", f"{url}/api/stream?kinds=event", timeout=PATIENCE) as response:
        news = told(response)
        for number in range(2000):
            backend.begin_event(time.time() + number, sentence="x" * 5000)
        assert any(kind == "missed" and data["count"] > 0 for kind, data, _ in news)


def test_there_are_at_most_so_many_listeners(backend: FakeBackend, serving: Serving) -> None:
    url = serving(backend, config(max_connections=4))
    with (
        httpx.stream("GET", f"{url}/api/stream", timeout=PATIENCE) as one,
        httpx.stream("GET", f"{url}/api/stream", timeout=PATIENCE) as two,
    ):
        listeners = told(one), told(two)
        third = httpx.get(f"{url}/api/stream", timeout=PATIENCE)
        assert third.status_code == 503
        assert third.headers["retry-after"]
        assert listeners
    assert eventually(lambda: _listeners(url) == 0)


def test_a_quiet_stream_is_kept_alive(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT", 0.1)
    with httpx.stream("GET", f"{url}/api/stream?kinds=event", timeout=PATIENCE) as response:
        assert any(line.startswith(":") for line in response.iter_lines())


def test_the_end_of_the_service_is_the_streams(backend: FakeBackend) -> None:
    listening, ended = threading.Event(), threading.Event()

    def listen(url: str) -> None:
        with httpx.stream("GET", f"{url}/api/stream", timeout=PATIENCE) as response:
            for _ in response.iter_lines():
                listening.set()
        ended.set()

    with served(backend, config()) as url:
        threading.Thread(target=listen, args=(url,), daemon=True).start()
        assert listening.wait(PATIENCE)
        assert not ended.is_set()
    assert ended.wait(PATIENCE)


def _listeners(url: str) -> int:
    text = httpx.get(f"{url}/metrics", headers=BEARER).text
    line = next(line for line in text.splitlines() if line.startswith("costream_clients "))
    return int(float(line.split()[1]))


def test_a_stream_ends_with_the_session_that_it_was_opened_by(
    backend: FakeBackend, serving: Serving
) -> None:
    url = serving(backend, config())
    elsewhere = {"Via": "1.1 proxy"}
    with httpx.Client(base_url=url, headers=elsewhere, timeout=PATIENCE) as browser:
        assert browser.get("/api/cameras").status_code == 401
        browser.post("/api/login", json={"token": TOKEN})
        with browser.stream("GET", "/api/stream?kinds=state") as news:
            lines = news.iter_lines()
            assert next(lines) == "retry: 2000"
            assert browser.post("/api/logout").status_code == 204
            backend.lose("camera-1", "it is gone")
            assert not any("it is gone" in line for line in lines)
