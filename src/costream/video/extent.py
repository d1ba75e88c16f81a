"""How much of a file was read, beside what its container states."""

from __future__ import annotations

from typing import TYPE_CHECKING

from av.container import InputContainer
from av.packet import Packet

from costream.video.track import duration

if TYPE_CHECKING:
    from av.video.stream import VideoStream

_SLACK = 0.25
_ROUNDED = 1.0
"""Seconds that may be missing of a container's length in whole seconds: some writers round."""


class Extent:
    """Follows a stream's packets, decodable or not, from the first one's stamp to the last's end.

    Lengths in containers count from the first packet, whether or not a picture can be had of it, or
    from 0 on the container's clock: a file is short only if it is by either count.
    """

    def __init__(self, container: InputContainer, video: VideoStream) -> None:
        """Starts before the first packet."""
        self.stated = duration(container, video)
        """Seconds that the container states, or None."""
        rounded = self.stated is not None and not video.duration and self.stated.is_integer()
        self._slack = _ROUNDED if rounded else _SLACK
        self._tick = float(video.time_base or 0)
        self._first: float | None = None
        self._end = 0.0
        self._step = 0.0

    def add(self, packet: Packet[VideoStream]) -> None:
        """Adds the next packet in decoding order."""
        stamp = packet.dts if packet.pts is None else packet.pts
        if stamp is None:
            return
        begin = stamp * self._tick
        end = begin + (packet.duration or 0) * self._tick
        if self._first is None:
            self._first, self._end = begin, end
        if end > self._end:
            self._step, self._end = end - self._end, end
        if begin < self._first:
            self._first = begin

    def is_short(self) -> bool:
        """Whether less was read than the container states. It states none: never."""
        if self.stated is None or self._first is None:
            return False
        read = max(self._end - self._first, self._end)
        return read + 2 * self._step + self._slack < self.stated
