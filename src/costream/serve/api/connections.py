"""Connections of the server: how many there are, and which are closed because they are silent."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import suppress
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from costream.serve.api.authority import Rights


class Connections:
    """All connections of a server. It belongs to one event loop.

    A connection rests while it has no complete request: it may do so for ``idle`` seconds, however
    many bytes of a header come meanwhile. When there are too many connections, one is closed that
    rests or is at a request without rights: the one whose last request with rights is longest ago.
    So whoever opens connections and says nothing, sends a body slowly or does not read keeps nobody
    else out. Connections in a handshake of TLS are counted apart: there are as many of these at
    most.
    """

    def __init__(self, most: int, idle: float) -> None:
        """Prepares for a server.

        Args:
            most: connections at a time.
            idle: seconds.
        """
        self._most = most
        self._idle = idle
        self._all: dict[GuardedProtocol, None] = {}
        self._accepted: dict[int, tuple[socket.socket, float]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def accepted(self, connection: socket.socket) -> None:
        """Takes a connection that is to be :meth:`opened`, at once or after a handshake."""
        gone = [number for number, (one, _) in self._accepted.items() if one.fileno() < 0]
        for number in gone:
            del self._accepted[number]
        self._accepted[connection.fileno()] = connection, time.monotonic()
        if len(self._accepted) > self._most:
            self._give_up(next(iter(self._accepted)))

    def opened(self, connection: GuardedProtocol) -> None:
        """Takes a new connection, whose handshake, if it had one, is over."""
        self._accepted.pop(connection.number, None)
        self._all[connection] = None
        if len(self._all) > self._most:
            may_go = (one for one in self._all if one.rests or not one.may_last)
            oldest = min(may_go, key=lambda one: one.useful)
            # It is told of its end only later, when others may have been opened.
            self.closed(oldest)
            oldest.abort()

    def closed(self, connection: GuardedProtocol) -> None:
        """Forgets a connection."""
        self._all.pop(connection, None)

    async def watch(self) -> None:
        """Closes connections that have rested, or not been read, for too long."""
        while True:
            await asyncio.sleep(min(1.0, self._idle / 4))
            overdue = time.monotonic() - self._idle
            for connection in list(self._all):
                if connection.is_silent_since(overdue):
                    connection.abort()
            for number, (_, since) in list(self._accepted.items()):
                if since < overdue:
                    self._give_up(number)

    def _give_up(self, number: int) -> None:
        """Ends a connection in its handshake; the event loop closes it then."""
        connection, _ = self._accepted.pop(number)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


class GuardedListener(socket.socket):
    """A listening socket whose connections are counted from the moment that they are accepted."""

    guard: Connections

    def accept(self) -> tuple[socket.socket, Any]:
        """Accepts a connection."""
        connection, address = super().accept()
        self.guard.accepted(connection)
        return connection, address


class GuardedProtocol(H11Protocol):
    """A connection that is counted, and closed when it is silent.

    Attributes:
        since: when it began to rest.
        useful: when it answered a request with rights for the last time, or else was opened.
    """

    def __init__(self, guard: Connections, **uvicorn: Any) -> None:
        """Prepares for a connection.

        Args:
            guard: all connections of the server.
            uvicorn: what uvicorn gives a protocol.
        """
        super().__init__(**uvicorn)
        self._guard = guard
        self.since = self.useful = time.monotonic()
        self._unread: float | None = None

    @property
    def number(self) -> int:
        """Of its socket, for the system."""
        return int(self.transport.get_extra_info("socket").fileno())

    @property
    def rests(self) -> bool:
        """Whether it has no complete request."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def may_last(self) -> bool:
        """Whether its request may last: to send for long takes the token."""
        rights = self._rights
        return rights.change or (rights.read and not self.cycle.more_body)

    @property
    def _rights(self) -> Rights:
        """Those of its last request; none before they were looked at."""
        found = None if self.cycle is None else self.cycle.scope["state"].get("rights")
        return found if isinstance(found, Rights) else Rights(read=False, change=False)

    def is_silent_since(self, moment: float) -> bool:
        """Whether it has rested since a moment, or its client has read nothing since then."""
        unread = self._unread is not None and self._unread < moment
        return unread or (self.rests and self.since < moment)

    def abort(self) -> None:
        """Closes it at once."""
        self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Is called by the event loop."""
        super().connection_made(transport)
        self._guard.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Is called by the event loop."""
        self._guard.closed(self)
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Is called when a response was sent."""
        self.since = time.monotonic()
        if self._rights.read:
            self.useful = self.since
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Is called by the event loop when the client does not read what it was sent."""
        self._unread = time.monotonic()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Is called by the event loop when it does again."""
        self._unread = None
        super().resume_writing()
