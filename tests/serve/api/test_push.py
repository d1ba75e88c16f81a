"""A camera's own stream, sent to the API."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import httpx
import pytest

from costream.serve.config.model import CameraConfig
from tests.serve.api.conftest import BEARER, TOKEN, Serving, config, served
from tests.serve.api.sockets import PATIENCE, answer, connect, eventually, request
from tests.serve.fakes import FakeBackend

HEAD = "POST /api/cameras/edge/push HTTP/1.1"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def edge(backend: FakeBackend) -> FakeBackend:
    backend.add_camera("edge", CameraConfig(url="push", timeout=1))
    return backend


def test_a_stream_is_taken_as_it_comes(edge: FakeBackend, serving: Serving) -> None:
    url = serving(edge, config())
    arrived = threading.Event()

    def stream() -> Iterator[bytes]:
        yield b"\x47" * 188
        assert eventually(lambda: edge.pushed.get("edge") == 188)
        arrived.set()
        yield b"\x47" * 376

    answered = httpx.post(
        f"{url}/api/cameras/edge/push", content=stream(), headers=BEARER, timeout=PATIENCE
    )
    assert answered.json() == {"bytes": 564}
    assert arrived.is_set()


def test_a_stream_is_longer_than_any_upload(edge: FakeBackend, serving: Serving) -> None:
    url = serving(edge, config(max_upload=1000))
    data = bytes(3 << 20)
    answered = httpx.post(f"{url}/api/cameras/edge/push", content=data, headers=BEARER)
    assert answered.json() == {"bytes": len(data)}


def test_a_sender_that_falls_silent_or_is_gone_ends_its_stream(
    edge: FakeBackend, serving: Serving
) -> None:
    url = serving(edge, config(idle_timeout=1))
    with connect(url) as silent:
        silent.sendall(request(url, HEAD, token=TOKEN) + CHUNKED + b"3\r\nabc\r\n")
        received = answer(silent)
    assert received.startswith(b"HTTP/1.1 200")
    assert received.endswith(b'{"bytes":3}')
    with connect(url) as gone:
        gone.sendall(request(url, HEAD, token=TOKEN) + CHUNKED + b"5\r\nabcde\r\n")
        assert eventually(lambda: edge.pushed["edge"] == 5)
    assert eventually(lambda: "costream_clients 0.0" in httpx.get(f"{url}/metrics").text)


def test_the_end_of_the_service_is_the_senders(edge: FakeBackend) -> None:
    with served(edge, config(idle_timeout=600)) as url:
        sender = connect(url)
        sender.sendall(request(url, HEAD, token=TOKEN) + CHUNKED + b"3\r\nabc\r\n")
        assert eventually(lambda: edge.pushed.get("edge") == 3)
    assert b'{"bytes":3}' in answer(sender)
    sender.close()


def test_only_a_camera_that_is_pushed_takes_a_stream(edge: FakeBackend, serving: Serving) -> None:
    url = serving(edge, config())
    for camera, status in (("camera-1", 409), ("nowhere", 404)):
        answered = httpx.post(f"{url}/api/cameras/{camera}/push", content=b"x", headers=BEARER)
        assert answered.status_code == status
