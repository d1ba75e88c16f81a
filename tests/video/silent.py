"""A server that lets everybody in and says nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def silent_url() -> Iterator[tuple[str, threading.Event]]:
    """Yields the URL of a camera that never answers, and what is set once somebody has come."""
    connected = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        held: list[socket.socket] = []

        def hold() -> None:
            held.append(server.accept()[0])
            connected.set()

        thread = threading.Thread(target=hold)
        thread.start()
        yield f"rtsp://127.0.0.1:{server.getsockname()[1]}/camera", connected
        thread.join()
        for connection in held:
            connection.close()
