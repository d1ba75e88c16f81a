"""A stream's stamps in seconds, and the rate of its pictures."""

from __future__ import annotations

import logging
from fractions import Fraction

from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from costream.video.track import frame_rate, is_unstamped

_DEFAULT_RATE = 25.0

logger = logging.getLogger("costream")


class Timing:
    """What the container, the codec and the user state of a stream's time.

    Attributes:
        rate: native frames a second as stated, or None.
        tick: seconds of one unit of the stamps.
        is_made_up: FFmpeg makes the stamps up, at a rate that nobody stated.
    """

    def __init__(
        self, container: InputContainer, video: VideoStream, name: str, *, rate_stated: bool
    ) -> None:
        """Reads the headers.

        Args:
            container: the open source.
            video: the stream of it that is read.
            name: the source's name for messages.
            rate_stated: the user states the rate of a raw stream: the codec's own does not count.
        """
        base = video.time_base or Fraction(0)
        self._base = float(base.numerator), float(base.denominator)
        self.tick = float(base)
        self.rate = frame_rate(container, video, stated=rate_stated)
        unstamped = is_unstamped(container)
        self._from_packets = unstamped and not rate_stated and self.rate is not None
        self.is_made_up = unstamped and not self._from_packets
        if unstamped and self.rate is None:
            logger.warning(
                "%s states no rate: %g pictures a second are assumed", name, _DEFAULT_RATE
            )

    @property
    def interval(self) -> float:
        """Seconds from one picture to the next, nominally."""
        return 1.0 / (self.rate or _DEFAULT_RATE)

    def seconds(self, stamp: int | None) -> float | None:
        """Returns a stamp in seconds on the source's clock."""
        return None if stamp is None else stamp * self._base[0] / self._base[1]

    def duration(self, packet: Packet[VideoStream]) -> float | None:
        """Returns seconds to the next picture where the codec itself tells them."""
        if not self._from_packets or not packet.duration:
            return None
        return self.seconds(packet.duration)
