"""A sink that keeps what it is told."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from costream.errors import DeliveryError
from costream.serve.config.model import Filter
from costream.serve.config.watched import WatchedCamera
from costream.serve.events.event import EventMessage
from costream.serve.sinks.base import Sink
from costream.serve.sinks.outlet import Outlet


class CollectingSink(Sink):
    """Takes all messages, or fails as long as it has ``errors``."""

    def __init__(self) -> None:
        self.messages: list[EventMessage] = []
        self.errors: list[Exception] = []
        self.announced: list[Sequence[WatchedCamera]] = []
        self.closed = threading.Event()

    def deliver(self, message: EventMessage) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.messages.append(message)

    def announce(self, cameras: Sequence[WatchedCamera]) -> None:
        self.announced.append(cameras)

    def close(self) -> None:
        self.closed.set()

    @property
    def changes(self) -> list[str]:
        return [message.change for message in self.messages]


class PromptSink(CollectingSink):
    """Is told of every change at once."""

    prompt = True


class HangingSink(Sink):
    """Hangs with its first message until it is let go."""

    def __init__(self) -> None:
        self.hangs = threading.Event()
        self.released = threading.Event()

    def deliver(self, message: EventMessage) -> None:
        self.hangs.set()
        self.released.wait(60)
        raise DeliveryError("it hung")


ALL = ("new", "update", "end")


def an_outlet(sink: Sink, *, changes: Sequence[str] = ALL, **filters: Any) -> Outlet:
    return Outlet("test", sink, Filter.model_validate({"changes": changes, **filters}))
