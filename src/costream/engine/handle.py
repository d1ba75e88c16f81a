"""One stream under watch, as its users hold it."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from enum import Enum

from costream.engine.asks import Ask, zoned_asks
from costream.engine.bell import Bell
from costream.engine.ingest import Reports
from costream.engine.result import Result
from costream.engine.view import StreamView
from costream.engine.wakeup import Wakeup


class Over(Enum):
    """Stands for the end of results."""

    OVER = "over"


class WatchHandle:
    """One stream of a session: its results are taken here. Any thread may use it.

    Iterating, with ``for`` or ``async for``, gives its results in order, each of them once, and
    ends with the stream; what ended a stream that did not end by itself is raised there.

    Results wait here for whoever takes them, at most as many as the session allows. While so many
    wait, no further window of the stream is run: a file is not read on, and the queue of a camera
    skips its oldest frames, and says so. No other stream waits for that.

    Args:
        asks: the questions, checked.
        view: masks and zones of the stream.
        reports: who is told while the stream is read.
        bell: wakes the engine.
        wakeup: wakes who waits for results.
        limit: most results that wait here.
    """

    def __init__(
        self,
        asks: Sequence[Ask],
        view: StreamView,
        reports: Reports,
        bell: Bell,
        wakeup: Wakeup,
        limit: int,
    ) -> None:
        self.view = view
        self.reports = reports
        self._asks = tuple(asks)
        self._bell = bell
        self._wakeup = wakeup
        self._limit = limit
        self._results: deque[Result] = deque()
        self._cancelled = self._ended = False
        self._error: Exception | None = None

    @property
    def asks(self) -> tuple[Ask, ...]:
        """The questions that are asked of the next window."""
        return self._asks

    def ask(self, asks: Sequence[str | Ask]) -> None:
        """Replaces the questions from the next window on that is planned.

        Nothing of the video is computed again for it. ``Result.asked_since`` of a result is the
        number of the first window that its questions were asked of.

        Raises:
            SettingsError: there is no question, one is empty, or one is not valid Unicode; one is
                about a zone that the stream's view doesn't have.
        """
        self._asks = zoned_asks(asks, self.view.zones)
        self._bell.ring()

    def cancel(self) -> None:
        """Ends the watch; results that wait are dropped.

        The engine lets go of the stream before its next batch: :meth:`wait` waits for that. Then
        the caller closes the stream.
        """
        with self._wakeup.lock:
            self._cancelled = True
            self._results.clear()
        self._wakeup.notify()
        self._bell.ring()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until the engine has let go of the stream; says whether it has.

        Args:
            timeout: seconds after which it is left at that.
        """
        return self._wakeup.wait(lambda: self._ended or None, timeout) is not None

    @property
    def cancelled(self) -> bool:
        """Whether the watch was cancelled."""
        return self._cancelled

    @property
    def ended(self) -> bool:
        """Whether the engine has let go of the stream. Results may still wait here."""
        return self._ended

    @property
    def error(self) -> Exception | None:
        """What ended a stream that did not end by itself."""
        return self._error

    @property
    def has_room(self) -> bool:
        """Whether a further result may wait here."""
        return len(self._results) < self._limit

    @property
    def waiting(self) -> int:
        """Results that wait here."""
        return len(self._results)

    @property
    def drained(self) -> bool:
        """Whether no result waits here, and none will."""
        return not self._results and (self._ended or self._cancelled)

    def put(self, result: Result) -> None:
        """Adds a result. The engine's thread calls it, where there is room."""
        with self._wakeup.lock:
            if not self._cancelled:
                self._results.append(result)
        self._wakeup.notify()

    def end(self, error: Exception | None = None) -> None:
        """Notes that the engine has let go of the stream, and what of."""
        with self._wakeup.lock:
            self._ended, self._error = True, error
        self._wakeup.notify()

    def take(self) -> Result | Over | None:
        """Returns the next result, or None while there is none; the wakeup's lock is held."""
        if self._results:
            if not self.has_room:
                self._bell.ring()
            return self._results.popleft()
        return Over.OVER if self.drained else None

    def __iter__(self) -> Iterator[Result]:
        while isinstance(item := self._wakeup.wait(self.take), Result):
            yield item
        if self._error is not None:
            raise self._error

    async def __aiter__(self) -> AsyncIterator[Result]:
        while isinstance(item := await self._wakeup.awaited(self.take), Result):
            yield item
        if self._error is not None:
            raise self._error
