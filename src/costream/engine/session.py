"""An engine in a thread of its own: streams join, leave and are asked other questions meanwhile."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

from costream.engine.asks import Ask
from costream.engine.handle import WatchHandle
from costream.engine.ingest import OnAudit, OnFrame, OnGap, OnWindow, Reports
from costream.engine.ingest_process import IngestProcess
from costream.engine.result import Result
from costream.engine.roster import Roster
from costream.engine.view import StreamView
from costream.engine.wakeup import Over
from costream.engine.whole_video import VideoHandle
from costream.video import SampleSource

WAITING = 8
"""Results of a stream that wait for whoever takes them, unless the session says otherwise."""

Run = Callable[[Roster], Iterator[tuple[WatchHandle, Result]]]
"""The engine's main loop."""


class Session:
    """Streams that are watched together. Any thread may use it, and any event loop.

    ::

        with engine.session() as session:
            door = session.add(camera, ["Is someone fighting?"])
            for result in door:
                door.ask(["Is there smoke?"])

    One thread of its own runs the engine until the session is closed, whether or not there are
    streams. Results are taken from a stream's handle, or from the session, which gives those of all
    streams in turn, each as (handle, result). Each result is given once.

    Args:
        run: the engine's main loop.
        roster: the streams.
        waiting: most results of a stream that wait: see :class:`WatchHandle`.
        done: called when the engine is free again.
    """

    def __init__(self, run: Run, roster: Roster, waiting: int, done: Callable[[], None]) -> None:
        self._run = run
        self._roster = roster
        self._waiting = waiting
        self._done = done
        self._error: Exception | None = None
        self._over = False
        self._handles: list[WatchHandle] = []
        self._thread = threading.Thread(target=self._drive, name="costream-engine", daemon=True)
        self._thread.start()

    def add(
        self,
        stream: SampleSource | IngestProcess,
        ask: Sequence[str | Ask],
        *,
        view: StreamView | None = None,
        on_frame: OnFrame | None = None,
        on_gap: OnGap | None = None,
        on_window: OnWindow | None = None,
        on_audit: OnAudit | None = None,
    ) -> WatchHandle:
        """Begins to watch a stream beside the others. It is opened in a thread of its own.

        Args:
            stream: the stream. The caller closes it, once its handle has ended.
            ask: questions whose answer is yes or no, about the picture or a zone of the view.
            view: masks and zones of the stream.
            on_frame: called with the record of every native frame, by the thread that reads it.
            on_gap: called with every gap of a live source, by the thread that reads it.
            on_window: called with the outline of every window before it is run.
            on_audit: called with what the stream's audits came to, by the engine's thread.

        Raises:
            SettingsError: a question is empty or no valid Unicode or about an unknown zone, or the
                session is at its end.
        """
        reports = Reports(on_frame, on_gap, on_window, on_audit)
        handle = self._roster.handle(ask, view or StreamView(), reports, self._waiting)
        with self._roster.wakeup.lock:
            self._roster.add(stream, handle)
            self._handles = [one for one in self._handles if not one.drained] + [handle]
        return handle

    def add_video(self, stream: SampleSource | IngestProcess) -> VideoHandle:
        """Begins to read a video that is asked about as a whole: by ``handle.inquire``.

        Its window grows to all of it, as far as the model's context and the pool have room:
        see :func:`~costream.engine.whole_video.whole_schedule`. It is pruned and reused as a
        camera's, and windows of cameras that are due sooner come first. Once it was read it stays
        until its handle is cancelled or the session is closed, and questions cost only
        themselves. Where the pool is short, it is the first to make room, and comes back when it
        is asked about.

        Args:
            stream: a file. The caller closes it, once its handle has ended.

        Raises:
            SettingsError: the session is at its end.
        """
        handle = self._roster.video()
        self._roster.add(stream, handle)
        return handle

    def finish(self) -> None:
        """Takes no further streams; iterating ends when those that there are have ended."""
        self._roster.finish()

    def close(self) -> None:
        """Ends all watches, frees what they have of the pool and ends the thread.

        A batch that is under way is waited for.
        """
        self._roster.stop()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    async def aclose(self) -> None:
        """Does what :meth:`close` does, without keeping the event loop waiting."""
        self._roster.stop()
        await self._roster.wakeup.awaited(lambda: self._over or None)
        self._thread.join()

    @property
    def over(self) -> bool:
        """Whether the engine's thread has ended, closed or broken."""
        return self._over

    @property
    def error(self) -> Exception | None:
        """What ended the first stream that did not end by itself."""
        return self._roster.error

    def __iter__(self) -> Iterator[tuple[WatchHandle, Result]]:
        while isinstance(item := self._roster.wakeup.wait(self._take), tuple):
            yield item
        if self._error is not None:
            raise self._error

    async def __aiter__(self) -> AsyncIterator[tuple[WatchHandle, Result]]:
        while isinstance(item := await self._roster.wakeup.awaited(self._take), tuple):
            yield item
        if self._error is not None:
            raise self._error

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    async def __aenter__(self) -> Session:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    def _take(self) -> tuple[WatchHandle, Result] | Over | None:
        """Returns the next result of the stream whose turn it is, or None while there is none."""
        for handle in list(self._handles):
            found = handle.take()
            if found is Over.OVER:
                self._handles.remove(handle)
            elif found is not None:
                self._handles.remove(handle)
                self._handles.append(handle)
                return handle, found
        return Over.OVER if self._over else None

    def _drive(self) -> None:
        """Runs the engine; whatever stops it is raised where results are taken."""
        try:
            for handle, result in self._run(self._roster):
                handle.put(result)
        except Exception as error:
            self._error = error
        self._done()
        self._roster.close(self._error)
        with self._roster.wakeup.lock:
            self._over = True
        self._roster.wakeup.notify()
