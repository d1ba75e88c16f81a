"""A video whose window grows until it holds all of it, to be asked about in free form."""

from __future__ import annotations

from dataclasses import replace
from time import monotonic

import torch

from costream.engine.feed import ThreadedFeed
from costream.engine.handle import WatchHandle
from costream.engine.ingest import WindowInput
from costream.engine.result import Result
from costream.engine.schedule import Schedule
from costream.errors import SettingsError
from costream.models import ModelAdapter, Timestamp
from costream.video import StreamInfo

PRIMER = "What happens?"
"""What is asked of the windows while they grow: a window is run with a question behind it."""

TEXT_SHARE = 8
"""The part of a model's context that is left for text: one in so many tokens."""


class VideoHandle(WatchHandle):
    """One video of a session, read once and kept until it is cancelled.

    Its answers come by :meth:`inquire`, which waits until the video was read to its end. It has no
    results to take: :attr:`last` says how far it has come.
    """

    last: Result | None = None
    """What the last window was and took; None before the first."""

    patient = True

    @property
    def has_room(self) -> bool:
        """Whether a further window is wanted: always."""
        return True

    def put(self, result: Result) -> None:
        """Notes how far the video has come. The engine's thread calls it."""
        self.last = result


class VideoFeed(ThreadedFeed):
    """Reads a video in a thread of its own, and stays when it was read to its end."""

    _newest: WindowInput | None = None
    _recalled = False

    @property
    def ended(self) -> bool:
        return False

    @property
    def settled(self) -> bool:
        return super().ended and not self._recalled

    @property
    def next_deadline(self) -> float:
        # Nobody waits for a window of a video that was read: it is the first to make room.
        return float("inf") if super().ended else super().next_deadline

    def recall(self) -> None:
        self._recalled = True

    def peek(self) -> WindowInput | None:
        if super().peek() is None and self._recalled and self._newest is not None:
            # The same window once more, with nothing new in it: planning it brings back what made
            # room for others.
            self._read_at = monotonic()
            self._waiting = replace(self._newest, frames=())
        return self._waiting

    def pop(self) -> None:
        self._newest, self._recalled = self._waiting, False
        super().pop()


def whole_schedule(
    model: ModelAdapter,
    base: Schedule,
    info: StreamInfo,
    size: tuple[int, int] | None,
    rows: int | None,
) -> Schedule:
    """Returns the schedule of a video: windows that grow to all of it, as far as there is room.

    A video that is longer than that is sampled more sparsely, evenly over its length. One whose
    length nobody knows keeps its rate, and of it the oldest frames leave.

    Args:
        model: the model that is asked.
        base: the schedule of cameras, for the sampling rate and the stride.
        info: of the video.
        size: (width, height) that frames are resized to, where it was chosen.
        rows: most tokens that it may take; None for as many as the model's context has.

    Raises:
        SettingsError: there is no room for a single temporal patch.
    """
    context = model.context - model.context // TEXT_SHARE
    most, patch = min(context, rows or context), base.patch
    known = info.duration is not None
    length = info.duration if info.duration is not None else most / base.fps
    ticks = max(patch, -(-int(length * base.fps + 1) // patch) * patch)
    fitting = _fitting(model, info, size, ticks, most, patch)
    fps = base.fps if fitting == ticks or not known else base.fps * fitting / (ticks + patch)
    stride = max(patch, round(base.stride * fps / base.fps / patch) * patch)
    return Schedule(fps, fitting, stride, patch, recent=fitting, grows=True)


def _fitting(
    model: ModelAdapter,
    info: StreamInfo,
    size: tuple[int, int] | None,
    ticks: int,
    most: int,
    patch: int,
) -> int:
    """Returns how many of some frames fit into so many tokens, in whole temporal patches."""
    while ticks >= patch:
        tokens = _tokens(model, info, size, ticks, patch)
        if tokens is not None and tokens <= most:
            return ticks
        fewer = ticks // 2 if tokens is None else int(ticks * most / tokens)
        ticks = min(fewer, ticks - patch) // patch * patch
    raise SettingsError("not even one frame of this video fits: choose a smaller --frame-size")


def _tokens(
    model: ModelAdapter, info: StreamInfo, size: tuple[int, int] | None, ticks: int, patch: int
) -> int | None:
    """Returns the tokens of so many frames, or None where they are more than the model takes."""
    try:
        geometry = model.geometry(info.width, info.height, ticks, size)
    except SettingsError:
        if ticks == patch:
            raise
        return None
    # The last one has the longest time stamp.
    last = Timestamp(ticks // patch, float(ticks), 1.0)
    segment = model.frame(last, torch.ones(geometry.grid.groups, dtype=torch.bool), geometry)
    return len(segment) * (ticks // patch)
