"""Blocks of a coded picture on the blocks of the displayed one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from costream.video.display import AS_CODED, Display
from costream.video.sample import BLOCK, grid

Field = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Layout:
    """Lays fields of a coded picture's blocks over the picture as it is displayed.

    Both grids have blocks of ``BLOCK`` x ``BLOCK``: one from the upper left corner of the coded
    picture, cropped, the other from that of the displayed one.

    Attributes:
        width: samples of the coded picture.
        height: samples of the coded picture.
        display: how it is displayed.
        corner: samples left of and above it that were cropped off.
    """

    width: int
    height: int
    display: Display = AS_CODED
    corner: tuple[int, int] = (0, 0)

    @property
    def coded(self) -> tuple[int, int]:
        """Rows and columns of coded blocks."""
        return grid(self.height, self.width)

    def largest(self, field: Field, join: np.ufunc = np.maximum) -> Field:
        """Gives each displayed block the largest value of the coded blocks that it overlaps.

        Args:
            field: [coded rows, coded cols].
            join: what takes the larger of two.

        Returns:
            [displayed rows, displayed cols]; the field itself where it is displayed as coded.
        """
        if self.display == AS_CODED:
            return field
        (rows, _), (cols, _) = self._sides
        field = join.reduce(self._transposed(field)[rows], axis=1)
        return np.ascontiguousarray(join.reduce(field[:, cols], axis=2))

    def mean(self, field: Floats) -> Floats:
        """Gives each displayed block the mean, by area, of the coded blocks that it overlaps."""
        if self.display == AS_CODED:
            return field
        (_, rows), (_, cols) = self._sides
        mean: Floats = rows @ self._transposed(field) @ cols.T
        return mean

    def vectors(self, field: Floats) -> Floats:
        """Does the same with vectors, [coded rows, coded cols, 2], and points them as displayed."""
        if self.display == AS_CODED:
            return field
        x, y = np.moveaxis(field, -1, 0)
        pointed: Floats = self.display.pointed(np.stack((self.mean(x), self.mean(y)), axis=-1))
        return pointed

    def _transposed(self, field: Field) -> Field:
        return field.T if self.display.turned else field

    @cached_property
    def _sides(self) -> tuple[tuple[Field, Floats], tuple[Field, Floats]]:
        """Which coded blocks each displayed row and column overlaps, and by how much."""
        shown_width, shown_height = self.display.size(self.width, self.height)
        rows, cols = self.display.flips()
        tall, wide = self.height, self.width
        if self.display.turned:
            tall, wide = wide, tall
        return _overlaps(tall, shown_height, rows), _overlaps(wide, shown_width, cols)


def _overlaps(coded: int, shown: int, flipped: bool) -> tuple[Field, Floats]:
    """Returns the coded blocks that each displayed one overlaps along one side of the picture.

    Args:
        coded: samples along the side.
        shown: the same in displayed pixels.
        flipped: displayed pixels run against coded samples.

    Returns:
        intp [displayed, widest], rows with fewer blocks than the widest repeat their last; and
        float32 [displayed, coded], each one's share.
    """
    # In units of 1 / shown samples, so that edges are whole.
    edges = np.minimum(np.arange(-(-shown // BLOCK) + 1) * BLOCK, shown) * coded
    low, high = edges[:-1], edges[1:]
    if flipped:
        low, high = coded * shown - high, coded * shown - low
    side = BLOCK * shown
    first, last = low // side, -(-high // side) - 1
    index = np.minimum(first[:, None] + np.arange((last - first).max() + 1), last[:, None])
    starts = np.arange(-(-coded // BLOCK)) * side
    ends = np.minimum(starts + side, coded * shown)
    inside = np.minimum(ends, high[:, None]) - np.maximum(starts, low[:, None])
    shares = np.maximum(inside, 0) / (high - low)[:, None]
    return index.astype(np.intp), shares.astype(np.float32)
