"""The route by which a camera sends its own stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial

from anyio import CapacityLimiter, from_thread, to_thread
from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from costream.serve.api.access import LongLived, Server, Service
from costream.serve.api.clients import Clients, Closing
from costream.serve.api.errors import ERRORS
from costream.serve.api.schema import Id, Pushed
from costream.serve.cameras.push import FRAMED, LONGEST_GAP

router = APIRouter(prefix="/api/cameras", tags=["cameras"], responses=ERRORS)

_VIDEO = {"schema": {"type": "string", "format": "binary"}}
_KINDS = ("video/mp2t", "video/mp4", FRAMED)
_BODY = {"requestBody": {"required": True, "content": dict.fromkeys(_KINDS, _VIDEO)}}


@router.post("/{id}/push", summary="Send a camera's stream", openapi_extra=_BODY)
async def push(
    service: Service, server: Server, clients: LongLived, request: Request, id: Id
) -> Pushed:
    """Takes a stream, MPEG-TS or fragmented MP4, for as long as it is sent.

    The camera's ``url`` is ``push``. A sender that has nothing to send sends a null packet of
    MPEG-TS, or an empty ``free`` box of MP4, before it has been silent for the camera's ``timeout``
    and the server's ``idle_timeout``. One that sends only what changed says so in records,
    ``application/x-costream``, in which it can tell of a gap.
    """
    camera = await to_thread.run_sync(service.camera, id)
    if camera.config.url != "push":
        raise HTTPException(409, f"camera {id} is not pushed: its url has to be push")
    framed = _kind(request) == FRAMED
    silence = max(camera.config.timeout, server.idle_timeout) + (LONGEST_GAP if framed else 0.0)
    clients.admit()
    with clients.one():
        chunks = _Chunks(request.stream(), clients, silence)
        # A thread of its own: it lasts, and other routes need theirs.
        take = partial(service.push, id, chunks, framed=framed)
        taken = await to_thread.run_sync(take, limiter=CapacityLimiter(1))
    return Pushed(bytes=taken)


def _kind(request: Request) -> str:
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


class _Chunks(Iterator[bytes]):
    """A request's body, for the thread that takes it. It ends when its sender is gone or silent."""

    def __init__(self, stream: AsyncIterator[bytes], clients: Clients, silence: float) -> None:
        self._stream = stream
        self._clients = clients
        self._silence = silence

    def __next__(self) -> bytes:
        while (chunk := from_thread.run(self._next)) is not None:
            if chunk:
                return chunk
        raise StopIteration

    async def _next(self) -> bytes | None:
        try:
            return await self._clients.wait(_anext(self._stream), self._silence)
        except (ClientDisconnect, Closing, TimeoutError):
            return None


async def _anext(stream: AsyncIterator[bytes]) -> bytes | None:
    return await anext(stream, None)
