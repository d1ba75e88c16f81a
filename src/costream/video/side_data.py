"""What FFmpeg's decoders export beside a frame's picture."""

from __future__ import annotations

from typing import Literal

import av
from av.sidedata.sidedata import SideDataContainer


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
