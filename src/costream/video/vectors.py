"""One frame's motion vectors, as they lie in FFmpeg's side data."""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np
import numpy.typing as npt
from av.sidedata.motionvectors import MotionVectors

from costream.video.references import Span
from costream.video.side_data import side_data

Vectors = npt.NDArray[np.uint64]
"""FFmpeg's ``AVMotionVector`` structures as words, [n, WORDS]: much faster to take than fields."""

WORDS = 5
"""Words of a vector: source, w, h, src_x; src_y, dst_x, dst_y; flags; motion_x, motion_y; scale."""

EXPORT_OPTIONS = {"export_side_data": "+mvs+venc_params"}
"""Decoder options that make FFmpeg export vectors and QPs. They work on the decoder, not on
the demuxer."""

_EXPORTING = frozenset({"h264", "mpeg4", "mpeg2video", "mpeg1video", "h263", "flv1"})
_EXPORTING_B = frozenset({"h264", "mpeg2video", "mpeg1video"})


def exports_vectors(codec: str) -> bool:
    """Whether FFmpeg's decoder of ``codec`` exports motion vectors (each one was measured)."""
    return codec in _EXPORTING


def exports_b_vectors(codec: str) -> bool:
    """Whether the vectors of B-frames are real.

    For MPEG-4 part 2 FFmpeg exports zeros for every block of a B-frame, however it moved.
    """
    return codec in _EXPORTING_B


@dataclass(frozen=True, slots=True)
class FrameVectors:
    """The vectors of one frame and how to read them.

    Attributes:
        rows: the vectors, in coded orientation. If they came from :func:`read_vectors`, they are a
            view that keeps the whole picture alive.
        span: turns them into movement since the previous frame.
    """

    rows: Vectors
    span: Span


def read_vectors(frame: av.VideoFrame) -> Vectors | None:
    """Returns the vectors that the decoder exported for ``frame``, without a copy, or None."""
    exported = side_data(frame, "MOTION_VECTORS")
    if not isinstance(exported, MotionVectors):
        return None
    return np.frombuffer(memoryview(exported), np.uint64).reshape(-1, WORDS)
