"""Stream URLs that come by the API lead to the open internet, and to networks that are named."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from costream.errors import CoStreamError, SettingsError, SourceError
from costream.serve.api.camera_url import camera_reach, check_camera_url
from costream.serve.config.model import CameraConfig, ServerConfig
from costream.serve.config.watched import WatchedCamera
from costream.video.reach import Reach
from costream.video.source import close_container, open_container

SERVER = ServerConfig()
HOME = ServerConfig(camera_networks=["192.168.1.0/24", "127.0.0.0/8", "fd12::/64", "0.0.0.0/0"])

REFUSED = [
    "file:///etc/passwd",
    "/etc/passwd",
    "../../etc/passwd",
    "-",
    "",
    "synthetic:fight",
    "concat:/etc/passwd",
    "subfile,,start,0,end,9,,:/etc/passwd",
    "cache:file:///etc/passwd",
    "crypto+file:///etc/passwd",
    "pipe:0",
    "unix:///run/docker.sock",
    "tcp://93.184.216.34:80?listen=1",
    "udp://239.0.0.1:1234",
    "ftp://93.184.216.34/",
    "FILE:///etc/passwd",
    "http+file:///etc/passwd",
    "rtsp://localhost/stream",
    "rtsp://LOCALHOST./stream",
    "rtsp://127.0.0.1/stream",
    "rtsp://127.1/stream",
    "rtsp://2130706433/stream",
    "rtsp://0x7f000001/stream",
    "rtsp://0177.0.0.1/stream",
    "rtsp://0/stream",
    "rtsp://0.0.0.0/stream",
    "rtsp://[::1]/stream",
    "rtsp://[::]/stream",
    "rtsp://[::ffff:127.0.0.1]/stream",
    "rtsp://[::ffff:7f00:1]/stream",
    "rtsp://[64:ff9b::7f00:1]/stream",
    "rtsp://[2002:7f00:1::]/stream",
    "rtsp://10.0.0.1/stream",
    "rtsp://172.16.0.1/stream",
    "rtsp://192.168.1.1/stream",
    "rtsp://100.64.0.1/stream",
    "rtsp://[fd12::1]/stream",
    "rtsp://[fe80::1]/stream",
    "rtsp://224.0.0.1/stream",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://0xa9fea9fe/latest/meta-data/",
    "http://2852039166/latest/meta-data/",
    "http://[::ffff:169.254.169.254]/",
    "http://93.184.216.34@127.0.0.1/",
    "http://user:p@ss@127.0.0.1/",
    "http://127.0.0.1#@93.184.216.34/",
    "http://127.0.0.1\t/",
    "http:///",
    "rtsp://93.184.216.34:99999/",
    "srt://93.184.216.34:9000?mode=listener",
    "srt://93.184.216.34:9000?mode=rendezvous",
    "srt://93.184.216.34:9000?MODE=Listener",
    "rtmp://93.184.216.34/live?Listen=1",
    "srt://93.184.216.34:9000?mode=listener&mode=caller",
    "rtmp://93.184.216.34/live?listen",
]


@pytest.mark.parametrize("url", REFUSED)
def test_urls_that_lead_into_our_network_or_machine_are_refused(url: str) -> None:
    with pytest.raises(CoStreamError):
        check_camera_url(url, SERVER)


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/",
        "http://[::ffff:169.254.169.254]/",
        "http://[fd00:ec2::254]/",
        "http://100.100.100.200/",
        "http://localhost/",
        "http://2130706433/",
        "http://127.1/",
        "rtsp://192.168.1.7.evil.invalid/",
    ],
)
def test_even_where_networks_are_allowed_some_is_refused(url: str) -> None:
    with pytest.raises(CoStreamError):
        check_camera_url(url, HOME)


@pytest.mark.parametrize(
    ("url", "server", "reach"),
    [
        ("push", SERVER, "public"),
        ("rtsp://viewer:secret@93.184.216.34:554/stream", SERVER, "public"),
        ("https://93.184.216.34/live.m3u8", SERVER, "public"),
        ("srt://93.184.216.34:9000?mode=caller&latency=200", SERVER, "public"),
        ("rtsp://[2606:2800:220:1::1]/stream", SERVER, "public"),
        ("rtsp://192.168.1.7/stream", HOME, "network"),
        ("rtsp://[fd12::7]/stream", HOME, "network"),
    ],
)
def test_what_a_source_may_lead_to(url: str, server: ServerConfig, reach: str) -> None:
    assert check_camera_url(url, server) == reach


def test_only_a_url_of_the_file_leads_anywhere() -> None:
    url = "rtsp://192.168.1.7/stream"
    in_file = CameraConfig(url=url)
    camera = WatchedCamera("yard", "Yard", in_file, ())
    assert camera_reach(camera, in_file, SERVER) == "local"
    changed = WatchedCamera("yard", "Yard", CameraConfig(url="file:///etc/passwd"), ())
    for given_by_api, file in ((camera, None), (changed, in_file), (changed, None)):
        with pytest.raises(SettingsError):
            camera_reach(given_by_api, file, SERVER)
    assert camera_reach(camera, None, HOME) == "network"


def test_names_are_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = {"cam.example": ["93.184.216.34"], "in.example": ["93.184.216.34", "10.0.0.1"]}
    monkeypatch.setattr("costream.serve.api.camera_url.resolve", lambda host, port: addresses[host])
    assert check_camera_url("rtsp://cam.example/stream", SERVER) == "public"
    with pytest.raises(SettingsError, match="camera_networks"):
        check_camera_url("rtsp://in.example/stream", SERVER)


def test_a_name_that_leads_elsewhere_by_now_is_refused_when_it_is_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "costream.serve.api.camera_url.resolve", lambda host, port: ["93.184.216.34"]
    )
    monkeypatch.setattr("costream.video.address.resolve", lambda host, port: ["127.0.0.1"])
    for url in ("http://cam.example/a.mp4", "rtsp://cam.example/a", "srt://cam.example:1"):
        reach = check_camera_url(url, SERVER)
        with pytest.raises(SourceError, match="open internet"):
            open_container(url, 1.0, {}, reach=reach)


@given(st.text())
def test_any_text_is_checked_or_refused_in_a_sentence(text: str) -> None:
    try:
        reach = check_camera_url(f"rtsp://{text}", SERVER)
    except CoStreamError as error:
        assert str(error)
    else:
        assert reach == "public"


@pytest.mark.parametrize(
    "leads_to",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.2:{port}/video.mp4",
        "http://[::1]:{port}/video.mp4",
        "file:///etc/passwd",
        "/../../../etc/passwd",
    ],
)
@pytest.mark.parametrize("way", ["redirect", "playlist", "nested playlist"])
def test_a_camera_that_is_allowed_leads_nowhere_else(
    leads_to: str, way: str, connected: set[str]
) -> None:
    with _camera(leads_to, way) as url:
        reach = check_camera_url(url, HOME)
        assert reach == "network"
        assert _packets(url, reach) == 0
    assert connected == {"127.0.0.1"}


def _packets(url: str, reach: Reach) -> int:
    """Reads a source to its end: how many packets it has."""
    try:
        container = open_container(url, 1.0, {}, reach=reach)
    except SourceError:
        return 0
    try:
        return sum(1 for packet in container.demux() if packet.size)
    except (CoStreamError, OSError):
        return 0
    finally:
        close_container(container)


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Addresses that were connected to: FFmpeg connects to none by itself."""
    seen: set[str] = set()
    connect = socket.create_connection

    def noted(address: tuple[str, int], *args: Any) -> socket.socket:
        seen.add(address[0])
        return connect(address, *args)

    monkeypatch.setattr(socket, "create_connection", noted)
    return seen


def test_the_api_refuses_such_urls_and_says_why(owner: TestClient) -> None:
    for url in ("file:///etc/passwd", "http://169.254.169.254/", "rtsp://user:hunter2@10.0.0.1/"):
        answer = owner.post("/api/cameras", json={"id": "yard", "url": url})
        assert answer.status_code == 422
        assert "hunter2" not in answer.text
        assert answer.json()["error"]["field"] == "url"
        changed = owner.patch("/api/cameras/camera-1", json={"url": url})
        assert changed.status_code == 422


@contextmanager
def _camera(leads_to: str, way: str) -> Iterator[str]:
    """Serves what leads elsewhere over HTTP; yields its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            target = leads_to.format(port=self.server.server_address[1])
            if way == "redirect":
                self._answer(302, {"Location": target}, b"")
            elif way == "nested playlist" and self.path == "/":
                self._list("#EXT-X-STREAM-INF:BANDWIDTH=1\n/second.m3u8")
            else:
                self._list(f"#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{target}\n#EXT-X-ENDLIST")

        def _list(self, lines: str) -> None:
            kind = {"Content-Type": "application/vnd.apple.mpegurl"}
            self._answer(200, kind, f"#EXTM3U\n{lines}\n".encode())

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()
