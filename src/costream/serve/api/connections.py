"""Connections of the server: how many there are, and which are closed because they are silent."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


class Connections:
    """All connections of a server. It belongs to one event loop.

    A connection rests while it has no complete request: it may do so for ``idle`` seconds, however
    many bytes of a header come meanwhile. When there are too many connections, the one that has
    rested longest is closed, and a new one only where none rests. So whoever opens connections and
    says nothing keeps nobody else out.
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

    def __len__(self) -> int:
        return len(self._all)

    def opened(self, connection: GuardedProtocol) -> None:
        """Takes a new connection."""
        self._all[connection] = None
        if len(self._all) > self._most:
            resting = (one for one in self._all if one.rests)
            oldest = min(resting, key=lambda one: one.since)
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


class GuardedProtocol(H11Protocol):
    """A connection that is counted, and closed when it is silent.

    Attributes:
        since: when it began to rest.
    """

    def __init__(self, guard: Connections, **uvicorn: Any) -> None:
        """Prepares for a connection.

        Args:
            guard: all connections of the server.
            uvicorn: what uvicorn gives a protocol.
        """
        super().__init__(**uvicorn)
        self._guard = guard
        self.since = time.monotonic()
        self._unread: float | None = None

    @property
    def rests(self) -> bool:
        """Whether it has no complete request."""
        return self.cycle is None or self.cycle.response_complete

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
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Is called by the event loop when the client does not read what it was sent."""
        self._unread = time.monotonic()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Is called by the event loop when it does again."""
        self._unread = None
        super().resume_writing()
