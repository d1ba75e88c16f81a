"""Requests that last: how many there may be, and how they end with the service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from starlette.exceptions import HTTPException

_T = TypeVar("_T")


class Closing(Exception):
    """The service ends, and so has whatever waits."""


class Clients:
    """Counts requests that last, and has them end. It belongs to one event loop.

    Attributes:
        count: how many there are.
        most: how many there may be.
        dropped: news that listeners were too slow for, of all so far.
    """

    def __init__(self, most: int) -> None:
        self.count = 0
        self.most = most
        self.dropped = 0
        self._closing = asyncio.Event()

    def admit(self) -> None:
        """Refuses a further request if there are too many.

        Raises:
            HTTPException: there are.
        """
        if self.count >= self.most or self._closing.is_set():
            raise HTTPException(
                503,
                f"{self.count} clients listen or send already, as many as may: close one",
                {"Retry-After": "10"},
            )

    @contextmanager
    def one(self) -> Iterator[None]:
        """Counts a request while it lasts."""
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1

    def close(self) -> None:
        """Ends all of them."""
        self._closing.set()

    async def wait(self, awaitable: Awaitable[_T], timeout: float) -> _T:
        """Waits for something for so many seconds.

        Raises:
            TimeoutError: it did not come.
            Closing: the service ends.
        """
        awaited = asyncio.ensure_future(awaitable)
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            await asyncio.wait(
                (awaited, closing), timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )
            if awaited.done():
                return awaited.result()
            raise Closing if closing.done() else TimeoutError
        finally:
            awaited.cancel()
            closing.cancel()
