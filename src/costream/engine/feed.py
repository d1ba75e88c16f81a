"""Where the windows of a watch wait for the engine."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from time import monotonic
from typing import TYPE_CHECKING, ClassVar

from costream.engine.bell import Bell
from costream.engine.ingest import Reports, WindowInput, WindowOutline
from costream.engine.plan import Plan
from costream.engine.result import Result
from costream.engine.watch import Watch
from costream.video import FrameRecord, Gap

if TYPE_CHECKING:
    from costream.engine.auditor import AuditFeed
    from costream.engine.confirmation import ConfirmingFeed
    from costream.engine.recomputing import RecomputingFeed
    from costream.engine.steering import Steering

Read = Callable[[Reports], Iterator[WindowInput]]
"""Returns the windows of a stream, given who is told of frames and gaps while it is read."""


class Feed(ABC):
    """The windows of one watch, one at a time.

    Args:
        watch: the watch.
        windows: its windows.

    Attributes:
        audit: has some of the windows checked, where that is wanted.
        confirmation: has windows run in full before an answer turns to yes, where that is wanted.
        steering: moves the stream between operating points, where its pruner can be set.
        stretch: strides by which its window moves on. What is new in positions that are left out
            is in the next one.
        offset: which of so many positions are left out: streams take turns.
    """

    makes_room: ClassVar[bool] = True
    """Whether others are moved out of the pool where a window of it has no room."""

    def __init__(self, watch: Watch, windows: Iterator[WindowInput]) -> None:
        self.watch = watch
        self.audit: AuditFeed | None = None
        self.confirmation: ConfirmingFeed | None = None
        self.steering: Steering | None = None
        self.stretch, self.offset = 1, 0
        self._windows = windows
        self._waiting: WindowInput | None = None
        self._begun = self._read_at = monotonic()

    @property
    def live(self) -> bool:
        """Whether it is read while nobody asks for it; others are read by the engine's thread."""
        return False

    @abstractmethod
    def peek(self) -> WindowInput | None:
        """Returns the window that waits, or None where none does.

        Raises:
            CoStreamError: the stream can't be read any further. It is raised once.
        """

    @abstractmethod
    def pop(self) -> None:
        """Takes the window that waits away."""

    @property
    def recomputing(self) -> list[RecomputingFeed]:
        """What has windows of it run once more, that which is more urgent first."""
        return [feed for feed in (self.confirmation, self.audit) if feed is not None]

    def tell(self, plan: Plan, result: Result) -> Iterator[tuple[Feed, Result]]:
        """Takes what came of the window that was run; yields what is told, and whose it is."""
        told = result if self.confirmation is None else self.confirmation.consider(plan, result)
        if told is not None:
            yield self, told

    def outlives(self, error: Exception) -> bool:
        """Goes on without a window that can't be run, if it can; returns whether it does."""
        return False

    @property
    @abstractmethod
    def ended(self) -> bool:
        """Whether no window waits and none will."""

    @property
    def settled(self) -> bool:
        """Whether its window can be asked about: a camera's can at any time."""
        return True

    def recall(self) -> None:  # noqa: B027
        """Asks for a window that made room for others; a camera's comes back with its next one."""

    @property
    def next_deadline(self) -> float:
        """When the window that waits is due; that of the next one where none waits."""
        stride = self.watch.stream.schedule.stride / self.watch.stream.schedule.fps
        return monotonic() + stride if self._waiting is None else self.deadline(self._waiting)

    @abstractmethod
    def close(self) -> None:
        """Ends the reading."""

    def deadline(self, window: WindowInput) -> float:
        """When a window is due, on the clock of ``time.monotonic``: a stride after it ends.

        A file's windows end as if it were played from the moment on at which it was opened, and not
        before they were read: a file that is behind must not pass cameras by ever more.
        """
        schedule = self.watch.stream.schedule
        played = max(self._begun + window.end / schedule.fps, self._read_at)
        return (window.received or played) + schedule.stride / schedule.fps


