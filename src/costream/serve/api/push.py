"""The route by which a camera sends its own stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict
from functools import partial
from typing import Annotated

from anyio import CapacityLimiter, from_thread, to_thread
from fastapi import APIRouter, Query, Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from costream.edge.wire import FRAMED, LONGEST_GAP
from costream.serve.api.access import LongLived, Server, Service
from costream.serve.api.clients import Clients, Closing
from costream.serve.api.errors import ERRORS
from costream.serve.api.schema import EdgeTold, Id, Pushed
from costream.serve.backend import Backend

router = APIRouter(prefix="/api/cameras", tags=["cameras"], responses=ERRORS)

_VIDEO = {"schema": {"type": "string", "format": "binary"}}
_KINDS = ("video/mp2t", "video/mp4", FRAMED)
_BODY = {"requestBody": {"required": True, "content": dict.fromkeys(_KINDS, _VIDEO)}}


@router.post(
    "/{id}/push",
    summary="Send a camera's stream",
    openapi_extra=_BODY,
    response_model_exclude_none=True,
)
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
    url, framed = camera.config.url, _kind(request) == FRAMED
    if url not in ("push", "edge"):
        raise HTTPException(409, f"camera {id} is not pushed: its url has to be push or edge")
    if url == "edge" and not framed:
        raise HTTPException(415, f"camera {id} is sent by costream edge alone, as {FRAMED}")
    silence = max(camera.config.timeout, server.idle_timeout)
    silence += LONGEST_GAP if framed and url == "push" else 0.0
    clients.admit()
    with clients.one():
        chunks = _Chunks(request.stream(), clients, silence)
        # A thread of its own: it lasts, and other routes need theirs.
        take = partial(_take_edge if url == "edge" else _take, service, id, chunks, framed)
        return await to_thread.run_sync(take, limiter=CapacityLimiter(1))


@router.get("/{id}/recording", summary="A camera's newest seconds, from its edge")
async def recording(
    service: Service,
    clients: LongLived,
    id: Id,
    seconds: Annotated[float, Query(gt=0, le=3600)] = 20.0,
) -> Response:
    """Asks the camera's edge for its newest seconds in full, what was not shown included.

    The camera's ``url`` is ``edge``. The edge keeps a bounded stretch, and reads the wish with the
    answer to its next request. MP4, or Matroska for codecs that it does not take.
    """
    clients.admit()
    with clients.one():
        # A thread of its own: it waits for the edge.
        limiter = CapacityLimiter(1)
        found = await to_thread.run_sync(service.recording, id, seconds, limiter=limiter)
    mp4 = found[4:8] == b"ftyp"
    return Response(found, media_type="video/mp4" if mp4 else "video/x-matroska")


def _take(service: Backend, id: str, chunks: _Chunks, framed: bool) -> Pushed:
    return Pushed(bytes=service.push(id, chunks, framed=framed))


def _take_edge(service: Backend, id: str, chunks: _Chunks, framed: bool) -> Pushed:
    reply = service.take_edge(id, chunks)
    return Pushed(bytes=chunks.taken, edge=EdgeTold(**asdict(reply)))


def _kind(request: Request) -> str:
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


class _Chunks(Iterator[bytes]):
    """A request's body, for the thread that takes it. It ends when its sender is gone or silent."""

    def __init__(self, stream: AsyncIterator[bytes], clients: Clients, silence: float) -> None:
        self._stream = stream
        self._clients = clients
        self._silence = silence
        self.taken = 0

    def __next__(self) -> bytes:
        while (chunk := from_thread.run(self._next)) is not None:
            if chunk:
                self.taken += len(chunk)
                return chunk
        raise StopIteration

    async def _next(self) -> bytes | None:
        try:
            return await self._clients.wait(_anext(self._stream), self._silence)
        except (ClientDisconnect, Closing, TimeoutError):
            return None


async def _anext(stream: AsyncIterator[bytes]) -> bytes | None:
    return await anext(stream, None)
