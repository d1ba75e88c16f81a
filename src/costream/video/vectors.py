"""One frame's motion vectors: read from FFmpeg's side data and gathered on the block grid."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import cast

import av
import numpy as np
import numpy.typing as npt
from av.sidedata.motionvectors import MotionVectors
from av.video.reformatter import Interpolation, VideoReformatter

from costream.video.references import Span
from costream.video.sample import BLOCK

Indices = npt.NDArray[np.intp]
Vectors = npt.NDArray[np.void]
"""Structured array with FFmpeg's ``AVMotionVector`` fields, one row a vector."""

EXPORT_OPTIONS = {"export_side_data": "+mvs"}
"""Decoder options that make FFmpeg export vectors. They work on the decoder, not on the demuxer."""

_EXPORTING = frozenset({"h264", "mpeg4", "mpeg2video", "mpeg1video", "h263", "flv1"})
_EXPORTING_B = frozenset({"h264", "mpeg2video", "mpeg1video"})

_THUMBNAIL = 2


def exports_vectors(codec: str) -> bool:
    """Whether FFmpeg's decoder of ``codec`` exports motion vectors (each one was measured)."""
    return codec in _EXPORTING


def exports_b_vectors(codec: str) -> bool:
    """Whether the vectors of B-frames are real.

    For MPEG-4 part 2 FFmpeg exports zeros for every block of a B-frame, however it moved.
    """
    return codec in _EXPORTING_B


@dataclass(frozen=True, slots=True)
class MotionField:
    """One frame's vectors on the grid of ``BLOCK`` x ``BLOCK`` blocks, in coded orientation.

    Attributes:
        mean: float32 [rows, cols, 2], movement (x, y) of the content since the previous frame.
        peak: float32 [rows, cols], the longest of the block's vectors, in pixels a frame.
        moving: bool [rows, cols], a vector of the block was at least a quarter pixel long.
        predicted: bool [rows, cols], the block had a vector at all. Skipped blocks have one.
    """

    mean: npt.NDArray[np.float32]
    peak: npt.NDArray[np.float32]
    moving: npt.NDArray[np.bool_]
    predicted: npt.NDArray[np.bool_]


class VectorReader:
    """Takes the vectors off the frames of one stream."""

    def __init__(self) -> None:
        self._scaler = VideoReformatter()

    def read(self, frame: av.VideoFrame, span: Span | None) -> tuple[int, MotionField | None]:
        """Returns how many vectors the decoder exported for the frame, and gathers them.

        PyAV ties a frame whose side data was looked at into a reference cycle, which would keep
        whole pictures until the garbage collector comes by. So the look is taken at a thumbnail,
        which carries the same side data, and is collected at once, while it is young.

        Args:
            frame: the decoded frame.
            span: how to read its vectors, or None if they mean nothing and are only counted.
        """
        count, field = self._read(frame, span)
        gc.collect(0)
        return count, field

    def _read(self, frame: av.VideoFrame, span: Span | None) -> tuple[int, MotionField | None]:
        thumbnail = self._scaler.reformat(
            frame,
            width=_THUMBNAIL,
            height=_THUMBNAIL,
            format="gray",
            interpolation=Interpolation.POINT,
            threads=1,
        )
        exported = thumbnail.side_data.get("MOTION_VECTORS")
        if not isinstance(exported, MotionVectors):
            return 0, None
        if span is None:
            return len(exported), None
        vectors = cast(Vectors, exported.to_ndarray())
        return len(vectors), gather(vectors, *grid(frame.height, frame.width), span)


def grid(height: int, width: int) -> tuple[int, int]:
    """Returns rows and columns of blocks that cover a picture."""
    return -(-height // BLOCK), -(-width // BLOCK)


def gather(vectors: Vectors, rows: int, cols: int, span: Span) -> MotionField:
    """Gathers a frame's vectors on ``rows`` x ``cols`` blocks.

    A vector points from a block to where its content is taken from. So the content moved by minus
    the vector if that is an earlier picture, and will move by plus the vector if it is a later
    one; ``span`` turns both into movement since the previous frame. A block's mean weights its
    vectors by area. In B-frames FFmpeg fills the direction that a block does not use with zeros:
    zeros therefore count only for the part of the block which no other vector explains.
    """
    blocks = rows * cols
    y, x = vectors["dst_y"] >> 4, vectors["dst_x"] >> 4
    block = y.astype(np.intp) * cols + x
    if len(block) and (y.max() >= rows or x.max() >= cols):
        # Coded blocks outside the cropped picture.
        inside = np.flatnonzero((y < rows) & (x < cols))
        vectors, block = vectors[inside], block[inside]
    predicted = np.zeros(blocks, np.bool_)
    predicted[block] = True

    nonzero = np.flatnonzero((vectors["motion_x"] | vectors["motion_y"]) != 0)
    block = block[nonzero]
    mean, peak = _movement(vectors, nonzero, block, blocks, span)
    # No codec here has vectors finer than a quarter pixel, so that every nonzero one is moving.
    moving = np.zeros(blocks, np.bool_)
    moving[block] = True
    shape = (rows, cols)
    return MotionField(
        mean=mean.reshape(rows, cols, 2),
        peak=peak.reshape(shape),
        moving=moving.reshape(shape),
        predicted=predicted.reshape(shape),
    )


def _movement(
    vectors: Vectors, chosen: Indices, block: Indices, blocks: int, span: Span
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    peak = np.zeros(blocks, np.float32)
    if not len(chosen):
        return np.zeros((blocks, 2), np.float32), peak
    # Columns are picked one by one, since picking whole rows of a structured array is slow.
    scale = np.float32(vectors["motion_scale"][0])
    past, future = np.float32(-span.past) / scale, np.float32(span.future) / scale
    factor = np.where(vectors["source"][chosen] < 0, past, future)
    moved_x = vectors["motion_x"][chosen].astype(np.float32) * factor
    moved_y = vectors["motion_y"][chosen].astype(np.float32) * factor
    np.maximum.at(peak, block, np.sqrt(moved_x * moved_x + moved_y * moved_y))

    area = vectors["w"][chosen].astype(np.float32) * vectors["h"][chosen]
    covered = np.maximum(np.bincount(block, area, blocks), BLOCK * BLOCK)
    mean = np.empty((blocks, 2), np.float32)
    mean[:, 0] = np.bincount(block, area * moved_x, blocks) / covered
    mean[:, 1] = np.bincount(block, area * moved_y, blocks) / covered
    return mean, peak
