"""The vectors of several frames side by side, so that they can be gathered at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from costream.video.vectors import FrameVectors

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]
Words = npt.NDArray[np.uint64]

VECTORS = 1 << 16
"""Vectors that a batch has room for: what a processor's cache holds, and a dozen frames of 720p."""

FRAMES = 32

_HEAD, _PLACE, _MOTION = 0, 1, 3
"""The words of an ``AVMotionVector`` that are kept."""

_HEAD_FIELDS = np.dtype([("source", "i4"), ("w", "u1"), ("h", "u1"), ("src_x", "i2")])
_PLACE_FIELDS = np.dtype([("src_y", "i2"), ("dst_x", "u2"), ("dst_y", "u2"), ("padding", "i2")])


@dataclass(frozen=True, slots=True)
class Columns:
    """Vectors of several frames, [n] each; columns are much faster to pick from than rows.

    Attributes:
        frame: index of the vector's frame in the batch.
        head: direction and size of the block.
        place: where the block lies.
        motion: both components of the vector; zero where both are.
    """

    frame: Indices
    head: Words
    place: Words
    motion: Words

    def take(self, chosen: Indices) -> Columns:
        """Returns some of the vectors."""
        return Columns(
            self.frame[chosen], self.head[chosen], self.place[chosen], self.motion[chosen]
        )

    def blocks(self) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint16]]:
        """Returns row and column of the block of 16 pixels that each vector lies in."""
        place = self.place.view(_PLACE_FIELDS)
        return place["dst_y"] >> 4, place["dst_x"] >> 4

    def area(self) -> Floats:
        """Returns how many pixels each vector is for."""
        head = self.head.view(_HEAD_FIELDS)
        area: Floats = np.multiply(head["w"], head["h"], dtype=np.float32)
        return area

    def from_past(self) -> npt.NDArray[np.bool_]:
        """Returns whether each vector points into an earlier picture, not into a later one."""
        source: npt.NDArray[np.int32] = self.head.view(_HEAD_FIELDS)["source"]
        return source < 0

    def vectors(self) -> Floats:
        """Returns x and y of each vector in units of its codec, [n, 2]."""
        return self.motion.view(np.int32).reshape(-1, 2).astype(np.float32)


class VectorBatch:
    """Keeps the vectors of a few frames, and nothing else of them, in memory that is used again."""

    def __init__(self) -> None:
        """Starts empty."""
        self._words = np.empty((3, VECTORS), np.uint64)
        self.clear()

    def clear(self) -> None:
        """Forgets all frames."""
        self._size = 0
        self._counts: list[int] = []
        self._factors: list[tuple[float, float, int]] = []

    @property
    def frames(self) -> int:
        """How many frames the batch holds."""
        return len(self._counts)

    def has_room(self, count: int) -> bool:
        """Whether a frame of ``count`` vectors may be added. An empty batch takes any frame."""
        return not self._counts or (self.frames < FRAMES and self._size + count <= VECTORS)

    def add(self, vectors: FrameVectors) -> None:
        """Copies the vectors of one more frame, for which there must be room."""
        rows, span = vectors.rows, vectors.span
        start, end = self._size, self._size + len(rows)
        if end > self._words.shape[1]:
            self._words = np.empty((3, end), np.uint64)
        words: npt.NDArray[Any] = rows.view(np.uint64).reshape(-1, 5)
        for column, word in zip(self._words, (_HEAD, _PLACE, _MOTION), strict=True):
            column[start:end] = words[:, word]
        self._size = end
        self._counts.append(len(rows))
        scale = int(rows["motion_scale"][0]) if len(rows) else 1
        self._factors.append((-span.past, span.future, scale))

    def columns(self) -> Columns:
        """Returns all vectors. They are views: they end with the next change of the batch."""
        frame = np.repeat(np.arange(self.frames), self._counts)
        return Columns(frame, *self._words[:, : self._size])

    def factors(self) -> tuple[Floats, Floats]:
        """Returns each frame's factors for vectors into the past and into the future.

        A vector points from a block to where its content is taken from. So the content moved by
        minus the vector if that is an earlier picture, and will move by plus the vector if it is a
        later one. Both factors make it pixels since the previous frame.
        """
        past, future, scale = np.array(self._factors, np.float32).reshape(-1, 3).T
        return past / scale, future / scale
