"""What FFmpeg gives beside a packet's bytes and a frame's picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import av
from av.sidedata.sidedata import SideDataContainer

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream


def side_data(
    frame: av.VideoFrame, kind: Literal["MOTION_VECTORS", "VIDEO_ENC_PARAMS"]
) -> object | None:
    """Returns what was exported beside ``frame``, without a copy, or None.

    ``frame.side_data`` would tie the frame into a reference cycle, which keeps whole pictures until
    the garbage collector comes by. A container of our own makes none.
    """
    container = SideDataContainer(frame)  # type: ignore[call-arg]  # PyAV's stub leaves it out
    exported: object | None = container.get(kind)
    return exported


def new_extradata(packet: Packet[VideoStream]) -> bytes | None:
    """Returns the parameter sets that hold from ``packet`` on, or None where they go on.

    A container gives them out of band: FLV by a new sequence header, MP4 by a further sample entry.
    """
    if not packet.has_sidedata("new_extradata"):
        return None
    return bytes(memoryview(packet.get_sidedata("new_extradata")))
