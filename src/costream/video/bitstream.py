"""Our own reader of H.264 and H.265 bitstreams, where the package was built with it.

It takes vectors, prediction modes, QPs and residual energy from the entropy-coded slices,
without reconstructing a pixel: evidence also for H.265, of which FFmpeg exports nothing, and
the modes and residuals that no decoder exports.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from costream._bitstream import H264Reader, H265Reader, Tracker

    Reader: TypeAlias = H264Reader | H265Reader

STILL, MOVING, UNPREDICTED = 0, 1, 2
"""States of a block."""

DAMAGED = "damaged"
"""The reason that a reader gives for a picture whose bits break the standard's syntax."""

READ = frozenset({"h264", "hevc"})
"""FFmpeg's names of the codecs that a reader is for."""

logger = logging.getLogger("costream")


@cache
def _native() -> Any:
    try:
        from costream import _bitstream
    except ImportError:
        logger.warning(
            "this installation has no bitstream reader: evidence comes from FFmpeg alone, which "
            "has none of H.265 (install with a C++ compiler to build it)"
        )
        return None
    return _bitstream


def open_reader(codec: str, extradata: bytes | None) -> Reader | None:
    """Returns a reader for a stream, or None where there is none for its codec.

    Args:
        codec: FFmpeg's name of the codec.
        extradata: avcC, hvcC or Annex B parameter sets from the container, if it has any.
    """
    if codec not in READ or (native := _native()) is None:
        return None
    reader: Reader = native.H264Reader() if codec == "h264" else native.H265Reader()
    reader.configure(extradata or b"")
    return reader


def new_tracker() -> Tracker:
    """Returns a tracker, which follows a decoded picture through others by a reader."""
    tracker: Tracker = _native().Tracker()
    return tracker


def names_feature(reasons: list[str]) -> bool:
    """Whether one of a reader's reasons is a feature that it lacks, not damage or loss."""
    return any(why != DAMAGED and not why.startswith("missing") for why in reasons)
