"""What a stream's decoder was given, from where its pictures can be decoded again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from costream.errors import SourceError
from costream.video.bitstream import READ
from costream.video.nal import UnitReader
from costream.video.packet_ring import CodecParameters
from costream.video.side_data import Extradata

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

    from costream.video.references import Coded

MAX_BYTES = 32 << 20
"""Bytes that are kept: of what lies between two random access points, and of a group before."""


@dataclass(frozen=True, slots=True, eq=False)
class GivenPacket:
    """A packet that the decoder was given.

    Attributes:
        number: counts what the decoder is given.
        order: its place in decoding order among all packets of the stream.
        data: its bytes, as they came.
        pts: when it is shown, corrected; None where unknown.
        dts: when it is decoded, likewise.
        key: the demuxer says that a group of pictures begins with it.
        restart: every picture that follows it in decoding and display order can be decoded from
            here.
        fresh: the decoder had forgotten all pictures before it.
        parameters: how it is decoded.
    """

    number: int
    order: int
    data: bytes
    pts: int | None
    dts: int | None
    key: bool
    restart: bool
    fresh: bool
    parameters: CodecParameters

    def leads(self, pts: int | None) -> bool:
        """Whether a picture that is shown then is shown before this one's."""
        return self.pts is not None and pts is not None and pts < self.pts


class DecoderInput:
    """Notes what a decoder is given, so that another decoder can be given the same.

    A decoder that is given what :meth:`since` returns gives the same pictures, to the bit.
    """

    def __init__(self) -> None:
        self._given: list[GivenPacket] = []
        self._bytes = self._number = 0
        self._fresh = True
        self._parameters: CodecParameters | None = None
        self._video: VideoStream | None = None

    def begin(self, video: VideoStream) -> None:
        """Starts with a stream that was just opened."""
        extradata = video.codec_context.extradata
        self._video, self._extradata = video, Extradata(extradata)
        self._given, self._bytes, self._fresh = [], 0, True
        self._describe(video, extradata)

    def _describe(self, video: VideoStream, extradata: bytes | None) -> None:
        self._parameters = CodecParameters.of(video, extradata)
        codec = self._parameters.codec
        self._units = UnitReader(codec, extradata) if codec in READ else None

    def add(self, packet: Packet[VideoStream], coded: Coded) -> None:
        """Notes the next packet that the decoder is given.

        Raises:
            SourceError: no random access point was among the last :data:`MAX_BYTES`.
        """
        assert self._parameters is not None and self._video is not None
        extradata = self._extradata.renew(packet)
        if extradata is not None:
            self._describe(self._video, extradata)
        given = GivenPacket(
            self._number,
            coded.order,
            bytes(packet),
            packet.pts,
            packet.dts,
            packet.is_keyframe,
            self._is_restart(packet),
            self._fresh,
            self._parameters,
        )
        self._number += 1
        self._fresh = False
        self._given.append(given)
        self._bytes += len(given.data)
        if given.restart:
            self._forget()
        if self._bytes > MAX_BYTES:
            raise SourceError(
                f"the camera sent no random access point in {MAX_BYTES >> 20} MiB: have it send "
                "key frames (IDR) more often"
            )

    def restart(self) -> None:
        """Notes that the decoder forgets all pictures."""
        self._fresh = True

    def _is_restart(self, packet: Packet[VideoStream]) -> bool:
        if not packet.is_keyframe or self._units is None:
            return packet.is_keyframe
        return self._units.standing(memoryview(packet)).restart

    def _forget(self) -> None:
        """Keeps the newest group, and the one before for pictures that are shown before it."""
        begins = [n for n, given in enumerate(self._given) if given.restart]
        if len(begins) > 2:
            gone = self._given[: begins[-2]]
            self._given = self._given[begins[-2] :]
            self._bytes -= sum(len(given.data) for given in gone)

    def since(self, order: int) -> list[GivenPacket]:
        """Returns what a decoder has to be given so that it gives the picture of a packet.

        Args:
            order: of the packet. The decoder has given its picture.

        Returns:
            What was given by now from a random access point on: the last one that the picture can
            be decoded from. Empty where the packet is not known any more.
        """
        found = [n for n, given in enumerate(self._given) if given.order == order]
        if not found:
            return []
        # One may be given twice: alone at first, and again to go on from there.
        at = found[-1]
        pts = self._given[at].pts
        begins = [n for n in range(at, -1, -1) if self._given[n].restart]
        if pts is None:
            # It may be shown before the newest of them.
            return self._given[begins[min(1, len(begins) - 1)] if begins else 0 :]
        return self._given[next((n for n in begins if not self._given[n].leads(pts)), 0) :]
