"""Sources across a network, all of it on the loopback."""

import http.server
import socket
import threading
import time
from functools import partial

import pytest

from costream.errors import SourceError
from costream.video import Stream
from costream.video.sample import TOLD


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def website(clips):
    handler = partial(Quiet, directory=str(clips))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def silent_server():
    """Answers a connection with ``payload`` and then keeps silent."""
    listener = socket.create_server(("127.0.0.1", 0))
    state = {"payload": b"", "connections": []}

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            state["connections"].append(connection)
            connection.sendall(state["payload"])

    thread = threading.Thread(target=accept)
    thread.start()
    state["port"] = listener.getsockname()[1]
    yield state
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()
    for connection in state["connections"]:
        connection.close()


def test_http(website, faststart):
    with Stream(f"{website}/{faststart.name}") as stream:
        assert stream.info.motion in TOLD
        assert stream.info.duration == 4
        assert len(list(stream.samples(2))) == 8
        assert not stream.health.ended_early


def test_http_not_found(website):
    with pytest.raises(SourceError, match="404"):
        Stream(f"{website}/none.mp4").open()


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(SourceError, match="connection refused"):
        Stream(f"http://127.0.0.1:{port}/x.mp4").open()


@pytest.mark.parametrize("scheme", ["http", "rtsp", "tcp"])
def test_a_server_that_never_answers_times_out(silent_server, scheme):
    started = time.monotonic()
    with pytest.raises(SourceError, match=r"no data for 0\.5 s"):
        Stream(f"{scheme}://127.0.0.1:{silent_server['port']}/x", timeout=0.5).open()
    assert time.monotonic() - started < 5


def test_nothing_on_udp_times_out():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(SourceError, match=r"no data for 0\.5 s"):
        Stream(f"udp://127.0.0.1:{port}", timeout=0.5).open()


@pytest.mark.parametrize("scheme", ["tcp", "http"])
def test_a_stream_that_stalls_times_out_after_its_samples(silent_server, transport, scheme):
    body = transport.read_bytes()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\n\r\n" if scheme == "http" else b""
    silent_server["payload"] = head + body[: len(body) * 3 // 4]
    samples = []
    started = time.monotonic()
    stream = Stream(f"{scheme}://127.0.0.1:{silent_server['port']}/x", timeout=1)
    with stream, pytest.raises(SourceError, match=r"stopped: no data for 1 s"):
        for sample in stream.samples(5):
            samples.append(sample)
    assert samples
    assert time.monotonic() - started < 10
