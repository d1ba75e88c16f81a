"""Web servers on the loopback that count what they are asked for."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Page:
    """What a path is answered with."""

    body: bytes = b""
    kind: str = "application/octet-stream"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    ranges: bool = False
    sized: bool = True


@dataclass
class Site:
    """A server: its pages by path, or what makes them, and the paths asked for so far."""

    url: str
    port: int
    pages: dict[str, Page | Callable[[dict[str, str]], Page]] = field(default_factory=dict)
    hits: list[str] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)


class _Handler(http.server.BaseHTTPRequestHandler):
    site: Site

    def do_GET(self):
        self.site.hits.append(self.path)
        self.site.asked.append(dict(self.headers.items()))
        page = self.site.pages.get(self.path.partition("?")[0], Page(status=404))
        page = page(dict(self.headers.items())) if callable(page) else page
        body, status, headers = page.body, page.status, dict(page.headers)
        if page.ranges and "Range" in self.headers:
            first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
            end = int(last) + 1 if last else len(body)
            headers["Content-Range"] = f"bytes {first}-{end - 1}/{len(body)}"
            body, status = body[int(first) : end], 206
        self.send_response(status)
        self.send_header("Content-Type", page.kind)
        if page.sized:
            self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(body)

    def do_CONNECT(self):
        self.site.hits.append("CONNECT")
        self.send_error(500)

    def log_message(self, *args):
        pass


@contextmanager
def serving(host: str = "127.0.0.1", ssl_context=None) -> Iterator[Site]:
    """Runs a site; every address in 127.0.0.0/8 is a host of its own."""
    with http.server.ThreadingHTTPServer((host, 0), http.server.BaseHTTPRequestHandler) as server:
        scheme = "http"
        if ssl_context is not None:
            server.socket = ssl_context.wrap_socket(server.socket, server_side=True)
            scheme = "https"
        site = Site(f"{scheme}://{host}:{server.server_port}", server.server_port)
        server.RequestHandlerClass = type("Handler", (_Handler,), {"site": site})
        server.handle_error = lambda *args: None
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()
