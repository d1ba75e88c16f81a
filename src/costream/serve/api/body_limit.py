"""How large a request's body may be, and how long it may take to come."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from costream.serve.api.errors import refusal

JSON_LIMIT = 1 << 20
"""Bytes of an ordinary body."""

FORM_LIMIT = 64 << 10
"""Bytes of a form around an uploaded file."""

INLINE_LIMIT = 128 << 20
"""Bytes of a question that holds a video itself."""

PATIENCE = 30.0
"""Seconds in which an ordinary body has to come."""

_PUSH = re.compile(r"/api/cameras/[^/]+/push")
_CLOSE = {"Connection": "close"}


def is_push(path: str) -> bool:
    """Whether a path is that by which a camera's stream is sent."""
    return _PUSH.fullmatch(path) is not None


@dataclass(frozen=True, slots=True)
class Limit:
    """Bounds of a body.

    Attributes:
        size: most bytes, or None for a stream without an end.
        whole: seconds for all of it, or None.
        silence: seconds without a byte of it.
    """

    size: int | None
    whole: float | None
    silence: float


class BodyLimit:
    """Refuses bodies that say they are too large, and cuts off those that turn out to be."""

    def __init__(self, app: ASGIApp, *, max_upload: int, silence: float) -> None:
        """Guards an application.

        Args:
            app: what is guarded.
            max_upload: bytes of an uploaded file.
            silence: seconds for which an upload may rest.
        """
        self._app = app
        self._upload = Limit(max_upload + FORM_LIMIT, None, silence)
        self._inline = Limit(min(INLINE_LIMIT, max_upload), None, silence)
        self._push = Limit(None, None, float("inf"))

    def limit(self, path: str) -> Limit:
        """Returns the bounds of the bodies that are sent to a path."""
        if is_push(path):
            return self._push
        if path == "/v1/files":
            return self._upload
        if path == "/v1/chat/completions":
            return self._inline
        return Limit(JSON_LIMIT, PATIENCE, PATIENCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a request, or refuses it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self.limit(scope["path"])
        announced = HTTPConnection(scope).headers.get("content-length", "0")
        if limit.size is not None and announced.isdecimal() and int(announced) > limit.size:
            response = refusal(413, _too_large(limit.size), headers=_CLOSE)
            await response(scope, receive, send)
            return
        await self._app(scope, _Bounded(receive, limit), send)


class _Bounded:
    """A request's body, until it is too large or too late."""

    def __init__(self, receive: Receive, limit: Limit) -> None:
        self._receive = receive
        self._limit = limit
        self._taken = 0
        self._until = time.monotonic() + (limit.whole or float("inf"))
        self._complete = False

    async def __call__(self) -> Message:
        if self._complete or self._limit.size is None:
            return await self._receive()
        wait = min(self._limit.silence, self._until - time.monotonic())
        try:
            message = await asyncio.wait_for(self._receive(), wait)
        except asyncio.TimeoutError:
            raise HTTPException(408, "the request took too long to come", _CLOSE) from None
        self._taken += len(message.get("body", b""))
        if self._taken > self._limit.size:
            raise HTTPException(413, _too_large(self._limit.size), _CLOSE)
        self._complete = not message.get("more_body", False)
        return message


def _too_large(limit: int) -> str:
    return f"the request is larger than the {limit} bytes that are taken here"
