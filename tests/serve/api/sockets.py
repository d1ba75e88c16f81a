"""Raw connections to a server: what no client of HTTP would send."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from urllib.parse import urlsplit

PATIENCE = 30.0


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    return socket.create_connection((parts.hostname, parts.port), PATIENCE)


def request(url: str, head: str, *, token: str | None = None) -> bytes:
    """The head of a request, with Host and token."""
    host = urlsplit(url).netloc
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    return f"{head}\r\nHost: {host}\r\n{authorization}".encode()


def answer(connection: socket.socket) -> bytes:
    """All that comes until the server closes the connection."""
    received = b""
    try:
        while data := connection.recv(1 << 16):
            received += data
    except ConnectionError:
        pass
    return received


def is_closed(connection: socket.socket) -> bool:
    """Whether the server has closed a connection that it sends nothing on."""
    connection.setblocking(False)
    try:
        return not connection.recv(1)
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def eventually(condition: Callable[[], bool], patience: float = PATIENCE) -> bool:
    until = time.monotonic() + patience
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return condition()
