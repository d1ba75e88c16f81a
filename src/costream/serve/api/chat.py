"""OpenAI-compatible routes: a camera's window or a video is asked about in free form."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from costream.serve.api.answerer import Answerer
from costream.serve.api.body_limit import INLINE_LIMIT
from costream.serve.api.chat_body import CAMERA, ChatBody, schema_of, upload_id
from costream.serve.api.chat_completion import Completion
from costream.serve.api.chat_errors import ERRORS, ApiError, OpenAIRoute
from costream.serve.api.chat_files import files_router
from costream.serve.api.chat_models import models_router
from costream.serve.api.chat_slots import Slots
from costream.serve.api.chat_uploads import Uploads, stored
from costream.serve.api.chat_videos import Video, Videos

if TYPE_CHECKING:
    from costream.engine.handle import WatchHandle
    from costream.engine.reply import Reply

REPLIES = 16
"""Replies that are under way at a time, those that wait for their turn among them."""

WORDS = 1 << 20
"""Bytes of the largest request, beside a video that it holds."""

INLINE_AT_ONCE = 2
"""Requests that may hold a video at a time: each is in memory several times over."""

VALUES = 1 << 18
"""Most commas, brackets and braces of a request: each may begin a value, of many times its size.
There is none in base64."""

_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": schema_of(ChatBody)}},
    }
}

_SSE = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@dataclass(frozen=True)
class Target:
    """What is asked about.

    Attributes:
        handle: its window.
        video: the video, where it is one.
        about: what is told of it.
    """

    handle: WatchHandle
    video: Video | None
    about: dict[str, str]


def chat_router(answerer: Answerer) -> APIRouter:
    """Returns the routes below ``/v1``: chat completions, models and files.

    Args:
        answerer: the service.
    """
    uploads = Uploads(answerer.folder / "uploads", answerer.max_upload)
    chat = Chat(answerer, uploads)
    router = APIRouter()
    router.include_router(models_router(answerer))
    router.include_router(files_router(uploads))
    router.add_api_route(
        "/v1/chat/completions",
        chat.create_chat_completion,
        methods=["POST"],
        summary="Ask a camera or a video in free form",
        tags=["chat"],
        route_class_override=OpenAIRoute,
        responses=ERRORS,
        response_model=None,
        openapi_extra=_BODY,
    )
    router.add_event_handler("shutdown", chat.videos.close)
    return router


class Chat:
    """Answers chat completions. One event loop uses it.

    Args:
        answerer: the service.
        uploads: videos that were uploaded.

    Attributes:
        videos: those that stay.
    """

    def __init__(self, answerer: Answerer, uploads: Uploads) -> None:
        self.videos = Videos(answerer)
        self._answerer = answerer
        self._uploads = uploads
        self._slots = Slots(REPLIES, "replies")
        self._inline_slots = Slots(INLINE_AT_ONCE, "requests that hold a video")

    async def create_chat_completion(self, request: Request) -> Response:
        """Answers with a reply, whole or as Server-Sent Events while it is written."""
        async with AsyncExitStack() as stack:
            stack.enter_context(self._slots.held())
            body, target = await self._understood(request)
            if target.video is not None:
                stack.push_async_callback(asyncio.to_thread, self.videos.give_back, target.video)
            inquire = partial(target.handle.inquire, body.turns, **body.options)
            reply = await asyncio.to_thread(inquire)
            stack.callback(reply.cancel)
            stack.callback(asyncio.create_task(_cancel_when_gone(request, reply)).cancel)
            pieces = aiter(reply)
            first = await anext(pieces, "")
            if reply.sight is None:
                raise ApiError(408, "the request was given up")
            fresh = target.video is not None and await asyncio.to_thread(
                self.videos.read_to_its_end, target.video
            )
            top = (body.top_logprobs or 0) if body.logprobs else None
            completion = Completion(body.model, reply, fresh, top, target.about)
            if not body.stream:
                return JSONResponse(completion.whole(first + await _joined(pieces)))
            usage = body.stream_options is not None and body.stream_options.include_usage
            chunks = completion.chunks(first, pieces, include_usage=usage)
            return ReplyStream(chunks, stack.pop_all())

    async def _understood(self, request: Request) -> tuple[ChatBody, Target]:
        """Reads a request and finds what it asks about."""
        with ExitStack() as large:
            chunks, size = list[bytes](), 0
            async for chunk in request.stream():
                size += len(chunk)
                if size > INLINE_LIMIT:
                    raise ApiError(
                        413,
                        f"a request has {INLINE_LIMIT} bytes at most: upload the video by "
                        "/v1/files",
                    )
                if size > WORDS >= size - len(chunk):
                    large.enter_context(self._inline_slots.held())
                chunks.append(chunk)
            body = await asyncio.to_thread(_parsed, chunks)
            return body, await asyncio.to_thread(self._target, body)

    def _target(self, body: ChatBody) -> Target:
        """Finds what is asked about; a video is begun to be read where it has not stayed."""
        camera, url = body.target(self._answerer.model), body.video()
        if camera is not None and url is not None:
            raise ApiError(400, "a camera and a video are named: ask about one of them")
        if camera is not None:
            return Target(self._answerer.handle(camera), None, {"camera": camera})
        if url is None:
            raise ApiError(
                400,
                f"name a camera, as model '{CAMERA}ID' or as camera, or send a video",
                param="messages",
            )
        id = upload_id(url)
        video = self._uploaded(id) if id is not None else self._inline(url)
        return Target(video.handle, video, {} if id is None else {"file": id})

    def _uploaded(self, id: str) -> Video:
        upload = self._uploads.get(id)
        return self.videos.take(upload.sha256, self._uploads.path(upload))

    def _inline(self, url: str) -> Video:
        """Takes the video out of a ``data:`` URL, into a file until it was read."""
        data = _decoded(url)
        content = hashlib.sha256(data).hexdigest()
        with stored(), self._uploads.incoming(len(data)) as (id, incoming):
            incoming.write(data)
            incoming.flush()
            upload = self._uploads.keep(id, incoming, "inline", "vision")
        discard = partial(self._uploads.forget, upload)
        try:
            return self.videos.take(content, self._uploads.path(upload), discard)
        except BaseException:
            discard()
            raise


class ReplyStream(StreamingResponse):
    """A reply as Server-Sent Events; what it holds is let go of, however it ends.

    Args:
        chunks: the events.
        held: what it holds.
    """

    def __init__(self, chunks: AsyncIterator[str], held: AsyncExitStack) -> None:
        super().__init__(chunks, media_type="text/event-stream", headers=_SSE)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it."""
        async with self._held:
            await super().__call__(scope, receive, send)


