"""The server on its socket."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import httpx
import pytest

from costream.errors import SettingsError
from costream.serve.api.app import create_app
from costream.serve.api.server import serve
from costream.serve.config.model import ServerConfig
from tests.serve.api.conftest import Serving, config, served
from tests.serve.api.sockets import PATIENCE, connect, eventually, is_closed
from tests.serve.fakes import FakeBackend


@pytest.fixture
def tls(tmp_path: Path) -> dict[str, str]:
    """Fields of a configuration that speaks TLS."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-out", certificate, "-keyout", key]
    subprocess.run([*made.split(), *names], check=True, capture_output=True)
    return {"tls_certificate": str(certificate), "tls_key": str(key)}


def test_it_says_where_it_listens_and_stops_when_told(backend: FakeBackend) -> None:
    with served(backend, config()) as url:
        assert url.startswith("http://127.0.0.1:")
        assert httpx.get(f"{url}/healthz").text == "ok"
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/healthz")


def test_it_listens_on_ipv6(backend: FakeBackend, serving: Serving) -> None:
    if not socket.has_ipv6 or not _has_ipv6():
        pytest.skip("this machine has no IPv6 loopback")
    url = serving(backend, config(host="::1"))
    assert url.startswith("http://[::1]:")
    assert httpx.get(f"{url}/api/cameras").status_code == 200


def test_a_port_that_is_taken_is_said(backend: FakeBackend) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match="in use") as refused:
            _serve(backend, config(port=port))
        assert f"127.0.0.1:{port}" in str(refused.value)


def test_it_is_not_opened_to_others_without_a_token(backend: FakeBackend) -> None:
    with pytest.raises(SettingsError, match=r"server\.token"):
        _serve(backend, ServerConfig(host="0.0.0.0", port=0))


def test_certificates_that_are_none_are_said(backend: FakeBackend, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="together"):
        _serve(backend, config(tls_certificate="cert.pem"))
    broken = tmp_path / "broken.pem"
    broken.write_text("broken")
    for path in (str(broken), str(tmp_path / "nothing.pem")):
        with pytest.raises(SettingsError, match="PEM"):
            _serve(backend, config(tls_certificate=path, tls_key=path))


def test_it_speaks_tls(backend: FakeBackend, serving: Serving, tls: dict[str, str]) -> None:
    url = serving(backend, config(**tls))
    assert url.startswith("https://")
    trusted = ssl.create_default_context(cafile=tls["tls_certificate"])
    assert httpx.get(f"{url}/healthz", verify=trusted).text == "ok"


def test_handshakes_that_never_come_keep_nobody_out(
    backend: FakeBackend, serving: Serving, tls: dict[str, str]
) -> None:
    url = serving(backend, config(max_connections=10, idle_timeout=600, **tls))
    silent = [connect(url) for _ in range(60)]
    try:
        trusted = ssl.create_default_context(cafile=tls["tls_certificate"])
        assert httpx.get(f"{url}/healthz", verify=trusted, timeout=PATIENCE).text == "ok"
        assert eventually(lambda: sum(not is_closed(one) for one in silent) <= 10)
    finally:
        for connection in silent:
            connection.close()


def test_handshakes_that_take_too_long_are_given_up(
    backend: FakeBackend, serving: Serving, tls: dict[str, str]
) -> None:
    url = serving(backend, config(idle_timeout=1, **tls))
    with connect(url) as silent:
        assert eventually(lambda: is_closed(silent))


def _serve(backend: FakeBackend, server: ServerConfig) -> None:
    app = create_app(backend, server, page=None)
    serve(app, server, lambda url: pytest.fail(f"listens on {url}"), threading.Event())


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False
