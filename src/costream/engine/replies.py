"""The replies that are asked for and written, a little between two batches."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from time import monotonic

from costream.engine.feed import Feed
from costream.engine.handle import WatchHandle
from costream.engine.reply import Reply
from costream.engine.runner import ModelRunner
from costream.engine.writer import Writer
from costream.errors import CoStreamError, NoWindowError
from costream.models import Segment

TURN = 0.1
"""Seconds for which replies are written before windows that are due come next. The step that is
under way is finished: a slice of a question, or one token."""

AT_ONCE = 4
"""Replies that are written at a time, in turn; others wait for their turn in order."""

COPIES = 4 << 30
"""Bytes of copied windows beyond which no further reply begins while others are written."""

PATIENCE = 30.0
"""Seconds for which a reply waits for a window that is not in the pool."""

FeedOf = Callable[[WatchHandle], Feed | None]
"""Returns the windows of a stream, or None while it is being opened."""

logger = logging.getLogger("costream")


@dataclass(frozen=True, slots=True)
class _Asked:
    """A reply that waits for its turn, what it is asked, and since when."""

    handle: WatchHandle
    reply: Reply
    segment: Segment
    since: float


class Replies:
    """Replies of all streams of an engine. Any thread may add some; the engine's writes them.

    A reply begins from the window that was committed last. It takes a copy of its keys and values
    and refers to no row of the pool: windows move on while it is written, and nothing of theirs
    depends on it.

    Args:
        runner: the engine's.
    """

    def __init__(self, runner: ModelRunner) -> None:
        self._runner = runner
        self._lock = Lock()
        self._asked: deque[_Asked] = deque()
        self._writers: deque[Writer] = deque()

    def read(self, reply: Reply) -> Segment:
        """Returns what a reply is asked, as tokens.

        A long text takes seconds: whoever asks calls it, and not the engine's thread.

        Raises:
            SettingsError: the model's chat template does not take it.
        """
        return self._runner.model.conversation(reply.turns)

    def add(self, handle: WatchHandle, reply: Reply, segment: Segment) -> None:
        """Takes a reply on, from any thread, with what :meth:`read` made of it."""
        with self._lock:
            self._asked.append(_Asked(handle, reply, segment, monotonic()))

    def turn(self, feed_of: FeedOf) -> bool:
        """Begins what can begin and writes for a moment; says whether there is more to write."""
        end = monotonic() + TURN
        self._begin(feed_of)
        while self._writers:
            writer = self._writers.popleft()
            self._step(writer)
            if not writer.reply.ended:
                self._writers.append(writer)
            if monotonic() >= end:
                break
        return bool(self._writers)

    def close(self, error: Exception) -> None:
        """Ends all replies by an error: nobody writes them any more."""
        with self._lock:
            left = [*(asked.reply for asked in self._asked), *(w.reply for w in self._writers)]
            self._asked.clear()
            self._writers.clear()
        for reply in left:
            reply.fail(error)

    def _begin(self, feed_of: FeedOf) -> None:
        """Lets replies begin in order, as many as are written at once."""
        with self._lock:
            asked, self._asked = self._asked, deque()
        waiting = []
        for one in asked:
            try:
                if not one.reply.ended and not self._begun(one, feed_of(one.handle)):
                    waiting.append(one)
            except Exception as error:  # this reply's alone
                self._fail(one.reply, error)
        with self._lock:
            self._asked.extendleft(reversed(waiting))

    def _begun(self, asked: _Asked, feed: Feed | None) -> bool:
        """Begins a reply if it can begin; says whether it did.

        Raises:
            NoWindowError: there is no window to ask about.
        """
        handle = asked.handle
        if handle.ended:
            raise handle.error or NoWindowError("the stream has ended and can't be asked any more")
        if feed is None or not feed.settled:
            if handle.patient:
                return False
            raise NoWindowError("the stream has no window yet: ask again in a moment")
        state = feed.watch.state
        if not state.window.index:
            raise NoWindowError("the stream has no window yet: ask again in a moment")
        if not state.cached:
            feed.recall()
            if monotonic() - asked.since > PATIENCE:
                raise NoWindowError("the stream's window had to make room for others: ask again")
            return False
        if not self._has_room:
            return False
        self._writers.append(Writer(self._runner, feed.watch, asked.reply, asked.segment))
        return True

    @property
    def _has_room(self) -> bool:
        taken = sum(writer.bytes for writer in self._writers)
        return not self._writers or (len(self._writers) < AT_ONCE and taken < COPIES)

    def _step(self, writer: Writer) -> None:
        if not writer.reply.ended:
            try:
                writer.step()
            except Exception as error:  # this reply's alone
                self._fail(writer.reply, error)

    def _fail(self, reply: Reply, error: Exception) -> None:
        if not isinstance(error, CoStreamError):
            logger.warning("a reply has ended: %r", error)
        reply.fail(error)
