"""OpenAI-compatible routes: a camera's window or a video is asked about in free form."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack
from functools import partial

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from costream.engine.reply import Reply
from costream.serve.api.answerer import Answerer
from costream.serve.api.body_limit import INLINE_LIMIT
from costream.serve.api.chat_body import CAMERA, ChatBody, schema_of
from costream.serve.api.chat_completion import Completion
from costream.serve.api.chat_errors import ERRORS, ApiError, OpenAIRoute, no_videos
from costream.serve.api.chat_files import files_router, no_files_router
from costream.serve.api.chat_models import models_router
from costream.serve.api.chat_sent import SentVideos
from costream.serve.api.chat_slots import Slots
from costream.serve.api.chat_target import Target

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


def chat_router(answerer: Answerer, sent: SentVideos | None) -> APIRouter:
    """Returns the routes below ``/v1``: chat completions, models and files.

    Args:
        answerer: the service.
        sent: the videos that are sent to it; None where it takes none.
    """
    chat = Chat(answerer, sent)
    router = APIRouter()
    router.include_router(models_router(answerer))
    router.include_router(no_files_router() if sent is None else files_router(sent.uploads))
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
    if sent is not None:
        router.add_event_handler("shutdown", sent.close)
    return router


class Chat:
    """Answers chat completions. One event loop uses it.

    Args:
        answerer: the service.
        sent: the videos that are sent to it; None where it takes none.
    """

    def __init__(self, answerer: Answerer, sent: SentVideos | None) -> None:
        self._answerer = answerer
        self._sent = sent
        self._slots = Slots(REPLIES, "replies")
        self._inline_slots = Slots(INLINE_AT_ONCE, "requests that hold a video")

    async def create_chat_completion(self, request: Request) -> Response:
        """Answers with a reply, whole or as Server-Sent Events while it is written."""
        async with AsyncExitStack() as stack:
            stack.enter_context(self._slots.held())
            body, target = await self._understood(request)
            stack.push_async_callback(asyncio.to_thread, target.give_back)
            reply = await asyncio.to_thread(target.inquire, body.turns, body.options)
            stack.callback(reply.cancel)
            stack.callback(asyncio.create_task(_cancel_when_gone(request, reply)).cancel)
            pieces = aiter(reply)
            first = await anext(pieces, "")
            if reply.sight is None:
                raise ApiError(408, "the request was given up")
            fresh = await asyncio.to_thread(target.begun)
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
            chunks = await self._received(request, large)
            body = await asyncio.to_thread(_parsed, chunks)
            return body, await asyncio.to_thread(self._target, body)

    async def _received(self, request: Request, large: ExitStack) -> list[bytes]:
        """Takes a request to its end.

        Args:
            request: the request.
            large: holds a slot while the request is in memory, where it holds a video.
        """
        chunks, size = list[bytes](), 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > INLINE_LIMIT:
                raise ApiError(
                    413,
                    f"a request has {INLINE_LIMIT} bytes at most: upload the video by /v1/files",
                )
            if size > WORDS and self._sent is None:
                chunks.clear()  # a refusal is seen by whoever may send to the end
                continue
            if size > WORDS >= size - len(chunk):
                large.enter_context(self._inline_slots.held())
            chunks.append(chunk)
        if size > WORDS and self._sent is None:
            raise no_videos()
        return chunks

    def _target(self, body: ChatBody) -> Target:
        """Finds what is asked about; a video is begun to be read where it has not stayed."""
        camera, url = body.target(self._answerer.model), body.video()
        if camera is not None and url is not None:
            raise ApiError(400, "a camera and a video are named: ask about one of them")
        if camera is not None:
            return Target(partial(self._answerer.inquire, camera), {"camera": camera})
        if url is None:
            how = f"name a camera, as model '{CAMERA}ID' or as camera"
            more = "" if self._sent is None else ", or send a video"
            raise ApiError(400, how + more, param="messages")
        if self._sent is None:
            raise no_videos()
        return self._sent.target(url)


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
