"""Preprocessing of InternVL: every frame is stretched onto one square tile."""

from __future__ import annotations

from dataclasses import dataclass

from costream.errors import SettingsError
from costream.preprocessing.base import FrameGeometry, Preprocessing
from costream.preprocessing.sizes import check_shape, nearest_multiple
from costream.pruning import PatchGrid


@dataclass(frozen=True)
class TilePreprocessing(Preprocessing):
    """Preprocessing of InternVL.

    Attributes:
        tile: (width, height) of a tile in pixels, where users choose no other.
    """

    tile: tuple[int, int]

    def geometry(
        self, width: int, height: int, frames: int, size: tuple[int, int] | None
    ) -> FrameGeometry:
        factor = self.patch * self.merge
        check_shape(width, height)
        tile = size or self.tile
        if tile[0] != tile[1] or tile[0] <= 0 or tile[0] % factor:
            raise SettingsError(
                f"frame size {tile[0]}x{tile[1]} does not fit this model: it takes squares whose "
                f"side is a multiple of {factor}"
            )
        grid = PatchGrid(tile[1] // self.patch, tile[0] // self.patch, self.merge)
        self.check_length(frames * grid.groups)
        return FrameGeometry(grid, width=tile[0], height=tile[1])

    def nearest_size(self, size: tuple[int, int]) -> tuple[int, int]:
        side = round((size[0] * size[1]) ** 0.5)
        return nearest_multiple((side, side), self.patch * self.merge)
