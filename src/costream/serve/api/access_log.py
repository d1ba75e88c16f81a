"""One line in the log for each request, without anything secret in it.

What was read without trouble is logged for who debugs: a page that is open reads several times a
second, and an edge sends as often.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from costream.printable import printable
from costream.serve.api.body_limit import is_push

_log = logging.getLogger(__name__)

_LONGEST_PATH = 200

Counted = Callable[[str, int], None]
"""Is told the method and the status of each answer."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class AccessLog:
    """Logs method, path without its query, status and milliseconds of each request."""

    def __init__(self, app: ASGIApp, *, counted: Counted) -> None:
        """Watches an application.

        Args:
            app: what is watched.
            counted: is told of each answer.
        """
        self._app = app
        self._counted = counted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        started = time.perf_counter()

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            self._note(scope, status, 1000 * (time.perf_counter() - started))

    def _note(self, scope: Scope, status: int, ms: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        path = printable(scope["path"])[:_LONGEST_PATH]
        fields = {"method": method, "path": path, "status": status, "ms": round(ms, 1)}
        usual = method in ("GET", "HEAD") or is_push(scope["path"])
        level = logging.DEBUG if usual and status < 400 else logging.INFO
        _log.log(level, "%s %s %d %.1f ms", method, path, status, ms, extra={"fields": fields})
        self._counted(method, status)
