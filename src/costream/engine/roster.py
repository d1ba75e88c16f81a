"""Who is watched: streams join, leave and are asked other questions while others run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence

from costream.engine.asks import Ask, zoned_asks
from costream.engine.bell import Bell
from costream.engine.feed import Feed
from costream.engine.handle import WatchHandle
from costream.engine.ingest import Reports
from costream.engine.ingest_process import IngestProcess
from costream.engine.joining import Joining
from costream.engine.replies import Replies
from costream.engine.reply import Reply
from costream.engine.result import Result
from costream.engine.scheduler import Scheduler
from costream.engine.view import StreamView
from costream.engine.wakeup import Wakeup
from costream.engine.watch import Watch
from costream.engine.whole_video import PRIMER, VideoHandle
from costream.errors import CoStreamError, SettingsError
from costream.video import SampleSource

Admit = Callable[[SampleSource | IngestProcess, WatchHandle, Bell], Feed]
"""Begins to read a stream that is open."""

Change = Callable[[Watch, Sequence[Ask]], None]
"""Replaces the questions of a watch."""

logger = logging.getLogger("costream")


class Roster:
    """The streams that an engine watches.

    Handles say what is wanted, from any thread. The engine's thread makes it so between two batches
    (:meth:`update`), where nothing is planned that would have to be planned again.

    Args:
        admit: begins to read a stream.
        ask: replaces questions.
        replies: writes what is asked in free form.
        lasting: the engine goes on without any stream, until it is stopped.

    Attributes:
        wakeup: wakes who waits for results.
        bell: wakes the engine.
        error: what ended the first stream that did not end by itself.
    """

    def __init__(
        self, admit: Admit, ask: Change, replies: Replies, *, lasting: bool = False
    ) -> None:
        self.wakeup = Wakeup()
        self.error: Exception | None = None
        self._admit = admit
        self._ask = ask
        self._replies = replies
        self._lasting = lasting
        self.bell = Bell()
        self._rings = 0
        self._complete = self._stopped = False
        self._joining: dict[WatchHandle, Joining] = {}
        self._feeds: dict[Feed, WatchHandle] = {}

    def handle(
        self, asks: Sequence[str | Ask], view: StreamView, reports: Reports, limit: int = 1
    ) -> WatchHandle:
        """Makes a handle whose results, at most ``limit``, wait in it.

        Raises:
            SettingsError: something is wrong with a question: see :func:`zoned_asks`.
        """
        asked = zoned_asks(asks, view.zones)
        return WatchHandle(asked, view, reports, self.bell, self.wakeup, limit, self._inquire)

    def video(self) -> VideoHandle:
        """Makes the handle of a video that is kept."""
        return VideoHandle(
            [Ask(PRIMER)], StreamView(), Reports(), self.bell, self.wakeup, 1, self._inquire
        )

    def add(self, stream: SampleSource | IngestProcess, handle: WatchHandle) -> None:
        """Opens a stream in a thread of its own, and watches it from then on.

        Raises:
            SettingsError: no further streams are taken.
        """
        with self.wakeup.lock:
            if self._complete or self._stopped:
                raise SettingsError("this session takes no further streams: open another one")
            self._joining[handle] = Joining([stream], self.bell)
        self.bell.ring()

    def watch(self, feed: Feed, handle: WatchHandle) -> None:
        """Watches a stream that is read already; the engine's thread calls it."""
        feed.watch.keeps_whole = self._lasting
        self._feeds[feed] = handle

    def finish(self) -> None:
        """Takes no further streams: the engine stops when those that there are have ended."""
        self._complete = True
        self.bell.ring()

    def stop(self) -> None:
        """Stops the engine before its next batch."""
        self._stopped = True
        self.bell.ring()

    def close(self, error: Exception | None = None) -> None:
        """Ends all handles: the engine has stopped, because of ``error`` if there is one."""
        with self.wakeup.lock:
            self._stopped = True
            self.error = self.error or error
            left = [*self._joining, *self._feeds.values()]
            self._joining, self._feeds = {}, {}
        for handle in left:
            handle.end(error)
        self._replies.close(error or SettingsError("the session was closed"))
        self.wakeup.notify()

    @property
    def running(self) -> bool:
        """Whether there is or may come something to do."""
        with self.wakeup.lock:
            alive = self._lasting and not self._complete
            return not self._stopped and (alive or bool(self._joining or self._feeds))

    def update(self, scheduler: Scheduler) -> bool:
        """Lets streams join, leave and be asked other questions; says whether to go on."""
        self._rings = self.bell.rings
        self._settle(scheduler)
        for handle, joining in self._absent():
            self._let_in(handle, joining)
        for feed, handle in list(self._feeds.items()):
            if feed not in scheduler.feeds:
                scheduler.add(feed)
            if handle.cancelled:
                scheduler.remove(feed)
            elif handle.asks != feed.watch.questions.asks:
                self._change(scheduler, feed, handle.asks)
        self._settle(scheduler)
        return self.running

    def wait(self, scheduler: Scheduler) -> None:
        """Waits for something to do, where nothing is due."""
        if not scheduler.left:
            self.bell.wait(self._rings)

    def write(self, scheduler: Scheduler) -> bool:
        """Writes replies for a moment; says whether there is more to write."""
        if scheduler.left:
            return True  # Their handles end first.
        feeds = {handle: feed for feed, handle in self._feeds.items()}
        return self._replies.turn(feeds.get)

    def has_room(self, feed: Feed) -> bool:
        """Whether a further result of a stream is wanted."""
        return feed not in self._feeds or self._feeds[feed].has_room

    def deliver(
        self, results: Iterable[tuple[Feed, Result]]
    ) -> Iterator[tuple[WatchHandle, Result]]:
        """Says of each result whose it is."""
        return ((self._feeds[feed], result) for feed, result in results)

    def _inquire(self, handle: WatchHandle, reply: Reply) -> None:
        segment = self._replies.read(reply)
        with self.wakeup.lock:
            if self._stopped:
                raise SettingsError("this session was closed: open another one")
            self._replies.add(handle, reply, segment)
        self.bell.ring()

    def _absent(self) -> list[tuple[WatchHandle, Joining]]:
        with self.wakeup.lock:
            return list(self._joining.items())

    def _let_in(self, handle: WatchHandle, joining: Joining) -> None:
        """Begins to watch a stream once it is open; one that can't be watched keeps no other."""
        if handle.cancelled:
            self._leave(handle, None)
        for stream, error in joining.opened():
            if handle.cancelled:
                continue
            try:
                if error is not None:
                    raise error
                self.watch(self._admit(stream, handle, self.bell), handle)
                with self.wakeup.lock:
                    del self._joining[handle]
            except Exception as reason:  # this stream's alone
                self._leave(handle, reason)

    def _change(self, scheduler: Scheduler, feed: Feed, asks: Sequence[Ask]) -> None:
        try:
            self._ask(feed.watch, asks)
        except Exception as error:  # this stream's alone
            scheduler.remove(feed, error)

    def _settle(self, scheduler: Scheduler) -> None:
        """Ends the handles of streams that the scheduler has let go of."""
        left, scheduler.left = scheduler.left, []
        for feed, error in left:
            self._leave(self._feeds.pop(feed), error)

    def _leave(self, handle: WatchHandle, error: Exception | None) -> None:
        """Ends a handle; tells of an error that ended it, at once where there are others."""
        with self.wakeup.lock:
            self._joining.pop(handle, None)
        handle.end(error)
        if error is None:
            return
        if self._lasting or self._feeds or self.error is not None:
            ours = isinstance(error, CoStreamError)
            logger.warning("%s", error if ours else f"a stream has ended: {error!r}")
        self.error = self.error or error
