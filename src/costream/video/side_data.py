"""What FFmpeg gives beside a packet's bytes and a frame's picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import av
from av.sidedata.sidedata import SideDataContainer

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream


def side_data(
    frame: av.VideoFrame, kind: Literal["MOTION_VECTORS", "VIDEO_ENC_PARAMS", "DISPLAYMATRIX"]
) -> object | None:
    """Returns what was exported beside ``frame``, without a copy, or None.

    ``frame.side_data`` would tie the frame into a reference cycle, which keeps whole pictures until
    the garbage collector comes by. A container of our own makes none.
    """
    container = SideDataContainer(frame)  # type: ignore[call-arg]  # PyAV's stub leaves it out
    exported: object | None = container.get(kind)
    return exported


class Extradata:
    """A stream's parameter sets as its container gives them, at first or beside a packet.

    FLV gives others by a new sequence header, which many writers repeat, and MP4 by a further
    sample description.
    """

    def __init__(self, extradata: bytes | None) -> None:
        """Starts with what the container gives at first, if anything."""
        self._extradata = extradata or b""

    def renew(self, packet: Packet[VideoStream]) -> bytes | None:
        """Returns the parameter sets that hold from a packet on, or None where they go on."""
        # Most packets have none: to look there takes a third of the time of asking for one kind.
        for one in packet.iter_sidedata():
            if one.data_type == "new_extradata":
                return self._take(packet)
        return None

    def _take(self, packet: Packet[VideoStream]) -> bytes | None:
        extradata = bytes(memoryview(packet.get_sidedata("new_extradata")))
        if extradata == self._extradata:
            return None
        self._extradata = extradata
        return extradata
