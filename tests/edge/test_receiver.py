"""What an edge sends to, and what it is refused."""

from __future__ import annotations

import json
import socket
import threading

import pytest

from costream.edge.receiver import Receiver
from costream.errors import DeliveryError, RejectedError, SettingsError


@pytest.mark.parametrize(
    "url", ["door", "ftp://host/x", "http://", "http://user@host/x", "http://host/x?token=y", ""]
)
def test_what_is_no_receivers_url_is_refused(url: str) -> None:
    with pytest.raises(SettingsError):
        Receiver(url, None)


@pytest.mark.parametrize("host", ["192.0.2.7", "cameras.example.org", "[2001:db8::1]"])
def test_a_token_goes_over_no_network_unencrypted(host: str) -> None:
    with pytest.raises(SettingsError, match="unencrypted"):
        Receiver(f"http://{host}/api/cameras/door/push", "secret")
    Receiver(f"https://{host}/api/cameras/door/push", "secret")
    Receiver(f"http://{host}/api/cameras/door/push", None)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_on_this_machine_it_may(host: str) -> None:
    Receiver(f"http://{host}:8470/api/cameras/door/push", "secret")


def test_a_token_of_several_lines_is_refused() -> None:
    with pytest.raises(SettingsError, match="header") as told:
        Receiver("https://host/x", "two\nlines")
    assert "two" not in str(told.value)


def test_nobody_there_is_told_without_the_token() -> None:
    with pytest.raises(DeliveryError, match="can't reach 127") as told:
        Receiver("http://127.0.0.1:9/x", "secret").send([b"x"])
    assert "secret" not in str(told.value)


SOUND = {"instance": "a", "next": 0, "fps": 2.0, "busy": False, "wanted": []}


@pytest.mark.parametrize(
    "wrong",
    [
        {"next": -1},
        {"next": float("inf")},
        {"fps": 0},
        {"fps": float("nan")},
        {"fps": 1e300},
        {"wanted": [{"id": -1, "seconds": 1}]},
        {"wanted": [{"id": 1 << 32, "seconds": 1}]},
        {"wanted": [{"id": 1, "seconds": float("nan")}]},
        {"wanted": 100 * [{"id": 1, "seconds": 1}]},
        {"wanted": 7},
    ],
)
def test_an_answer_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    body = json.dumps({"edge": SOUND | wrong}).encode()
    with socket.create_server(("127.0.0.1", 0)) as server:
        answering = threading.Thread(target=_answer_once, args=(server, body))
        answering.start()
        receiver = Receiver(f"http://127.0.0.1:{server.getsockname()[1]}/x", None, timeout=10.0)
        with pytest.raises(RejectedError, match="no receiver of an edge"):
            receiver.send([b"x"])
        receiver.close()
        answering.join()


def _answer_once(server: socket.socket, body: bytes) -> None:
    near, _ = server.accept()
    with near:
        received = b""
        while not received.endswith(b"x"):
            received += near.recv(1 << 16)
        near.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
