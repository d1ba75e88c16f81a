"""Preprocessing of LLaVA-OneVision: one square, whose patches are pooled to fewer tokens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from costream.errors import SettingsError
from costream.preprocessing.base import FrameGeometry, Mask, Preprocessing
from costream.preprocessing.sizes import check_shape
from costream.pruning import PatchGrid
from costream.video import Polygon, touched


@dataclass(frozen=True)
class PooledPreprocessing(Preprocessing):
    """Preprocessing of LLaVA-OneVision.

    A merge group of the grid is a token. It is pooled from two by two patches, which neighbours
    may share, so that patches are cut one by one: ``merge`` is 1.

    Attributes:
        tile: (width, height) of a frame in pixels.
    """

    tile: tuple[int, int]

    @property
    def side(self) -> int:
        """Patches of a side; pixels behind the last whole one are not used."""
        return self.tile[0] // self.patch

    def geometry(
        self, width: int, height: int, frames: int, size: tuple[int, int] | None
    ) -> FrameGeometry:
        tile = self.tile
        if size not in (None, tile):
            raise SettingsError(
                f"frame size {size[0]}x{size[1]} does not fit this model: "
                f"it takes {tile[0]}x{tile[1]} and nothing else"
            )
        check_shape(width, height)
        tokens = -(-self.side // 2)
        grid = PatchGrid(tokens, tokens, merge=1)
        self.check_length(frames * grid.groups)
        return FrameGeometry(grid, width=tile[0], height=tile[1])

    def nearest_size(self, size: tuple[int, int]) -> tuple[int, int]:
        return self.tile

    def cut_mask(self, kept: Mask, geometry: FrameGeometry) -> Mask:
        taps = pooling_taps(self.side, geometry.grid.rows)
        tokens = kept.reshape(geometry.grid.group_shape)
        # Pooling is the same along rows and columns.
        return (taps.T.astype(int) @ tokens @ taps) > 0

    def touched(self, polygon: Polygon, geometry: FrameGeometry) -> Mask:
        taps = pooling_taps(self.side, geometry.grid.rows)
        extent = self.tile[1] / self.patch, self.tile[0] / self.patch
        patches = touched(polygon, (self.side, self.side), extent)
        found: Mask = (taps @ patches @ taps.T).reshape(-1)
        return found


def pooling_taps(patches: int, tokens: int) -> Mask:
    """Returns of which patches tokens are made along one axis: bool [tokens, patches].

    Tokens lie between two patches by bilinear interpolation, corners not aligned. The places are
    fractions of ``2 * tokens``, and counted in whole numbers.
    """
    token = np.arange(tokens)
    place = np.maximum(patches * (2 * token + 1) - tokens, 0)
    first, rest = np.divmod(place, 2 * tokens)
    taps = np.zeros((tokens, patches), np.bool_)
    taps[token, first] = True
    second = (rest > 0) & (first + 1 < patches)
    taps[token[second], first[second] + 1] = True
    return taps
