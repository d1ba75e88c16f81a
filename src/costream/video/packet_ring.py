"""The newest packets of a source, as they came: for clips, and to decode the past again.

What is kept is whole groups of pictures, each from its key frame on, since nothing can be decoded
from the middle of one.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from time import monotonic
from typing import TYPE_CHECKING

from costream.errors import SettingsError
from costream.video.side_data import Extradata
from costream.video.track import codec_name

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream


@dataclass(frozen=True, slots=True)
class RingLimits:
    """How much of a source's bitstream is kept.

    Attributes:
        seconds: of stream time that can be had again, at least, as far as ``max_bytes`` go: a
            window, and what is wanted of before it. Up to one group of pictures more is kept.
        max_bytes: of packets, at most. A group of pictures that is larger is not kept.

    Raises:
        SettingsError: one is not positive.
    """

    seconds: float
    max_bytes: int

    def __post_init__(self) -> None:
        if not (self.seconds > 0 and self.max_bytes > 0):
            raise SettingsError(
                f"a ring of {self.seconds:g} s and {self.max_bytes} bytes keeps nothing: choose "
                "more than 0"
            )


@dataclass(frozen=True, slots=True, eq=False)
class CodecParameters:
    """What has to be known to decode or to store packets, beside themselves.

    Attributes:
        codec: FFmpeg's name of the codec.
        decoder: FFmpeg's name of what decodes it.
        extradata: the parameter sets of the container, if it has any.
        tag: the container's name of the codec.
        width: of the coded picture, in pixels.
        height: of the coded picture, in pixels.
        time_base: seconds of one unit of the packets' stamps.
    """

    codec: str
    decoder: str
    extradata: bytes | None
    tag: str
    width: int
    height: int
    time_base: Fraction

    @classmethod
    def of(cls, video: VideoStream, extradata: bytes | None) -> CodecParameters:
        """Returns those of an open stream with the parameter sets that hold by now."""
        context = video.codec_context
        return cls(
            codec_name(video),
            context.codec.name,
            extradata,
            context.codec_tag,
            context.width,
            context.height,
            video.time_base or Fraction(1),
        )


@dataclass(frozen=True, slots=True)
class StoredPacket:
    """A packet of the ring.

    Attributes:
        number: counts the packets of a source in decoding order, over all its connections.
        data: its bytes, as they came.
        pts: when it is shown, in units of ``parameters.time_base``, corrected; None where unknown.
        dts: when it is decoded, likewise.
        key: a group of pictures begins with it.
        parameters: how it is decoded; those of one connection are the same object.
        received: when it came, on the clock of ``time.monotonic``.
    """

    number: int
    data: bytes
    pts: int | None
    dts: int | None
    key: bool
    parameters: CodecParameters
    received: float


@dataclass(slots=True)
class _Group:
    """The packets from one key frame up to the next."""

    packets: list[StoredPacket] = field(default_factory=list)
    size: int = 0
    first: float | None = None
    last: float | None = None

    def add(self, packet: StoredPacket) -> None:
        self.packets.append(packet)
        self.size += len(packet.data)
        stamp = packet.dts if packet.dts is not None else packet.pts
        if stamp is not None:
            self.last = float(stamp * packet.parameters.time_base)
            self.first = self.last if self.first is None else self.first

    @property
    def seconds(self) -> float:
        """From its first packet to its last."""
        return 0.0 if self.first is None or self.last is None else self.last - self.first


class PacketRing:
    """Keeps a source's newest packets, of all its connections. Any thread may use it.

    Args:
        limits: how much is kept.

    Attributes:
        received: bytes of packets that came so far, kept or not.
    """

    def __init__(self, limits: RingLimits) -> None:
        self.limits = limits
        self.received = 0
        self._groups = deque[_Group]()
        self._lock = threading.Lock()
        self._number = 0
        self._video: VideoStream | None = None
        self._extradata = Extradata(None)
        self._parameters: CodecParameters | None = None
        self._whole = False  # what comes goes on from a key frame that is kept

    @property
    def size(self) -> int:
        """Bytes of packets that are kept."""
        with self._lock:
            return sum(group.size for group in self._groups)

    def begin(self, video: VideoStream) -> None:
        """Goes on with a stream that was just opened: what follows can't refer to what was before.

        Args:
            video: the stream; the ring looks at it as long as packets of it come.
        """
        extradata = video.codec_context.extradata
        self._video, self._extradata = video, Extradata(extradata)
        self.begin_with(CodecParameters.of(video, extradata))

    def begin_with(self, parameters: CodecParameters) -> None:
        """Likewise, with packets that come by :meth:`keep`."""
        self._parameters, self._whole = parameters, False

    def add(self, packet: Packet[VideoStream]) -> int:
        """Keeps the next packet in decoding order; returns its number."""
        assert self._video is not None
        renewed = self._extradata.renew(packet)
        if renewed is not None:
            self.begin_with(CodecParameters.of(self._video, renewed))
        return self.keep(bytes(packet), packet.pts, packet.dts, key=packet.is_keyframe)

    def keep(self, data: bytes, pts: int | None, dts: int | None, *, key: bool) -> int:
        """Keeps the next packet in decoding order, of the parameters that hold by now.

        Args:
            data: its bytes.
            pts: see :class:`StoredPacket`.
            dts: see there.
            key: see there.

        Returns:
            Its number.
        """
        assert self._parameters is not None
        stored = StoredPacket(self._number, data, pts, dts, key, self._parameters, monotonic())
        self.received += len(data)
        self._number += 1
        with self._lock:
            self._keep(stored)
        return stored.number

    def groups(self) -> list[Sequence[StoredPacket]]:
        """Returns what is kept, in decoding order, group by group."""
        with self._lock:
            return [tuple(group.packets) for group in self._groups]

    def since(self, moment: float) -> list[StoredPacket]:
        """Returns what came from a moment on, and before it from a key frame on.

        Args:
            moment: on the clock of ``time.monotonic``. Where less is kept, all of it is returned.
        """
        groups = self.groups()
        begins = [n for n, group in enumerate(groups) if group[0].received <= moment]
        return [packet for group in groups[begins[-1] if begins else 0 :] for packet in group]

    def after(self, number: int) -> list[StoredPacket]:
        """Returns what is kept of the packets behind the one of a number."""
        groups = self.groups()
        return [packet for group in groups for packet in group if packet.number > number]

    def _keep(self, packet: StoredPacket) -> None:
        if packet.key:
            self._groups.append(_Group())
            self._whole = True
        if not self._whole:
            return
        self._groups[-1].add(packet)
        while sum(group.size for group in self._groups) > self.limits.max_bytes:
            self._groups.popleft()
            # Of the newest group no part is worth keeping without its key frame.
            self._whole = bool(self._groups)
        while self._is_long():
            self._groups.popleft()

    def _is_long(self) -> bool:
        """Whether what is kept behind the oldest group is enough."""
        if not self._groups:
            return False
        later = sum(group.seconds for group in self._groups) - self._groups[0].seconds
        return later >= self.limits.seconds
