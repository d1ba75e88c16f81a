"""A service with a page: a made-up backend, a model that always says the same, a real socket."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import SecretStr

from costream.serve.api.app import create_app
from costream.serve.api.server import serve
from costream.serve.config.model import ServerConfig
from costream.serve.events.event import Event
from tests.serve.fakes import FakeBackend

TOKEN = "correct-horse-battery-staple"
PATIENCE = 30.0


class CalmBackend(FakeBackend):
    """A backend in which events begin and end only when a test says so."""

    turn = threading.RLock()

    def step(self, now: float) -> None:
        with self.turn:
            super().step(now)

    def begin_event(self, now: float, **details: Any) -> Any:
        """Leaves it to :meth:`happen`."""

    def end_event(self, id: str, now: float) -> Any:
        """Leaves it to :meth:`pass_by`."""

    def happen(self, **details: Any) -> Event:
        """Has an event begin before the first camera."""
        with self.turn:
            return super().begin_event(time.time(), **details)

    def pass_by(self, event: Event) -> None:
        """Has an event be over."""
        with self.turn:
            super().end_event(event.id, time.time())


@dataclass
class Chat:
    """What is asked, and what is answered.

    Attributes:
        answer: the text of every answer.
        refusal: what is said instead, as an error.
        asked: bodies of requests.
    """

    answer: str = "A person in a bright coat walks to the door."
    refusal: str | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)

    def router(self) -> APIRouter:
        router = APIRouter()

        @router.post("/v1/chat/completions", response_model=None)
        async def complete(request: Request) -> Response:
            self.asked.append(await request.json())
            if self.refusal:
                return JSONResponse({"error": {"message": self.refusal}}, 409)
            return StreamingResponse(self._pieces(), media_type="text/event-stream")

        return router

    async def _pieces(self) -> AsyncIterator[str]:
        for word in self.answer.split(" "):
            chunk = {"choices": [{"index": 0, "delta": {"content": f"{word} "}}]}
            yield f"data: {json.dumps(chunk)}\n\n"
            await asyncio.sleep(0)
        yield "data: [DONE]\n\n"


@dataclass
class Service:
    """A service that runs.

    Attributes:
        url: where.
        backend: what it is made of.
        chat: what answers.
    """

    url: str
    backend: CalmBackend
    chat: Chat


@contextmanager
def served(backend: CalmBackend, chat: Chat, server: ServerConfig) -> Iterator[str]:
    """Serves the API and the page, and has the backend move."""
    app = create_app(backend, server, routers=[chat.router()])
    ready, stop, urls = threading.Event(), threading.Event(), list[str]()

    def on_ready(url: str) -> None:
        urls.append(url)
        ready.set()

    threads = [
        threading.Thread(target=serve, args=(app, server, on_ready, stop)),
        threading.Thread(target=backend.run, args=(stop,)),
    ]
    for thread in threads:
        thread.start()
    try:
        assert ready.wait(PATIENCE)
        yield urls[0]
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()


def server_of(**fields: Any) -> ServerConfig:
    """A configuration with a token, on any port."""
    return ServerConfig.model_validate({"token": SecretStr(TOKEN), "port": 0, **fields})
