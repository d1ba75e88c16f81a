"""Packets that a decoder may be given."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from av.packet import Packet

if TYPE_CHECKING:
    from av.video.stream import VideoStream


def padded_packet(data: bytes) -> Packet[VideoStream]:
    """Returns a packet of a copy of some bytes, with the zeros behind it that FFmpeg asks for.

    Decoders read beyond the end of a packet, some of them to decode its last macroblock: FFmpeg's
    ``AV_INPUT_BUFFER_PADDING_SIZE``. A demuxer's packets have zeros there. ``Packet(data)`` lends
    FFmpeg the bytes themselves, and the decoder reads whatever lies behind them in memory.
    """
    packet = cast("Packet[VideoStream]", Packet(len(data)))
    if data:
        packet.update(data)
    return packet
