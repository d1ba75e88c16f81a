"""Who may read and who may change."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from costream.errors import SettingsError
from costream.serve.api.app import create_app
from costream.serve.api.authority import COOKIE, Authority, token_of
from costream.serve.api.hosts import Hosts
from costream.serve.api.server import check_server
from costream.serve.api.sessions import MOST_SESSIONS, Sessions
from costream.serve.config.model import ServerConfig
from tests.serve.api.conftest import BEARER, TOKEN, client_of, config
from tests.serve.fakes import FakeBackend

CHANGES = [
    ("POST", "/api/cameras"),
    ("PATCH", "/api/cameras/camera-1"),
    ("DELETE", "/api/cameras/camera-1"),
    ("POST", "/api/cameras/camera-1/pause"),
    ("POST", "/api/cameras/camera-1/resume"),
    ("POST", "/api/cameras/camera-1/push"),
    ("PUT", "/api/questions/smoke"),
    ("DELETE", "/api/questions/person"),
    ("DELETE", "/api/events/00000000000000000000000000"),
    ("POST", "/api/reload"),
    ("POST", "/api/logout"),
    ("POST", "/v1/files"),
    ("DELETE", "/v1/files/file-1"),
]

READS = [
    "/api/cameras",
    "/api/cameras/camera-1/still.jpg",
    "/api/events",
    "/api/status",
    "/api/stream",
    "/metrics",
    "/openapi.json",
    "/nothing",
    "//api/cameras",
    "/api/../api/cameras",
]


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_nothing_is_changed_without_the_token(client: TestClient, method: str, path: str) -> None:
    nobody = client.request(method, path, json={})
    assert nobody.status_code == 401
    assert nobody.headers["www-authenticate"] == "Bearer"
    for wrong in (f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", "Bearer ", TOKEN, f"Basic {TOKEN}"):
        answer = client.request(method, path, json={}, headers={"Authorization": wrong})
        assert answer.status_code == 401
        assert TOKEN not in answer.text


def test_every_route_that_may_change_something_is_among_those(app: FastAPI) -> None:
    listed = {(method, path.split("/")[2]) for method, path in CHANGES}
    routes = {
        (method.upper(), path.split("/")[2])
        for path, operations in app.openapi()["paths"].items()
        for method in operations
        if method != "get" and path != "/api/login"
    }
    assert routes <= listed


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_without_a_token_nothing_can_be_changed_and_it_is_said_how_to_set_one(
    backend: FakeBackend, method: str, path: str
) -> None:
    client = client_of(create_app(backend, config(token=None), page=None))
    for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer x"}):
        answer = client.request(method, path, json={}, headers=headers)
        assert answer.status_code == 403
        assert "server.token" in answer.json()["error"]["message"]
    assert client.post("/api/login", json={"token": ""}).status_code == 403


def test_the_loopback_reads_without_a_token(client: TestClient) -> None:
    assert client.get("/api/cameras").status_code == 200
    assert client.get("/api/session").json() == {"read": True, "change": False, "token": True}


@pytest.mark.parametrize("path", READS)
def test_elsewhere_nothing_is_read_without_the_token(backend: FakeBackend, path: str) -> None:
    app = create_app(backend, config(host="0.0.0.0"), page=None)
    for base in ("http://127.0.0.1:8470", "http://localhost", "http://192.168.1.5:8470"):
        client = client_of(app, base=base)
        assert client.get(path).status_code == 401
        assert client.head(path).status_code == 401
        assert client.get(path, headers={"Authorization": "Bearer no"}).status_code == 401
    assert client_of(app, headers=BEARER).get("/api/cameras").status_code == 200


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
def test_what_a_proxy_passes_on_does_not_come_from_this_machine(
    client: TestClient, header: str
) -> None:
    assert client.get("/api/cameras", headers={header: "127.0.0.1"}).status_code == 401


def test_a_configured_name_is_not_this_machine(backend: FakeBackend) -> None:
    app = create_app(backend, config(hosts=["cams.example.org"]), page=None)
    client = client_of(app, base="https://cams.example.org")
    assert client.get("/api/cameras").status_code == 401
    assert client.get("/api/cameras", headers=BEARER).status_code == 200


def test_a_browser_logs_in_and_out(client: TestClient) -> None:
    answer = client.post("/api/login", json={"token": TOKEN})
    assert answer.json() == {"read": True, "change": True, "token": True}
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Path=/" in cookie
    assert TOKEN not in cookie
    assert client.post("/api/cameras/camera-1/pause").status_code == 200
    stolen = {COOKIE: client.cookies[COOKIE]}
    assert client.post("/api/logout").status_code == 204
    client.cookies = stolen
    assert client.post("/api/cameras/camera-1/pause").status_code == 401


def test_over_tls_the_cookie_stays_on_tls(backend: FakeBackend) -> None:
    server = config(tls_certificate="/nowhere", tls_key="/nowhere")
    client = client_of(create_app(backend, server, page=None))
    assert "Secure" in client.post("/api/login", json={"token": TOKEN}).headers["set-cookie"]


def test_wrong_tokens_keep_nobody_out(client: TestClient) -> None:
    for _ in range(30):
        assert client.post("/api/login", json={"token": "guess"}).status_code == 401
        wrong = client.get("/api/cameras", headers={"Authorization": "Bearer guess"})
        assert wrong.status_code == 401
    assert client.get("/api/cameras", headers=BEARER).status_code == 200
    assert client.post("/api/login", json={"token": TOKEN}).status_code == 200


def test_sessions_are_bounded_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    sessions = Sessions()
    names = [sessions.start() for _ in range(MOST_SESSIONS + 1)]
    assert not sessions.valid(names[0])
    assert all(map(sessions.valid, names[1:]))
    now += 31 * 86400
    assert not any(map(sessions.valid, names))
    assert not sessions.valid("")


@given(st.text())
def test_no_other_text_is_the_token(text: str) -> None:
    authority = Authority(TOKEN, Hosts(config()))
    assert authority.is_token(text) == (text == TOKEN)
    assert not Authority(None, Hosts(config())).is_token(text)


def test_a_token_comes_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    assert token_of(ServerConfig(token_file=str(path))) == TOKEN
    assert token_of(ServerConfig()) is None
    for content in (
        b"",
        b"\n",
        b"\xff\xfe",
        "schlüssel-zum-haus".encode(),
        b"123456789abcdef",
        b"ab" * 20,
    ):
        path.write_bytes(content)
        with pytest.raises(SettingsError):
            token_of(ServerConfig(token_file=str(path)))
    with pytest.raises(SettingsError, match="can't read"):
        token_of(ServerConfig(token_file=str(tmp_path / "nothing")))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "cams.example.org"])
def test_the_service_is_not_opened_to_others_without_a_token(host: str) -> None:
    with pytest.raises(SettingsError, match="token"):
        check_server(ServerConfig(host=host))
    check_server(config(host=host))


def test_the_page_is_open_and_its_folder_is_all_that_is(
    backend: FakeBackend, tmp_path: Path
) -> None:
    page = tmp_path / "page"
    page.mkdir()
    (page / "index.html").write_text("<!doctype html><title>CoStream</title>")
    (page / "app.js").write_text("export {}")
    (tmp_path / "secret").write_text("secret")
    (page / "link").symlink_to(tmp_path / "secret")
    client = client_of(create_app(backend, config(host="0.0.0.0"), page=page))
    assert "CoStream" in client.get("/").text
    assert client.get("/app.js").headers["content-type"].startswith("text/javascript")
    kept = client.get("/app.js")
    assert kept.headers["cache-control"] == "no-cache"
    known = {"If-None-Match": kept.headers["etag"]}
    assert client.get("/app.js", headers=known).status_code == 304
    for path in ("/../secret", "/%2e%2e/secret", "/..%2fsecret", "/app.js/../../secret", "/link"):
        answer = client.get(path, headers=BEARER)
        assert answer.status_code in (404, 405)
        assert "secret" not in answer.text
