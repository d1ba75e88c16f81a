"""What a web page elsewhere reaches through a browser: nothing."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from costream.serve.api.app import create_app
from costream.serve.api.hosts import Hosts, host_name
from costream.serve.config.model import ServerConfig
from tests.serve.api.conftest import BEARER, client_of, config
from tests.serve.fakes import HOSTILE, FakeBackend

EVIL = "https://evil.example"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8470",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example@127.0.0.1",
        "127.0.0.1/evil.example",
        "192.168.1.5",
        "localhost.",
        "2130706433",
        "0",
        "",
    ],
)
def test_a_name_that_is_bound_to_our_address_is_refused(app: FastAPI, host: str) -> None:
    client = client_of(app, headers=BEARER)
    for path in ("/", "/api/cameras", "/healthz"):
        answer = client.get(path, headers={"Host": host})
        assert answer.status_code == 421
        assert "server.hosts" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8470", "127.0.0.1", "127.9.9.9", "[::1]:80"]
)
def test_the_loopback_has_several_names(client: TestClient, host: str) -> None:
    assert client.get("/api/cameras", headers={"Host": host}).status_code == 200


def test_two_hosts_are_none(client: TestClient) -> None:
    hosts = [("Host", "127.0.0.1"), ("Host", "evil.example")]
    assert client.get("/api/cameras", headers=hosts).status_code == 421


@given(st.text())
def test_whatever_stands_in_host_is_admitted_only_as_a_name_of_ours(header: str) -> None:
    assert Hosts(config(host="10.0.0.7", hosts=["cams.example"])).admit(header) == (
        host_name(header) in ("10.0.0.7", "cams.example")
    )


def test_where_all_addresses_are_listened_on_any_number_is_ours() -> None:
    for host in ("0.0.0.0", "::"):
        hosts = Hosts(ServerConfig(host=host, hosts=["Cams.example"]))
        assert all(map(hosts.admit, ("10.0.0.7:80", "[fd00::7]", "localhost", "cams.example:1")))
        assert not any(map(hosts.admit, ("evil.example", "10.0.0.7.evil.example", "0x7f000001")))
        assert not any(map(hosts.is_local, ("localhost", "127.0.0.1")))


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "file://"},
        {"Origin": "http://localhost:8470"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    ],
)
def test_pages_elsewhere_neither_read_nor_change(app: FastAPI, headers: dict[str, str]) -> None:
    client = client_of(app, headers=BEARER)
    for method, path in (
        ("GET", "/api/cameras"),
        ("GET", "/api/cameras/camera-1/still.jpg"),
        ("POST", "/api/cameras/camera-1/pause"),
        ("POST", "/api/login"),
        ("POST", "/v1/chat/completions"),
    ):
        answer = client.request(method, path, headers=headers)
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers


def test_a_link_elsewhere_leads_to_us_but_a_form_does_not(client: TestClient) -> None:
    link = {
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
    }
    assert client.get("/api/events", headers=link).status_code == 200
    form = client.post("/api/login", headers=link, data={"token": "x"})
    assert form.status_code == 403


def test_our_own_page_may(owner: TestClient) -> None:
    own = {"Origin": "http://127.0.0.1:8470", "Sec-Fetch-Site": "same-origin"}
    assert owner.post("/api/cameras/camera-1/pause", headers=own).status_code == 200
    behind_tls = {"Origin": "https://127.0.0.1:8470"}
    assert owner.post("/api/cameras/camera-1/pause", headers=behind_tls).status_code == 200


def test_pages_that_are_named_may_with_the_token(backend: FakeBackend) -> None:
    app = create_app(backend, config(origins=["https://home.example"]), page=None)
    client = client_of(app)
    headers = {"Origin": "https://home.example", "Sec-Fetch-Site": "cross-site"}
    asked = {**headers, "Access-Control-Request-Method": "POST"}
    assert client.options("/api/reload", headers=asked).status_code == 200
    answer = client.post("/api/reload", headers={**headers, **BEARER})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://home.example"
    assert "access-control-allow-credentials" not in answer.headers
    assert client.post("/api/reload", headers=headers).status_code == 401
    other = client.options("/api/reload", headers={**asked, "Origin": EVIL})
    assert other.status_code == 400
    assert "access-control-allow-origin" not in other.headers


def test_every_answer_keeps_browsers_from_foreign_code(
    client: TestClient, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "sinks", lambda: 1 / 0)
    for path, status in (("/api/cameras", 200), ("/api/events/x", 422), ("/api/sinks", 500)):
        answer = client.get(path)
        assert answer.status_code == status
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "server" not in answer.headers


def test_an_error_shows_nothing_of_the_program(
    client: TestClient, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("rtsp://viewer:hunter2@10.0.0.1")

    monkeypatch.setattr(backend, "health", fail)
    answer = client.get("/api/status")
    assert answer.status_code == 500
    assert answer.json()["error"]["message"].startswith("something unforeseen")
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text


def test_names_that_try_to_be_markup_stay_text(owner: TestClient) -> None:
    body = {"id": "yard", "url": "push", "name": HOSTILE[:200]}
    answer = owner.post("/api/cameras", json=body)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["name"] == HOSTILE[:200]
    missing = owner.get("/api/cameras/<script>alert(1)<%2Fscript>")
    assert missing.headers["content-type"] == "application/json"
