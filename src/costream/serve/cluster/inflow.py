"""Streams that cameras send, from the front end on to the node that reads them."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from queue import Empty, Full, Queue
from typing import Literal

from costream.errors import SourceError

Kind = Literal["push", "edge"]
"""What is sent: a camera's own stream, or a request of its edge."""

WAITING = 64
"""Pieces that wait for whoever takes a stream."""

STUCK = 30.0
"""Seconds for which nothing may be taken of a stream."""

SILENT = 120.0
"""Seconds after which a stream of which nothing comes is over: its front end is gone."""

Take = Callable[[Iterator[bytes]], object]
"""Takes a stream to its end; returns what its sender is told."""


class Inflows:
    """The streams that are sent to a node, each taken by a thread. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._open: dict[int, _Inflow] = {}

    def begin(self, take: Take) -> int:
        """Begins with a stream; returns its number."""
        inflow = _Inflow(take)
        with self._lock:
            number = next(self._numbers)
            self._open[number] = inflow
        return number

    def put(self, number: int, piece: bytes) -> bool:
        """Adds to a stream, and waits while too much of it waits; returns whether more is taken."""
        with self._lock:
            inflow = self._open.get(number)
        return inflow is not None and inflow.put(piece)

    def end(self, number: int) -> object:
        """Ends a stream; returns what its sender is told.

        Raises:
            CoStreamError: what whoever took it ended with.
        """
        with self._lock:
            inflow = self._open.pop(number, None)
        if inflow is None:
            raise SourceError("the stream was not heard of for too long: send it again")
        return inflow.end()


class _Inflow:
    """One stream."""

    def __init__(self, take: Take) -> None:
        self._pieces: Queue[bytes | None] = Queue(WAITING)
        self._taken: Future[object] = Future()
        threading.Thread(
            target=self._run, args=(take,), name="costream-inflow", daemon=True
        ).start()

    def put(self, piece: bytes | None) -> bool:
        try:
            self._pieces.put(piece, timeout=0.0 if self._taken.done() else STUCK)
        except Full:
            return False
        return not self._taken.done()

    def end(self) -> object:
        if not self._taken.done():
            self.put(None)
        return self._taken.result(STUCK)

    def _run(self, take: Take) -> None:
        try:
            self._taken.set_result(take(self._chunks()))
        except Exception as error:  # told to whoever sends
            self._taken.set_exception(error)

    def _chunks(self) -> Iterator[bytes]:
        while True:
            try:
                piece = self._pieces.get(timeout=SILENT)
            except Empty:
                return
            if piece is None:
                return
            yield piece
