"""Time stamps that jump: told from real pauses and put right, before anything else sees them."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeAlias

from costream.errors import SourceError
from costream.video.clock import MAX_GAP, MAX_STEP_BACK

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

    VideoPacket: TypeAlias = Packet[VideoStream]

SUSPECT = 0.5
"""Seconds, or eight of the last intervals where these are longer, above which a step forwards is
looked at together with what follows."""

FILE_LOOK = 50
"""Packets behind a step that are looked at in a file, at most: two seconds at 25 a second."""

REAL_TIME_LOOK = 8
"""Likewise of a real-time source, which can't be waited for."""

REAL_TIME_RUN = 3
"""Packets in a row that go on from a step, after which it is no outlier for a real-time source."""

_SUSPECT_INTERVALS = 8
_PAUSE_INTERVALS = 10
_HISTORY = 8
_MAX_DELAY = 1.0
_DELAY_FACTOR = 10
_SLACK = 1.0


class Timeline:
    """Corrects the stamps of one stream's packets, in decoding order.

    A step backwards by more than ``MAX_STEP_BACK`` seconds, or one forwards by more than
    :data:`SUSPECT`, is judged together with the packets behind it:

    * **Outlier**: a later packet goes on from before the step. The packets between get stamps
      between. This is looked for over ``FILE_LOOK`` packets of a file, and of a real-time source
      until ``REAL_TIME_RUN`` packets in a row go on from the step, or ``REAL_TIME_LOOK`` came.
    * **Wrap**: a step back by the range of the container's counter is no step at all.
    * **Step back**: a recording was joined on, or a clock was set. Time goes on one interval later.
    * **Step forwards**: true in a file, whatever its length, unless it leads behind the stated end
      on the file's last packets. Of a real-time source it is believed up to ``MAX_GAP`` seconds, up
      to ten intervals, or where at least half of it went by on the wall clock too, in which case no
      packet is held; else a clock was set, and time goes on one interval later.

    A presentation stamp that is much farther from its decoding stamp than those before is replaced.
    Packets without decoding stamps are passed on, or judged by their presentation stamps if the
    source is real-time.
    """

    def __init__(
        self,
        tick: float,
        interval: float,
        *,
        real_time: bool,
        wrap: float | None = None,
        length: float | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Starts before a stream's first packet.

        Args:
            tick: seconds of one unit of its stamps.
            interval: seconds between its pictures, nominally.
            real_time: the source gives packets as they come about, and may set its clock.
            wrap: seconds after which its stamps begin at 0 again, if they do.
            length: stated seconds from the first picture to the end, if there are any.
            now: the wall clock, in seconds.
        """
        self._tick = tick
        self._real_time = real_time
        self._wrap = wrap
        self._length = length
        self._now = now
        self._steps = deque([interval], maxlen=2)
        self._first: float | None = None
        self._last = 0.0  # stamp of the last packet that was believed, before `_shift`
        self._seen = 0.0  # wall clock at its arrival
        self._shift = 0  # ticks
        self._doubtful: list[tuple[VideoPacket, float]] = []  # with their stamps
        self._arrived = 0.0  # wall clock at the arrival of the first of them
        self._delays: deque[int] = deque(maxlen=_HISTORY)

    def settle(self, packets: Iterator[VideoPacket | None]) -> Iterator[VideoPacket | None]:
        """Yields packets with corrected stamps, in their order; None is passed on.

        Raises:
            SourceError: as ``packets``, after what was held back.
        """
        try:
            for packet in packets:
                if packet is None:
                    yield from self._end()
                    yield None
                elif self._goes_on(packet):
                    yield packet
                else:
                    yield from self._take(packet)
        except SourceError:
            yield from self._end()
            raise
        yield from self._end()

    @property
    def _interval(self) -> float:
        return min(self._steps)

    @property
    def _suspect(self) -> float:
        return max(SUSPECT, _SUSPECT_INTERVALS * self._interval)

    def _goes_on(self, packet: VideoPacket) -> bool:
        """Takes a packet that nothing has to be judged or corrected of, as nearly all are.

        What :meth:`_take` would make of it is the same and takes five times as long.
        """
        pts, dts = packet.pts, packet.dts
        if pts is None or dts is None or self._doubtful or self._shift or self._first is None:
            return False
        delay, stamp = pts - dts, dts * self._tick
        step = stamp - self._last
        if not 0 < step <= SUSPECT or abs(delay) * self._tick > _MAX_DELAY:
            return False
        self._steps.append(step)
        self._delays.append(delay)
        self._last, self._seen = stamp, self._now()
        return True

    def _take(self, packet: VideoPacket) -> Iterator[VideoPacket]:
        if self._doubtful:
            yield from self._look(packet)
        elif (ticks := self._stamp(packet)) is None:
            yield self._corrected(packet)
        else:
            stamp = ticks * self._tick
            if self._first is None:
                self._first = self._last = stamp
            if self._follows(stamp):
                yield self._believe(packet, stamp)
            else:
                self._arrived = self._now()
                yield from self._look(packet)

    def _stamp(self, packet: VideoPacket) -> int | None:
        """Returns what a packet is judged by, in ticks.

        Presentation stamps of frames that are not displayed in decoding order go to and fro, by
        less than is doubted in a real-time source, but not in a time lapse.
        """
        return packet.pts if packet.dts is None and self._real_time else packet.dts

    def _look(self, packet: VideoPacket) -> Iterator[VideoPacket]:
        """Judges a step with one more packet behind it."""
        doubtful, ticks = self._doubtful, self._stamp(packet)
        stamp = doubtful[-1][1] if ticks is None else ticks * self._tick
        doubtful.append((packet, stamp))
        if ticks is not None and self._returns(stamp):
            yield from self._undo(stamp)
        elif self._is_settled():
            yield from self._step()

    def _follows(self, stamp: float) -> bool:
        return -MAX_STEP_BACK <= stamp - self._last <= self._suspect

    def _returns(self, stamp: float) -> bool:
        """Whether a packet goes on from before the step, so that those between are outliers."""
        between = len(self._doubtful) - 1
        if not between:
            return False
        outlier, step = self._doubtful[0][1], stamp - self._last
        if outlier > self._last and stamp >= outlier:
            return False
        spread = between * self._interval
        return spread / 2 < step <= self._suspect + 2 * spread

    def _is_settled(self) -> bool:
        count = len(self._doubtful)
        if not self._real_time:
            return count > FILE_LOOK
        return self._was_awaited() or count > REAL_TIME_LOOK or self._runs()

    def _was_awaited(self) -> bool:
        """Whether as much time went by on the wall clock, roughly."""
        step = self._doubtful[0][1] - self._last
        return 0 < step <= 2 * (self._arrived - self._seen)

    def _runs(self) -> bool:
        stamps = [stamp for _, stamp in self._doubtful]
        steps = [after - before for before, after in itertools.pairwise(stamps)]
        return len(steps) >= REAL_TIME_RUN and all(0 <= step <= self._suspect for step in steps)

    def _undo(self, stamp: float) -> Iterator[VideoPacket]:
        *outliers, (packet, _) = self._doubtful
        self._doubtful = []
        share = (stamp - self._last) / (len(outliers) + 1)
        yield from self._place(outliers, share)
        self._steps.append(share)
        yield self._believe(packet, stamp, count=False)

    def _place(
        self, outliers: list[tuple[VideoPacket, float]], share: float
    ) -> Iterator[VideoPacket]:
        for number, (packet, _) in enumerate(outliers, 1):
            ticks = self._stamp(packet)
            if ticks is not None:
                _move(packet, round((self._last + number * share) / self._tick) - ticks)
            yield self._corrected(packet)

    def _step(self) -> Iterator[VideoPacket]:
        """Believes in the step to the first doubtful packet, and judges the others from there."""
        (packet, stamp), *others = self._doubtful
        step = stamp - self._last
        wrapped = step + self._wrap if self._wrap is not None else -1.0
        if 0 <= wrapped <= self._suspect:
            self._move(self._wrap or 0.0)
        elif not self._is_pause(step):
            self._move(self._last + self._interval - stamp)
        self._doubtful = []
        yield self._believe(packet, stamp, count=step > 0)
        for other, _ in others:
            yield from self._take(other)

    def _is_pause(self, step: float) -> bool:
        if step < 0:
            return step >= -MAX_STEP_BACK
        if not self._real_time:
            return True
        return step <= max(MAX_GAP, _PAUSE_INTERVALS * self._interval) or self._was_awaited()

    def _move(self, seconds: float) -> None:
        self._shift += round(seconds / self._tick)
        # What is believed next lies before what was believed last.
        self._last -= seconds

    def _believe(self, packet: VideoPacket, stamp: float, *, count: bool = True) -> VideoPacket:
        if count and stamp > self._last:
            self._steps.append(stamp - self._last)
        self._last = max(self._last, stamp) if self._follows(stamp) else stamp
        self._seen = self._now()
        return self._corrected(packet)

    def _end(self) -> Iterator[VideoPacket]:
        while self._doubtful:
            if self._leads_behind_the_end(self._doubtful[0][1]):
                outliers, self._doubtful = self._doubtful, []
                yield from self._place(outliers, self._interval)
            else:
                yield from self._step()

    def _leads_behind_the_end(self, stamp: float) -> bool:
        if self._real_time or self._length is None or self._first is None or stamp < self._last:
            return False
        return stamp - self._first + self._shift * self._tick > self._length + _SLACK

    def _corrected(self, packet: VideoPacket) -> VideoPacket:
        """Moves a packet's stamps, and replaces a presentation stamp that can't be right."""
        _move(packet, self._shift)
        if packet.pts is None or packet.dts is None:
            return packet
        delay = packet.pts - packet.dts
        if self._is_plausible(delay):
            self._delays.append(delay)
        else:
            packet.pts = packet.dts + self._delays[-1]
        return packet

    def _is_plausible(self, delay: int) -> bool:
        if len(self._delays) < _HISTORY or abs(delay) * self._tick <= _MAX_DELAY:
            return True
        seconds = max(_MAX_DELAY, 2 * _SUSPECT_INTERVALS * self._interval)
        longest = max(abs(known) for known in self._delays)
        return abs(delay) <= max(seconds / self._tick, _DELAY_FACTOR * longest)


def _move(packet: VideoPacket, ticks: int) -> None:
    if not ticks:
        return
    if packet.pts is not None:
        packet.pts += ticks
    if packet.dts is not None:
        packet.dts += ticks
