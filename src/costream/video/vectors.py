"""One frame's motion vectors: read from FFmpeg's side data and gathered on the block grid."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import Any, cast

import av
import numpy as np
import numpy.typing as npt
from av.sidedata.motionvectors import MotionVectors
from av.video.reformatter import Interpolation, VideoReformatter

from costream.video.references import Span
from costream.video.sample import BLOCK

Vectors = npt.NDArray[np.void]
"""Structured array with FFmpeg's ``AVMotionVector`` fields, one row a vector."""

EXPORT_OPTIONS = {"export_side_data": "+mvs"}
"""Decoder options that make FFmpeg export vectors. They work on the decoder, not on the demuxer."""

_EXPORTING = frozenset({"h264", "mpeg4", "mpeg2video", "mpeg1video", "h263", "flv1"})
_EXPORTING_B = frozenset({"h264", "mpeg2video", "mpeg1video"})

_COLLECT_EVERY = 16


def exports_vectors(codec: str) -> bool:
    """Whether FFmpeg's decoder of ``codec`` exports motion vectors (each one was measured)."""
    return codec in _EXPORTING


def exports_b_vectors(codec: str) -> bool:
    """Whether the vectors of B-frames are real.

    For MPEG-4 part 2 FFmpeg exports zeros for every block of a B-frame, however it moved.
    """
    return codec in _EXPORTING_B


class VectorReader:
    """Takes the vectors off the frames of one stream."""

    def __init__(self) -> None:
        self._scaler = VideoReformatter()
        self._reads = 0

    def read(self, frame: av.VideoFrame) -> Vectors | None:
        """Returns the frame's vectors, or None if the decoder exported none.

        PyAV ties a frame whose side data was looked at into a reference cycle, which would keep
        whole pictures until the garbage collector comes by. So the look is taken at a thumbnail,
        which carries the same side data, and the youngest garbage is collected now and then.
        """
        thumbnail = self._scaler.reformat(
            frame,
            width=BLOCK,
            height=BLOCK,
            format="gray",
            interpolation=Interpolation.POINT,
            threads=1,
        )
        self._reads += 1
        if self._reads % _COLLECT_EVERY == 0:
            gc.collect(0)
        exported = thumbnail.side_data.get("MOTION_VECTORS")
        if not isinstance(exported, MotionVectors):
            return None
        return cast(Vectors, exported.to_ndarray())


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
    inside = (y >= 0) & (y < rows) & (x >= 0) & (x < cols)
    if not inside.all():
        vectors, block = vectors[inside], block[inside]
    predicted = np.zeros(blocks, np.bool_)
    predicted[block] = True

    nonzero = np.flatnonzero(vectors["motion_x"] | vectors["motion_y"])
    mean, peak = _movement(vectors[nonzero], block[nonzero], blocks, span)
    # No codec here has vectors finer than a quarter pixel, so that every nonzero one is moving.
    moving = np.zeros(blocks, np.bool_)
    moving[block[nonzero]] = True
    shape = (rows, cols)
    return MotionField(
        mean=mean.reshape(rows, cols, 2),
        peak=peak.reshape(shape),
        moving=moving.reshape(shape),
        predicted=predicted.reshape(shape),
    )


def _movement(
    vectors: Vectors, block: npt.NDArray[np.intp], blocks: int, span: Span
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    peak = np.zeros(blocks, np.float32)
    if not len(vectors):
        return np.zeros((blocks, 2), np.float32), peak
    factor = np.where(vectors["source"] < 0, np.float32(-span.past), np.float32(span.future))
    factor = factor / vectors["motion_scale"].astype(np.float32)
    moved_x, moved_y = vectors["motion_x"] * factor, vectors["motion_y"] * factor
    np.maximum.at(peak, block, np.hypot(moved_x, moved_y).astype(np.float32))

    area = vectors["w"].astype(np.float32) * vectors["h"]
    covered = np.maximum(np.bincount(block, area, blocks), BLOCK * BLOCK)
    total: list[Any] = [np.bincount(block, area * moved, blocks) for moved in (moved_x, moved_y)]
    return np.stack([each / covered for each in total], axis=-1).astype(np.float32), peak
