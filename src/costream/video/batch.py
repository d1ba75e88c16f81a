"""The vectors of several frames side by side, so that they can be gathered at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from costream.video.vectors import FrameVectors, Vectors

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]

VECTORS = 1 << 17
"""Vectors that a batch has room for, in 3 MB: half a second of 1080p without B-frames."""

FRAMES = 32

_KEPT = (0, 1, 3)
"""Words of a vector that are kept, one column each: head, place and motion."""

_DST_X, _DST_Y = 16, 32
"""First bits in a vector's place: its fields are src_y, dst_x and dst_y, of 16 bits each."""

_BLOCKS = 0xFFF
"""Twelve bits of a position are left if its lowest four, those within a block, are dropped."""


class VectorBatch:
    """Keeps the vectors of a few frames, and nothing else of them, in memory that is used again.

    Its arrays hold one element a vector, frame after frame, and are views that end with the next
    change of the batch.
    """

    def __init__(self) -> None:
        """Starts empty."""
        self._columns = np.empty((len(_KEPT), VECTORS), np.uint64)
        self.clear()

    def clear(self) -> None:
        """Forgets all frames."""
        self._ends = [0]
        self._factors: list[tuple[float, float, int]] = []

    @property
    def frames(self) -> int:
        """How many frames the batch holds."""
        return len(self._factors)

    @property
    def ends(self) -> Indices:
        """Where each frame ends, after a 0: [frames + 1]."""
        return np.array(self._ends, np.intp)

    def has_room(self, count: int) -> bool:
        """Whether a frame of ``count`` vectors may be added. An empty batch takes any frame."""
        return not self._factors or (self.frames < FRAMES and self._ends[-1] + count <= VECTORS)

    def add(self, vectors: FrameVectors) -> None:
        """Copies the vectors of one more frame, for which there must be room."""
        rows, span = vectors.rows, vectors.span
        start, end = self._ends[-1], self._ends[-1] + len(rows)
        if end > self._columns.shape[1]:
            self._columns = np.empty((len(_KEPT), end), np.uint64)
        for column, word in zip(self._columns, _KEPT, strict=True):
            column[start:end] = rows[:, word]
        self._ends.append(end)
        self._factors.append((-span.past, span.future, _scale(rows)))

    def factors(self) -> tuple[Floats, Floats]:
        """Returns each frame's factors for vectors into the past and into the future.

        A vector points from a block to where its content is taken from. So the content moved by
        minus the vector if that is an earlier picture, and will move by plus the vector if it is a
        later one. Both factors make it pixels since the previous frame.
        """
        past, future, scale = np.array(self._factors, np.float32).T
        return past / scale, future / scale

    def blocks(self, left: int = 0, top: int = 0) -> tuple[Indices, Indices]:
        """Returns row and column of the 16 x 16 block that each vector is for, as new arrays.

        Args:
            left: samples left of the first block.
            top: samples above it.
        """
        if left or top:
            return self._places(_DST_Y) - top >> 4, self._places(_DST_X) - left >> 4
        place = self._columns[1, : self._ends[-1]]
        y, x = place >> np.uint64(_DST_Y + 4), place >> np.uint64(_DST_X + 4)
        y &= np.uint64(_BLOCKS)
        x &= np.uint64(_BLOCKS)
        return y.view(np.intp), x.view(np.intp)

    def _places(self, bit: int) -> Indices:
        field = self._columns[1, : self._ends[-1]] >> np.uint64(bit)
        return (field & np.uint64(0xFFFF)).astype(np.intp)

    def nonzero(self) -> Indices:
        """Returns the indices of the vectors that are not zero."""
        return np.flatnonzero(self._columns[2, : self._ends[-1]] != 0)

    def motion(self, chosen: Indices) -> tuple[Floats, Floats]:
        """Returns x and y of some vectors, in the codec's units."""
        words = self._columns[2].take(chosen).view(np.int32).reshape(-1, 2)
        x, y = words.T.astype(np.float32)
        return x, y

    def area(self, chosen: Indices) -> Floats:
        """Returns how many pixels each of some vectors is for."""
        head = self._columns[0].take(chosen).view(np.uint8).reshape(-1, 8)
        area: Floats = np.multiply(head[:, 4], head[:, 5], dtype=np.float32)
        return area

    def from_past(self, chosen: Indices) -> npt.NDArray[np.bool_]:
        """Returns whether some vectors point into earlier pictures, not into later ones."""
        past: npt.NDArray[np.bool_] = self._columns[0].take(chosen).view(np.int32)[::2] < 0
        return past


def _scale(rows: Vectors) -> int:
    return int(rows[0, 4:].view(np.uint16)[0]) if len(rows) else 1
