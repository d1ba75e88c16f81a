"""A file that stands for one camera of several: with a name of its own, in real time if wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from time import monotonic, sleep

from costream.video import DeferredSource, FrameRecord, Gap, Sample, StreamInfo
from costream.video.live import Connect


@dataclass(frozen=True, slots=True)
class Pace:
    """How a file is played in real time.

    Attributes:
        ahead: seconds of it that are there from the beginning: a first window, so that nobody waits
            for one.
        phase: seconds by which it begins later, so that cameras are not due all at once.
    """

    ahead: float
    phase: float


class RehearsedSource(DeferredSource):
    """A file as one of several cameras. It can be pickled while it is not open.

    In real time it is read as a camera is, by a thread of its own, and a sample comes when its time
    has come, or later where reading it is late. It is received when it should have come, so that a
    result's lag counts all that kept it. No frame is skipped.

    Args:
        connect: makes a stream of the file.
        number: tells cameras of one file apart.
        pace: how it is played; None for as fast as it is read.
    """

    def __init__(self, connect: Connect, number: int, pace: Pace | None = None) -> None:
        super().__init__(connect, patience=0, backlog=1)
        self._number = number
        self._pace = pace

    def __reduce__(self) -> tuple[object, ...]:
        return RehearsedSource, (self._connect, self._number, self._pace)

    @property
    def info(self) -> StreamInfo:
        """What is known of the file, under the camera's name; opens it first."""
        info = super().info
        name = f"{info.source} ({self._number})"
        paced = self._pace is not None
        return replace(info, source=name, live=paced, awaited=paced or info.awaited)

    def samples(
        self, fps: float, *, on_frame: Callable[[FrameRecord], None] | None = None
    ) -> Iterator[Sample | Gap]:
        """Returns the sampled frames, each when its time has come."""
        items = super().samples(fps, on_frame=on_frame)
        return items if self._pace is None else _paced(items, self._pace)


def _paced(items: Iterator[Sample | Gap], pace: Pace) -> Iterator[Sample | Gap]:
    begun = monotonic() + pace.phase - pace.ahead
    for item in items:
        if isinstance(item, Gap):
            yield item
            continue
        due = begun + item.time
        sleep(max(0.0, due - monotonic()))
        yield replace(item, received=min(due, monotonic()))
