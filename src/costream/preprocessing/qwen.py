"""Preprocessing of Qwen-VL: frames of any shape, as large as the families' video tools say."""

from __future__ import annotations

from dataclasses import dataclass

from costream.errors import SettingsError
from costream.preprocessing.base import FrameGeometry, Preprocessing
from costream.preprocessing.sizes import check_shape, fit, fit_frame, nearest_multiple
from costream.pruning import PatchGrid


@dataclass(frozen=True)
class QwenPreprocessing(Preprocessing):
    """Preprocessing of Qwen2.5-VL and Qwen3-VL.

    Attributes:
        pixels: fewest and most pixels of a frame by the processor, which resizes once more what
            the video tools give it; None where users are told to switch that off.
    """

    pixels: tuple[int, int] | None = None

    def geometry(
        self, width: int, height: int, frames: int, size: tuple[int, int] | None
    ) -> FrameGeometry:
        factor = self.patch * self.merge
        check_shape(width, height)
        fitted = size or self._fit(width, height, frames)
        if any(side <= 0 or side % factor for side in fitted):
            raise SettingsError(
                f"frame size {fitted[0]}x{fitted[1]} does not fit this model: "
                f"both sides must be multiples of {factor}"
            )
        grid = PatchGrid(fitted[1] // self.patch, fitted[0] // self.patch, self.merge)
        self.check_length(-(-frames // self.temporal_patch) * grid.groups)
        return FrameGeometry(grid, width=fitted[0], height=fitted[1])

    def nearest_size(self, size: tuple[int, int]) -> tuple[int, int]:
        return nearest_multiple(size, self.patch * self.merge)

    def _fit(self, width: int, height: int, frames: int) -> tuple[int, int]:
        """Returns the (width, height) that users get: of the video tools, then of the processor."""
        factor = self.patch * self.merge
        fitted = fit(width, height, frames, factor)
        return fitted if self.pixels is None else fit_frame(*fitted, factor, *self.pixels)
