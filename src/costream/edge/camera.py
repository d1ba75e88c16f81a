"""A camera as the edge reads it: what lies between two ticks, and what it takes to decode it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from costream.edge.interval import Interval, NativeFrame, Shown
from costream.errors import SourceError
from costream.video import Stream
from costream.video.clock import TickGrid
from costream.video.credentials import Credentials
from costream.video.decode_count import DecodeCount
from costream.video.decoder_input import DecoderInput, GivenPacket
from costream.video.display import Display
from costream.video.naming import SourceLike
from costream.video.packet_ring import PacketRing
from costream.video.picture import Picture
from costream.video.record import DecodedFrame
from costream.video.references import Coded
from costream.video.sample import MotionSource, StreamInfo
from costream.video.stream import Decoding


@dataclass(frozen=True, slots=True)
class Passage:
    """What an interval comes to, and what its pictures are decoded from.

    Attributes:
        interval: what happened.
        packets: what a decoder has to be given for its pictures from a random access point on;
            empty where none is shown.
    """

    interval: Interval
    packets: list[GivenPacket]


class EdgeCamera(Stream):
    """A camera that is followed as ``decode`` says, to be sent on.

    Args:
        source: see :class:`~costream.video.stream.Stream`.
        ring: keeps all packets.
        decode: see there.
        timeout: see there.
        options: see there.
        credentials: see there.
    """

    def __init__(
        self,
        source: SourceLike,
        *,
        ring: PacketRing | None,
        decode: Decoding,
        timeout: float = 10.0,
        options: Mapping[str, str] | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        super().__init__(
            source,
            timeout=timeout,
            motion=False,
            decode=decode,
            options=options,
            credentials=credentials,
        )
        self.ring = ring
        self.given: DecoderInput = DecoderInput()
        self._zero: int | None = None
        self._layout: tuple[int, int, Display] | None = None

    @property
    def base(self) -> Fraction:
        """Seconds of one unit of the packets' stamps."""
        assert self._decoder is not None
        return self._decoder.stream.time_base or Fraction(1)

    @property
    def zero(self) -> int | None:
        """The stamp of its first picture, once it is open; None where it has none."""
        return self._zero

    @property
    def evidence(self) -> MotionSource:
        """Why its change maps are empty."""
        return self._evidence

    def passages(self, fps: float) -> Iterator[Passage]:
        """Yields what lies between the ticks, as soon as a tick has its frame.

        Raises:
            SourceError: as :meth:`~costream.video.stream.Stream.samples`; or a picture can't be
                told from others, or comes from no random access point.
        """
        self.open()
        grid = TickGrid(fps)
        self._follow(grid, each=True)
        frames: list[NativeFrame] = []
        latest: tuple[int, DecodedFrame] | None = None
        counted = DecodeCount()
        for decoded in self._take():
            frames.append(NativeFrame(decoded.record))
            if decoded.frame is not None:
                latest = len(frames) - 1, decoded
                if self._is_laid_out_anew(decoded):
                    frames[-1] = _shown(frames[-1], decoded)
            if grid.tick(decoded.record.time) is None:
                continue
            if latest is not None:
                at, picture = latest
                frames[at] = _shown(frames[at], picture)
            counts = self.health.decoding
            yield self._passage(Interval(tuple(frames), counts - counted))
            counted = counts
            frames, latest = [], None

    def _describe(self, first: DecodedFrame) -> StreamInfo:
        coded = first.frame.opaque if first.frame is not None else None
        self._zero = coded.pts if isinstance(coded, Coded) else None
        return super()._describe(first)

    def _is_laid_out_anew(self, decoded: DecodedFrame) -> bool:
        frame = decoded.frame
        assert frame is not None
        layout = frame.width, frame.height, decoded.display
        other, self._layout = layout != self._layout, layout
        return other

    def _passage(self, interval: Interval) -> Passage:
        orders = [frame.shown.order for frame in interval.frames if frame.shown is not None]
        return Passage(interval, self.given.since(min(orders)) if orders else [])


def _shown(frame: NativeFrame, decoded: DecodedFrame) -> NativeFrame:
    if frame.shown is not None:
        return frame
    assert decoded.frame is not None
    coded = decoded.frame.opaque
    if not isinstance(coded, Coded):
        raise SourceError("a picture can't be told from others: send the camera's stream as it is")
    digest = Picture(decoded.frame, decoded.display).digest()
    return NativeFrame(frame.record, Shown(coded.order, decoded.display, digest))
