"""The server: an application on a socket, until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import uvicorn
from fastapi import FastAPI

from costream.errors import SettingsError
from costream.serve.api.authority import token_of
from costream.serve.api.clients import Clients
from costream.serve.api.connections import Connections, GuardedListener, GuardedProtocol
from costream.serve.api.hosts import is_loopback
from costream.serve.config.model import ServerConfig

GRACE = 5
"""Seconds for which requests may go on when the service stops."""

_LONGEST_HEADER = 16 << 10
_BACKLOG = 512


def serve(
    app: FastAPI,
    server: ServerConfig,
    on_ready: Callable[[str], None],
    stop: threading.Event,
) -> None:
    """Serves an application until it is told to stop. Signals are the caller's to handle.

    Args:
        app: what :func:`~costream.serve.api.app.create_app` returned.
        server: where to listen, and limits.
        on_ready: is told the URL as soon as it listens.
        stop: ends it: requests that last are ended, others have :data:`GRACE` seconds.

    Raises:
        SettingsError: it can't listen there.
    """
    check_server(server)
    guard = Connections(server.max_connections, max(server.idle_timeout, 1.0))
    with _listener(server, guard) as listener:
        config = _config(app, server, guard)
        clients: Clients = app.state.clients
        _Server(config, guard, clients, partial(on_ready, _url(server, listener)), stop).run(
            [listener]
        )


def check_server(server: ServerConfig) -> None:
    """Refuses to listen where nobody could use the service, or anybody.

    Raises:
        SettingsError: it may not listen so.
    """
    if token_of(server) is None and not is_loopback(server.host.lower()):
        raise SettingsError(
            f"server.host {server.host} can be reached from elsewhere: set server.token or "
            "server.token_file first"
        )
    if (server.tls_certificate is None) != (server.tls_key is None):
        raise SettingsError("server.tls_certificate and server.tls_key go together: set both")


class _Server(uvicorn.Server):
    def __init__(
        self,
        config: uvicorn.Config,
        guard: Connections,
        clients: Clients,
        on_ready: Callable[[], None],
        stop: threading.Event,
    ) -> None:
        super().__init__(config)
        self._guard = guard
        self._clients = clients
        self._on_ready = on_ready
        self._stop = stop

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._watching = asyncio.ensure_future(self._guard.watch())
        self._on_ready()

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or self._stop.is_set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._clients.close()
        await super().shutdown(sockets)
        self._watching.cancel()


def _config(app: FastAPI, server: ServerConfig, guard: Connections) -> uvicorn.Config:
    try:
        config = uvicorn.Config(
            app,
            http=cast(Any, partial(GuardedProtocol, guard)),
            ws="none",
            # Another loop would not ask our listener for connections.
            loop="asyncio",
            lifespan="auto",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=cast(int, max(server.idle_timeout, 1.0)),
            timeout_graceful_shutdown=GRACE,
            h11_max_incomplete_event_size=_LONGEST_HEADER,
            ssl_certfile=server.tls_certificate,
            ssl_keyfile=server.tls_key,
        )
        config.load()
    except OSError as error:  # SSLError is one
        raise SettingsError(
            "can't use server.tls_certificate with server.tls_key: have both name files of PEM"
        ) from error
    return config


@contextmanager
def _listener(server: ServerConfig, guard: Connections) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    try:
        opened = socket.create_server((server.host, server.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise SettingsError(
            f"can't listen on {server.host}:{server.port}: {_reason(error)}; "
            "choose another server.host or server.port"
        ) from error
    with GuardedListener(fileno=opened.detach()) as listener:
        listener.guard = guard
        yield listener


def _reason(error: OSError) -> str:
    # Python adds the address to what the system says, and numbers its own errors below zero.
    code = error.errno or 0
    return (os.strerror(code) if code > 0 else str(error.strerror)).lower()


def _url(server: ServerConfig, listener: socket.socket) -> str:
    host = f"[{server.host}]" if ":" in server.host else server.host
    scheme = "http" if server.tls_certificate is None else "https"
    return f"{scheme}://{host}:{listener.getsockname()[1]}"
