"""A web server that takes webhooks, or answers with what a test says."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Listens on a port of the loopback, from :meth:`start` to :meth:`stop` and again.

    Attributes:
        requests: all that were taken with a 2xx status.
        seen: how many there were at all.
        statuses: of the next answers; 200 once there are none.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.seen = 0
        self.statuses: list[int] = []
        self.hang: threading.Event | None = None
        self._port = 0
        self._server: ThreadingHTTPServer | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"http://user:verysecret@127.0.0.1:{self._port}/hooks/verysecret?token=verysecret"

    def start(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), self._handler())
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _answer(self, request: Request) -> int:
        self.seen += 1
        if self.hang is not None:
            self.hang.wait(30)
        status = self.statuses.pop(0) if self.statuses else 200
        if 200 <= status < 300:
            self.requests.append(request)
        return status

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status = receiver._answer(Request(self.path, headers, body))
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", receiver.url)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        return Handler
