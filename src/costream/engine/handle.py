"""One stream under watch, as its users hold it."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

from costream.engine.asks import Ask, zoned_asks
from costream.engine.bell import Bell
from costream.engine.dialogue import checked_turns
from costream.engine.ingest import Reports
from costream.engine.reply import Reply, ReplyOptions
from costream.engine.result import Result
from costream.engine.view import StreamView
from costream.engine.wakeup import Over, Wakeup
from costream.turn import Turn


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
        inquire: has a reply about the stream be written.
    """

    patient = False
    """Whether a reply waits for the stream's first window."""

    def __init__(
        self,
        asks: Sequence[Ask],
        view: StreamView,
        reports: Reports,
        bell: Bell,
        wakeup: Wakeup,
        limit: int,
        inquire: Callable[[WatchHandle, Reply], None],
    ) -> None:
        self.view = view
        self.reports = reports
        self._asks = tuple(asks)
        self._bell = bell
        self._wakeup = wakeup
        self._limit = limit
        self._inquire = inquire
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

    def inquire(
        self,
        messages: str | Sequence[Turn],
        *,
        max_tokens: int = 512,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int | None = None,
        stop: Sequence[str] = (),
        likeliest: int = 0,
    ) -> Reply:
        """Asks about the stream's window in free form; the reply is taken from what it returns.

        The window that was answered last is asked about. It lies in the pool: nothing of the video
        is computed again, no window is waited for, and results are what they are without. Replies
        of all streams are written in turn between two batches, for a moment each time
        (:data:`~costream.engine.replies.TURN`).

        Args:
            messages: the question, or a conversation that ends with one. A text as long as a book
                keeps the caller for seconds.
            max_tokens: most tokens of the reply.
            temperature: 0 for the likeliest token each time, else tokens are drawn.
            top_p: tokens are drawn of the likeliest ones that have this probability together.
            seed: of the draws.
            stop: texts before which the reply ends.
            likeliest: how many tokens are told beside each that was written.

        Raises:
            SettingsError: a message is empty or no valid Unicode, a user's is not first and last,
                or a value is out of range; the session is at its end.
        """
        options = ReplyOptions(max_tokens, temperature, top_p, seed, tuple(stop), likeliest)
        return self.reply(messages, options)

    def reply(self, messages: str | Sequence[Turn], options: ReplyOptions) -> Reply:
        """Asks about the stream's window in free form, as :meth:`inquire` does.

        Args:
            messages: the question, or a conversation that ends with one.
            options: how the reply is written.

        Raises:
            SettingsError: see :meth:`inquire`.
        """
        reply = Reply(checked_turns(messages), options, self._wakeup, self._bell.ring)
        self._inquire(self, reply)
        return reply

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
