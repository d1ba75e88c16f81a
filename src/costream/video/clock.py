"""Stream time: seconds since the first displayed frame, and the sampling grid over it."""

from __future__ import annotations

import math

from costream.errors import SettingsError

MAX_GAP = 10.0
"""A step forwards of more seconds than this is a reset of the camera's clock, not a pause."""

MAX_STEP_BACK = 1.0
"""A step backwards by more seconds than this is a reset too; a smaller one is a jitter."""

_TICK_EPSILON = 1e-6


class StreamClock:
    """Turns presentation times, which may jump, into stream time, which starts at 0 and grows.

    * A frame without a time comes one interval after the frame before it.
    * After a reset (see ``MAX_GAP`` and ``MAX_STEP_BACK``) stream time goes on one nominal
      interval after the frame before, and counts from there. A gap of more than ``max_gap``
      seconds, or of ten nominal intervals where these are longer, can't be told from a reset.
    * A frame no later than the one before it (jitter, duplicates) comes one nominal interval
      after that one, and the true times rule again as soon as they are ahead.
    """

    def __init__(self, interval: float, max_gap: float = MAX_GAP) -> None:
        """Starts a clock.

        Args:
            interval: seconds between frames, nominally. It may be changed as the stream goes.
            max_gap: the longest gap in seconds that is taken for one. It is infinite where
                :class:`~costream.video.timeline.Timeline` told gaps from resets before.
        """
        self.interval = interval
        self._max_gap = max_gap
        self.time: float | None = None
        self._raw: float | None = None
        self._offset = 0.0

    def advance(self, raw: float | None) -> float:
        """Returns the stream time of the next frame in display order.

        Args:
            raw: its presentation time in seconds on the source's clock, or None if unknown.
        """
        if self.time is None:
            self.time, self._raw, self._offset = 0.0, raw, -(raw or 0.0)
            return self.time
        expected = self.time + self.interval
        self.time = expected if raw is None else self._follow(raw, expected)
        return self.time

    def peek(self, raw: float | None) -> float:
        """Returns what :meth:`advance` would, without going on."""
        if self.time is None:
            return 0.0
        expected = self.time + self.interval
        if raw is None or self._raw is None or self._is_reset(raw - self._raw):
            return expected
        time = raw + self._offset
        return time if time > self.time else expected

    def restart(self, interval: float) -> None:
        """Goes on with frames of another recording, whose times begin again."""
        self.interval = interval
        self._raw = None

    def expect(self, raw: float) -> float | None:
        """Returns a frame's stream time if timestamps go on as they are; None before the first."""
        return None if self.time is None else raw + self._offset

    def raw(self, time: float) -> float:
        """Returns the source's time of a stream time if timestamps go on as they are."""
        return time - self._offset

    def _follow(self, raw: float, expected: float) -> float:
        assert self.time is not None
        if self._raw is None or self._is_reset(raw - self._raw):
            self._offset = expected - raw
        self._raw = raw
        time = raw + self._offset
        return time if time > self.time else expected

    def _is_reset(self, step: float) -> bool:
        if -MAX_STEP_BACK <= step <= self._max_gap:
            return False
        return step < 0 or step > 10 * self.interval


class TickGrid:
    """The sampling rule: the first frame of each tick is the sample of that tick."""

    def __init__(self, fps: float) -> None:
        """Starts a grid of ``fps`` ticks a second.

        Raises:
            SettingsError: ``fps`` is not a positive finite number.
        """
        if not (math.isfinite(fps) and fps > 0):
            raise SettingsError(f"the sampling rate must be a positive number, not {fps}")
        self.fps = fps
        self._last = -1

    def index(self, time: float) -> int:
        """Returns the tick that ``time`` lies in."""
        return math.floor(time * self.fps + _TICK_EPSILON)

    @property
    def next_time(self) -> float:
        """Stream time from which a frame would be the first of its tick."""
        return (self._last + 1) / self.fps

    def opens(self, time: float) -> bool:
        """Whether a frame at ``time`` would be the first of its tick."""
        return self.index(time) > self._last

    def tick(self, time: float) -> int | None:
        """Returns the tick of the frame at ``time``, or None if that tick has its frame already."""
        tick = self.index(time)
        if tick <= self._last:
            return None
        self._last = tick
        return tick
