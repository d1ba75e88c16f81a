"""The stream of news, as clients read it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx

News = tuple[str, dict[str, Any], str | None]


def told(response: httpx.Response) -> Iterator[News]:
    """Waits until the listener is one, and returns kind, data and id of each news."""
    lines = response.iter_lines()
    assert next(lines) == "retry: 2000"
    return _told(lines)


def _told(lines: Iterator[str]) -> Iterator[News]:
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
            continue
        if "data" in fields:
            yield fields["event"], json.loads(fields["data"]), fields.get("id")
        fields = {}


class Follower:
    """Follows the events of a service, in a thread of its own, until the service ends.

    Attributes:
        messages: what it was told.
    """

    def __init__(self, client: httpx.Client) -> None:
        self.messages: list[dict[str, Any]] = []
        self._client = client
        self._listens = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()
        assert self._listens.wait(30)

    def join(self) -> None:
        """Waits for the end of the service that it follows."""
        self._thread.join(30)
        assert not self._thread.is_alive()

    def _follow(self) -> None:
        query = {"kinds": "event"}
        with (
            suppress(httpx.TransportError),
            self._client.stream("GET", "/api/stream", params=query, timeout=60) as response,
        ):
            news = told(response)
            self._listens.set()
            self.messages += (message for _, message, _ in news)
