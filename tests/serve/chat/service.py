"""A service with a camera, served by a real server on the loopback."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from costream.engine.engine import Engine
from costream.engine.handle import WatchHandle
from costream.engine.reply import Reply, ReplyOptions
from costream.engine.session import Session
from costream.errors import NoWindowError, UnknownError
from costream.serve.api.answerer import Answerer
from costream.serve.api.chat import chat_router
from costream.serve.api.chat_sent import SentVideos
from costream.turn import Turn

SOON = 30.0
"""Seconds in which what is waited for must have come, on a busy machine."""


@dataclass
class Service:
    """Stands for the service."""

    engine: Engine
    session: Session
    folder: Path
    cameras: dict[str, WatchHandle]
    model: str = "costream/test"
    max_upload: int = 1 << 20

    def camera_ids(self) -> Sequence[str]:
        return [*self.cameras, "asleep"]

    def inquire(self, camera: str, turns: Sequence[Turn], options: ReplyOptions) -> Reply:
        if camera == "asleep":
            raise NoWindowError("the camera asleep is not watched now")
        if camera not in self.cameras:
            raise UnknownError(f"there is no camera {camera!r}")
        return self.cameras[camera].reply(turns, options)


@contextmanager
def served(answerer: Answerer, sent: SentVideos | None) -> Iterator[str]:
    """Serves a chat; gives the URL."""
    app = FastAPI()
    app.include_router(chat_router(answerer, sent))
    config = uvicorn.Config(app, port=0, log_level="warning", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(SOON)


def until(holds) -> None:  # type: ignore[no-untyped-def]
    """Waits until something holds."""
    end = time.monotonic() + SOON
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)
