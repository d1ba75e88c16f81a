"""The motion of an interval on the grid of blocks, gathered from the vectors of its frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from costream.video.batch import Indices, VectorBatch
from costream.video.bitstream import MOVING, STILL, UNPREDICTED
from costream.video.sample import BLOCK
from costream.video.vectors import FrameVectors

if TYPE_CHECKING:
    from costream._bitstream import Summary


class MotionField:
    """Sums up the motion of frames on a grid of ``BLOCK`` x ``BLOCK`` blocks, as coded.

    Frames are gathered several at a time, since a frame's share of the work is smaller than what
    it costs to begin it. A block's motion in one frame is the mean of its vectors, weighted by
    area. In B-frames FFmpeg fills the direction that a block does not use with zeros: zeros
    therefore count only for the part of the block which no other vector explains.
    """

    def __init__(
        self,
        rows: int,
        cols: int,
        scale: tuple[float, float] = (1.0, 1.0),
        corner: tuple[int, int] = (0, 0),
    ) -> None:
        """Starts without a frame.

        Args:
            rows: rows of blocks.
            cols: columns of blocks.
            scale: pixels that a coded sample is wide and high: the motion's unit. Summaries come in
                it already.
            corner: x and y of the first block in the picture that vectors are of, in samples.
        """
        self.shape = (rows, cols)
        self._scale = scale
        self._corner = corner
        self._batch = VectorBatch()
        self.clear()

    def clear(self) -> None:
        """Forgets all frames."""
        blocks = self.shape[0] * self.shape[1]
        self._batch.clear()
        self._frames = 0
        self._peak = np.zeros(blocks, np.float32)  # squared
        self._drift = np.zeros((2, blocks))
        self._path = np.zeros(blocks)
        self._active = np.zeros(blocks, np.intp)
        self._intra = np.zeros(blocks, np.bool_)
        self._residual: npt.NDArray[np.float32] | None = None

    def add(self, vectors: FrameVectors) -> None:
        """Adds a frame. A block without a vector counts as not predicted."""
        if not self._batch.has_room(len(vectors.rows)):
            self._gather()
        self._batch.add(vectors)
        self._frames += 1

    def add_summary(self, summary: Summary) -> None:
        """Adds a P- or B-frame that was read by our own reader, of this field's size."""
        x, y, state = summary.x.ravel(), summary.y.ravel(), summary.state.ravel()
        np.maximum(self._peak, np.square(summary.peak.ravel()), out=self._peak)
        self._drift[0] += x
        self._drift[1] += y
        self._path += np.hypot(x, y)
        self._active += state != STILL
        self._intra |= state == UNPREDICTED
        energy = summary.energy.ravel()
        self._residual = energy.copy() if self._residual is None else self._residual + energy
        self._frames += 1

    def add_unpredicted(self) -> None:
        """Adds a frame none of whose blocks was predicted."""
        self._frames += 1
        self._active += 1
        self._intra[:] = True

    def peak(self) -> npt.NDArray[np.float32]:
        """Returns the longest vector of each block, float32 [rows, cols], in pixels a frame."""
        self._gather()
        return np.sqrt(self._peak).reshape(self.shape)

    def drift(self) -> npt.NDArray[np.float32]:
        """Returns each block's way (x, y), float32 [rows, cols, 2], in pixels."""
        self._gather()
        return self._drift.T.astype(np.float32).reshape(*self.shape, 2)

    def path(self) -> npt.NDArray[np.float32]:
        """Returns the length of each block's way, all turns included, [rows, cols], in pixels."""
        self._gather()
        return self._path.astype(np.float32).reshape(self.shape)

    def activity(self) -> npt.NDArray[np.float32]:
        """Returns the share of frames in which a block moved or was not predicted, [rows, cols]."""
        self._gather()
        share = self._active.astype(np.float32) / np.float32(max(self._frames, 1))
        return share.reshape(self.shape)

    def intra(self) -> npt.NDArray[np.bool_]:
        """Returns whether a block was once not predicted, bool [rows, cols]."""
        self._gather()
        return self._intra.reshape(self.shape).copy()

    def residual(self) -> npt.NDArray[np.float32]:
        """Returns what was left to be corrected, float32 [rows, cols]; NaN where nothing tells."""
        if self._residual is None:
            return np.full(self.shape, np.nan, np.float32)
        return self._residual.reshape(self.shape)

    def _gather(self) -> None:
        """Gathers the batch: ``block`` is a vector's block, ``cell`` its frame and block in one."""
        if not self._batch.frames:
            return
        block, outside = self._blocks()
        cell = np.repeat(np.arange(self._batch.frames) * len(self._peak), np.diff(self._batch.ends))
        cell += block
        # No codec here has vectors finer than a quarter pixel, so that every nonzero one is moving.
        moving = self._batch.nonzero()
        if outside.any():
            cell[outside] = self._batch.frames * len(self._peak)
            moving = moving[~outside[moving]]
        self._gather_states(cell, cell[moving])
        self._gather_movement(moving, block[moving], cell[moving])
        self._batch.clear()

    def _blocks(self) -> tuple[Indices, npt.NDArray[np.bool_]]:
        """Returns each vector's block, and whether it lies outside the cropped picture."""
        rows, cols = self.shape
        y, x = self._batch.blocks(*self._corner)
        outside = y >= rows
        outside |= x >= cols
        if any(self._corner):
            outside |= (y < 0) | (x < 0)
        y *= cols
        y += x
        return y, outside

    def _gather_states(self, cell: Indices, moving: Indices) -> None:
        frames, blocks = self._batch.frames, len(self._peak)
        # One more cell, for the vectors outside.
        flat = np.full(frames * blocks + 1, UNPREDICTED, np.uint8)
        flat[cell] = STILL
        flat[moving] = MOVING
        states = flat[:-1].reshape(frames, blocks)
        self._active += np.count_nonzero(states, axis=0)
        self._intra |= states.max(axis=0) == UNPREDICTED

    def _gather_movement(self, moving: Indices, block: Indices, cell: Indices) -> None:
        blocks = len(self._peak)
        x, y = self._batch.motion(moving)
        factor = self._factor(moving)
        x *= factor * np.float32(self._scale[0])
        y *= factor * np.float32(self._scale[1])
        squared = x * x + y * y
        np.maximum.at(self._peak, block, squared)

        area = self._batch.area(moving)
        covered = np.bincount(cell, area)[cell]
        share = area / np.maximum(covered, BLOCK * BLOCK)
        self._drift[0] += np.bincount(block, share * x, blocks)
        self._drift[1] += np.bincount(block, share * y, blocks)
        self._path += np.bincount(block, share * np.sqrt(squared), blocks)

    def _factor(self, moving: Indices) -> npt.NDArray[np.float32]:
        counts = np.diff(np.searchsorted(moving, self._batch.ends))
        past, future = (np.repeat(each, counts) for each in self._batch.factors())
        return np.where(self._batch.from_past(moving), past, future)