class PulledFeed(Feed):
    """Reads a window when the engine asks for it, in its thread: for files."""

    _done = False

    def peek(self) -> WindowInput | None:
        if self._waiting is None and not self._done:
            # A stream that fails has ended, too.
            self._done = True
            self._waiting = next(self._windows, None)
            self._read_at = monotonic()
            self._done = self._waiting is None
        return self._waiting

    def pop(self) -> None:
        self._waiting = None

    @property
    def ended(self) -> bool:
        return self._done and self._waiting is None

    def close(self) -> None:
        self._done = True


class ThreadedFeed(Feed):
    """Reads in a thread of its own: whatever may keep the engine waiting.

    One window waits at most, which is prepared while the one before is run: the thread reads no
    further until it is taken, so that a window is at most two windows' work behind. What comes from
    the camera meanwhile is bounded by the camera's own queue, which skips the oldest frames. News
    of frames and gaps wait behind the windows that came before them, and are told by the engine's
    thread when it is their turn.

    Args:
        watch: the watch.
        read: returns its windows, given who is told meanwhile.
        reports: who is told, by the engine's thread.
        bell: rung when a window or a gap waits, or the stream has ended.
    """

    def __init__(self, watch: Watch, read: Read, reports: Reports, bell: Bell) -> None:
        noted = Reports(
            reports.on_frame and self._note,
            reports.on_gap and self._note,
            reports.on_window and self._note,
        )
        super().__init__(watch, read(noted))
        self._reports = reports
        self._bell = bell
        self._items: deque[WindowInput | FrameRecord | Gap | WindowOutline] = deque()
        self._room = threading.Semaphore(1)
        self._error: Exception | None = None
        self._left_out: WindowInput | None = None
        self._reads_on = False  # the thread was let go on when the window that waits was left out
        self._done = self._closed = False
        threading.Thread(target=self._read, name="costream-ingest", daemon=True).start()

    @property
    def live(self) -> bool:
        return True

    def peek(self) -> WindowInput | None:
        while self._waiting is None and self._items:
            item = self._items.popleft()
            if self._is_behind_gap(item):
                # A window doesn't reach over a gap for what was left out before it.
                self._items.appendleft(item)
                self._take_left_out()
            elif isinstance(item, WindowInput):
                self._waiting = self._stretched(item)
            else:
                self._reports.tell(item)
        if self._waiting is None and self._done and self._left_out is not None and not self._items:
            self._take_left_out()
        if self._waiting is None and self._error is not None and not self._items:
            error, self._error = self._error, None
            raise error
        return self._waiting

    def _is_behind_gap(self, item: WindowInput | FrameRecord | Gap | WindowOutline) -> bool:
        """Whether a gap lies between the window that was left out, if there is one, and an item."""
        if self._left_out is None:
            return False
        later = isinstance(item, WindowInput) and item.index > self._left_out.index + 1
        return later or isinstance(item, Gap)

    def _stretched(self, window: WindowInput) -> WindowInput | None:
        """Returns a window with what was left out before it; None where it is left out itself."""
        joined = window if self._left_out is None else self._left_out.joined(window)
        if (window.index + self.offset) % self.stretch:
            self._left_out = joined
            self._room.release()
            return None
        self._left_out, self._reads_on = None, False
        return joined

    def _take_left_out(self) -> None:
        self._waiting, self._left_out, self._reads_on = self._left_out, None, True

    def pop(self) -> None:
        self._waiting = None
        if not self._reads_on:
            self._room.release()

    @property
    def ended(self) -> bool:
        left = (self._waiting, self._items, self._error, self._left_out)
        return self._done and not any(left)

    def close(self) -> None:
        self._closed = True
        self._room.release()

    def _note(self, news: FrameRecord | Gap | WindowOutline) -> None:
        self._items.append(news)
        if isinstance(news, Gap):
            self._bell.ring()

    def _read(self) -> None:
        try:
            while self._room.acquire() and not self._closed:
                window = next(self._windows, None)
                if window is None:
                    return
                self._read_at = monotonic()
                self._items.append(window)
                self._bell.ring()
        except Exception as error:  # raised again where the engine takes it
            self._error = error
        finally:
            self._done = True
            self._bell.ring()