def _parsed(chunks: list[bytes]) -> ChatBody:
    """Returns the body of a request.

    Raises:
        ApiError: it would come to more than it is worth.
        ValidationError: it is none.
    """
    raw = b"".join(chunks)
    chunks.clear()
    if sum(map(raw.count, (b",", b"[", b"{"))) > VALUES:
        raise ApiError(413, f"a request has {VALUES} values at most")
    body = ChatBody.model_validate_json(raw)
    # Some write each / of base64 as \/.
    if len(raw) - len(body.video() or "") - raw.count(b"\\/") > WORDS:
        raise ApiError(413, f"a request has {WORDS} bytes at most beside its video")
    return body


async def _joined(pieces: AsyncIterator[str]) -> str:
    return "".join([piece async for piece in pieces])


async def _cancel_when_gone(request: Request, reply: Reply) -> None:
    """Ends a reply that nobody waits for any more."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    reply.cancel()


def _decoded(url: str) -> bytes:
    """Returns the content of a ``data:`` URL of a video.

    Raises:
        ApiError: it is none.
    """
    head, _, text = url.partition(",")
    if not head.startswith("data:video/") or not head.endswith(";base64"):
        raise ApiError(
            400,
            "a video's URL is 'data:video/...;base64,...', or 'upload:ID' after an upload to "
            "/v1/files: videos elsewhere are not fetched",
            param="messages",
            code="invalid_video_url",
        )
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ApiError(400, "the video is not base64", code="invalid_video_url") from error
    if not data:
        raise ApiError(400, "the video is empty", code="invalid_video_url")
    return data
