"""What would keep the service from serving: bodies without an end, connections that say nothing."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from starlette.exceptions import HTTPException
from starlette.types import Message

from costream.serve.api import body_limit
from costream.serve.api.body_limit import BodyLimit
from tests.serve.api.conftest import TOKEN, Serving, config
from tests.serve.api.sockets import PATIENCE, answer, connect, eventually, is_closed, request
from tests.serve.fakes import FakeBackend

TEN_GB = 10 * 10**9


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/api/cameras"), ("PUT", "/api/questions/smoke"), ("POST", "/v1/files")],
)
def test_ten_gigabytes_that_are_announced_are_refused_unread(
    backend: FakeBackend, serving: Serving, method: str, path: str
) -> None:
    url = serving(backend, config())
    with connect(url) as connection:
        head = request(url, f"{method} {path} HTTP/1.1", token=TOKEN)
        connection.sendall(head + f"Content-Length: {TEN_GB}\r\n\r\n".encode())
        assert answer(connection).startswith(b"HTTP/1.1 413")


def test_a_body_without_an_end_is_cut_off(backend: FakeBackend, serving: Serving) -> None:
    url = serving(backend, config())
    with connect(url) as connection:
        head = request(url, "POST /api/cameras HTTP/1.1", token=TOKEN)
        connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        assert _sent(connection, b"10000\r\n" + bytes(1 << 16) + b"\r\n") < 64 << 20
    assert httpx.get(f"{url}/healthz").status_code == 200


def test_without_the_token_nothing_of_a_body_is_taken(
    backend: FakeBackend, serving: Serving
) -> None:
    url = serving(backend, config())
    with connect(url) as connection:
        head = request(url, "POST /v1/files HTTP/1.1")
        connection.sendall(head + f"Content-Length: {10**9}\r\n\r\n".encode())
        assert _sent(connection, bytes(1 << 16)) < 64 << 20
    with connect(url) as connection:
        connection.sendall(head + f"Content-Length: {10**9}\r\n\r\n".encode())
        assert answer(connection).startswith(b"HTTP/1.1 401")


def test_an_endless_body_of_login_is_cut_off(client: TestClient) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(body_limit.JSON_LIMIT // 1024 + 2):
            yield bytes(1024)

    assert client.post("/api/login", content=endless()).status_code == 413


def test_a_body_that_trickles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limit, "PATIENCE", 0.05)

    async def trickle() -> Message:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b" ", "more_body": True}

    async def app(scope: object, receive: body_limit.Receive, send: object) -> None:
        while True:
            await receive()

    limited = BodyLimit(app, max_upload=10**9, silence=1.0)
    scope = {"type": "http", "path": "/api/login", "headers": []}

    async def send(message: Message) -> None:
        raise AssertionError

    with pytest.raises(HTTPException) as refused:
        asyncio.run(limited(scope, trickle, send))
    assert refused.value.status_code == 408


def test_a_thousand_silent_connections_keep_nobody_out(
    backend: FakeBackend, serving: Serving
) -> None:
    url = serving(backend, config(max_connections=50, idle_timeout=600))
    silent = []
    try:
        for index in range(1000):
            connection = connect(url)
            if index % 2:
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: ")
            silent.append(connection)
            if index % 100 == 99:
                assert httpx.get(f"{url}/api/cameras", timeout=PATIENCE).status_code == 200
        assert eventually(lambda: sum(not is_closed(one) for one in silent) <= 50)
    finally:
        for connection in silent:
            connection.close()


def test_whoever_is_served_is_not_closed_for_newcomers(
    backend: FakeBackend, serving: Serving
) -> None:
    url = serving(backend, config(max_connections=4, idle_timeout=600))
    with httpx.stream("GET", f"{url}/api/stream", timeout=PATIENCE) as news:
        lines = news.iter_lines()
        assert next(lines) == "retry: 2000"
        newcomers = [connect(url) for _ in range(20)]
        backend.lose("camera-1", "it is gone")
        assert any("it is gone" in line for line in lines)
        for connection in newcomers:
            connection.close()


def test_silent_connections_and_slow_headers_are_closed(
    backend: FakeBackend, serving: Serving
) -> None:
    url = serving(backend, config(idle_timeout=1))
    silent, slow, kept = (connect(url) for _ in range(3))
    kept.sendall(request(url, "GET /healthz HTTP/1.1") + b"\r\n")
    slow.sendall(b"GET /healthz HTTP/1.1\r\n")

    def trickles() -> bool:
        try:
            slow.send(b"X-Slow: 1\r\n")
        except OSError:
            return True
        return False

    assert eventually(lambda: is_closed(silent))
    assert eventually(trickles)
    kept.settimeout(PATIENCE)
    assert answer(kept).startswith(b"HTTP/1.1 200")
    for connection in (silent, slow, kept):
        connection.close()


def test_a_client_that_does_not_read_is_closed(
    backend: FakeBackend, serving: Serving, tmp_path: Path
) -> None:
    event = backend.begin_event(time.time())
    with (tmp_path / "still.jpg").open("wb") as still:
        still.truncate(256 << 20)
    url = serving(backend, config(idle_timeout=1))
    with connect(url) as connection:
        head = request(url, f"GET /api/events/{event.id}/still.jpg HTTP/1.1")
        connection.sendall(head + b"Range: bytes=0-\r\n\r\n")
        assert eventually(lambda: 'status="206"' in httpx.get(f"{url}/metrics").text)
        assert len(answer(connection)) < 256 << 20


def test_a_header_without_an_end_is_refused(backend: FakeBackend, serving: Serving) -> None:
    url = serving(backend, config())
    with connect(url) as connection:
        connection.sendall(request(url, "GET /healthz HTTP/1.1"))
        assert _sent(connection, b"X-Long: " + b"x" * 4096 + b"\r\n") < 8 << 20
    assert httpx.get(f"{url}/healthz").status_code == 200


@pytest.mark.parametrize(
    "junk",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.0\r\n\r\n",
        b"GET http://evil.example/api/cameras HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"POST /api/cameras HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
    ],
)
def test_what_is_no_proper_request_is_refused(
    backend: FakeBackend, serving: Serving, junk: bytes
) -> None:
    url = serving(backend, config(idle_timeout=1))
    with connect(url) as connection:
        connection.sendall(junk)
        assert answer(connection)[9:12] in (b"400", b"401", b"404", b"421")
    assert httpx.get(f"{url}/healthz").status_code == 200


def _sent(connection: socket.socket, block: bytes) -> int:
    """Sends a block again and again until the server has enough; returns how many bytes it took."""
    sent = 0
    try:
        while sent < 1 << 30:
            connection.sendall(block)
            sent += len(block)
    except OSError:
        pass
    return sent


@pytest.mark.parametrize("unread", [False, True])
def test_requests_without_rights_keep_nobody_out(
    backend: FakeBackend, serving: Serving, unread: bool
) -> None:
    url = serving(backend, config(max_connections=10, idle_timeout=600))
    body = "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    slow = request(url, "POST /api/login HTTP/1.1") + body.encode()
    pipelined = (request(url, "GET /healthz HTTP/1.1") + b"Via: 1.1 x\r\n\r\n") * 2000
    held = []
    try:
        for _ in range(30):
            held.append(connect(url))
            held[-1].sendall(pipelined if unread else slow)
        for _ in range(3):
            assert httpx.get(f"{url}/healthz", timeout=PATIENCE).status_code == 200
        assert eventually(lambda: len(_open(held)) <= 10)
    finally:
        for connection in held:
            connection.close()


def _open(held: list[socket.socket]) -> list[socket.socket]:
    """Those of the connections that are still open, once all that came was read."""
    return [one for one in held if not _drained(one)]


def _drained(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        while connection.recv(1 << 20):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
