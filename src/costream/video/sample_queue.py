"""The samples of a live source between the thread that reads it and the one that watches."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from costream.video.gap import Gap
from costream.video.record import FrameRecord
from costream.video.sample import Sample

BEHIND = "the watcher is behind the source"

_WAKE_EVERY = 0.5
"""Seconds after which a wait looks up, so that an interrupt from the keyboard is noticed."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A sample with what came on the way to it.

    Attributes:
        sample: the sample.
        records: the native frames since the last sample, its own included, where they are asked
            for.
        seconds: processor time spent on reading and decoding them.
    """

    sample: Sample
    records: Sequence[FrameRecord]
    seconds: float


class SampleQueue:
    """Holds the newest samples only: what is older than ``limit`` samples is left out and counted.

    One thread puts, another takes.

    Args:
        limit: most samples that wait.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: deque[Arrival | Gap] = deque()
        self._changed = threading.Condition()
        self._waiting = 0
        self._skipped = 0
        self._skipped_from = 0.0
        self._ended = False
        self._error: Exception | None = None

    def put(self, arrival: Arrival) -> None:
        """Adds the newest sample; the oldest makes room for it where there is none."""
        with self._changed:
            self._items.append(arrival)
            self._waiting += 1
            if self._waiting > self._limit:
                self._skip_oldest()
            self._changed.notify_all()

    def await_room(self, stopped: threading.Event) -> bool:
        """Waits until another sample leaves none out; False where it was stopped before."""
        with self._changed:
            while self._waiting >= self._limit and not stopped.is_set():
                self._changed.wait(_WAKE_EVERY)
        return not stopped.is_set()

    def tell(self, gap: Gap) -> None:
        """Adds news of the source."""
        with self._changed:
            self._items.append(gap)
            self._changed.notify_all()

    def end(self, error: Exception | None = None) -> None:
        """Ends the queue: what is left in it is taken, then ``error`` is raised there, if any."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def take(self) -> Arrival | Gap | None:
        """Waits for the next item, and returns None at the end.

        Of samples that were skipped it tells, once, before the first that was not.

        Raises:
            Exception: the error that the queue was ended with.
        """
        with self._changed:
            while not self._items and not self._ended:
                self._changed.wait(_WAKE_EVERY)
            if not self._items:
                if self._error is not None:
                    raise self._error
                return None
            if self._skipped and isinstance(head := self._items[0], Arrival):
                return self._tell_skipped(head.sample.time)
            item = self._items.popleft()
            self._waiting -= isinstance(item, Arrival)
            self._changed.notify_all()
            return item

    def _skip_oldest(self) -> None:
        at = next(n for n, item in enumerate(self._items) if isinstance(item, Arrival))
        oldest = self._items[at]
        assert isinstance(oldest, Arrival)
        del self._items[at]
        self._waiting -= 1
        if not self._skipped:
            self._skipped_from = oldest.sample.time
        self._skipped += 1

    def _tell_skipped(self, end: float) -> Gap:
        frames, self._skipped = self._skipped, 0
        return Gap("skipped", self._skipped_from, end, BEHIND, frames=frames)
