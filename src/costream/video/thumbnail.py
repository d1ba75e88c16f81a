"""Small pictures of sampled frames, for people to look at while a source is read."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from time import monotonic
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from costream.video.picture import Picture
from costream.video.polygon import Bools, Polygon, touched
from costream.video.sample import TOLD, ChangeMap, Sample

Grid = npt.NDArray[np.uint8]
Corners = Sequence[tuple[float, float]]
"""Corners in shares of the picture as it is displayed, from its left and its top edge."""

SIDE = 32
"""Cells of the motion grid along the picture's longer side."""

_FAST = 4.0
"""Pixels a frame that a block moves by where it counts as changed through and through."""

_ROUGH = 8.0
"""Likewise the residual energy of a pixel, by :attr:`ChangeMap.residual`."""

_BRIGHT = 8
"""Times by which a difference of luma is exaggerated."""

_QUALITY = 75


@dataclass(frozen=True, slots=True)
class ThumbnailRecipe:
    """How small pictures are made. It can be pickled.

    Attributes:
        width: of the picture in pixels, at most.
        every: seconds from one to the next, at least.
        masks: what is painted over in black, and shows no motion.
    """

    width: int = 640
    every: float = 1.0
    masks: tuple[Corners, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small picture of a sampled frame.

    Attributes:
        tick: the frame's place on the sampling grid.
        received: when it was read, on the clock of ``time.monotonic``.
        jpeg: the picture, with masks painted over.
        width: of the frame itself, in pixels, as displayed.
        height: likewise.
        motion: uint8 [rows, cols], how much changed since the sample before, 0 to 255: the most
            that the bitstream tells of a cell, or, where it tells nothing, how far its brightness
            differs from the thumbnail before. None of the first one of those.
    """

    tick: int
    received: float
    jpeg: bytes
    width: int
    height: int
    motion: Grid | None


class ThumbnailMaker:
    """Makes small pictures of one source's samples, as often as is wanted. One thread uses it.

    Args:
        recipe: how.

    Attributes:
        samples: how many samples it has seen.
        jpeg_bytes: bytes that JPEG pictures of all of them would have taken, by those of
            thumbnails scaled to the samples' size.
    """

    def __init__(self, recipe: ThumbnailRecipe) -> None:
        self.samples = self.jpeg_bytes = 0
        self._recipe = recipe
        self._due = 0.0
        self._bytes_a_pixel = 0.0
        self._told: Grid | None = None
        self._luma: npt.NDArray[np.int16] | None = None

    def see(self, sample: Sample) -> Thumbnail | None:
        """Looks at the next sample; returns its thumbnail where one is due."""
        picture, now = sample.picture, monotonic()
        self.samples += 1
        self._gather(sample.change, _shape(picture))
        found = None
        if now >= self._due:
            self._due = now + self._recipe.every
            found = self._make(sample, now if sample.received is None else sample.received)
        self.jpeg_bytes += round(self._bytes_a_pixel * picture.width * picture.height)
        return found

    def _make(self, sample: Sample, received: float) -> Thumbnail:
        picture = sample.picture
        pixels = picture.small(self._recipe.width)
        jpeg = to_jpeg(pixels, self._recipe.masks, _QUALITY)
        self._bytes_a_pixel = len(jpeg) / (pixels.shape[0] * pixels.shape[1])
        motion = self._motion(picture)
        return Thumbnail(sample.tick, received, jpeg, picture.width, picture.height, motion)

    def _gather(self, change: ChangeMap, shape: tuple[int, int]) -> None:
        """Adds what the bitstream says of a sample that there may be no thumbnail of."""
        told = motion_of(change, shape)
        if told is not None and self._told is not None and self._told.shape == told.shape:
            told = np.maximum(told, self._told)
        self._told = told

    def _motion(self, picture: Picture) -> Grid | None:
        shape = _shape(picture)
        luma, before = picture.luma(*shape).astype(np.int16), self._luma
        self._luma = luma
        motion, self._told = self._told, None
        if motion is None and before is not None and before.shape == shape:
            motion = np.minimum(_BRIGHT * np.abs(luma - before), 255).astype(np.uint8)
        if motion is not None and self._recipe.masks:
            motion = np.where(painted(shape, self._recipe.masks), np.uint8(0), motion)
        return motion


def motion_of(change: ChangeMap, shape: tuple[int, int]) -> Grid | None:
    """Returns how much changed by cells of the picture: uint8 [rows, cols], None where unknown."""
    if change.motion not in TOLD:
        return None
    rough = np.nan_to_num(change.residual) / _ROUGH
    share = np.maximum(np.maximum(change.peak / _FAST, rough), change.intra)
    return _coarse((255 * np.minimum(share, 1.0)).astype(np.uint8), shape)


def painted(shape: tuple[int, int], masks: Sequence[Corners]) -> Bools:
    """Returns which cells of a picture masks touch, and the cells beside those: bool [rows, cols].

    What a picture is resized by carries a little across the edge of a mask.
    """
    return _painted(shape, tuple(tuple((x, y) for x, y in mask) for mask in masks))


@lru_cache(maxsize=8)
def _painted(shape: tuple[int, int], masks: tuple[Polygon, ...]) -> Bools:
    cells = np.zeros(shape, np.bool_)
    for mask in masks:
        cells |= touched(mask, shape)
    for axis in (0, 1):
        line = np.moveaxis(cells.copy(), axis, 0)
        grown = np.moveaxis(cells, axis, 0)
        grown[1:] |= line[:-1]
        grown[:-1] |= line[1:]
    cells.setflags(write=False)
    return cells


def to_jpeg(pixels: Grid, masks: Sequence[Corners], quality: int) -> bytes:
    """Returns a picture, uint8 [rows, cols, 3], as JPEG with masks painted over."""
    if masks:
        hidden = painted(pixels.shape[:2], masks)
        pixels = np.where(hidden[..., None], np.uint8(0), pixels)
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "JPEG", quality=quality)
    return target.getvalue()


def _shape(picture: Picture) -> tuple[int, int]:
    longest = max(picture.width, picture.height)
    rows, cols = (max(1, round(SIDE * side / longest)) for side in (picture.height, picture.width))
    return rows, cols


def _coarse(blocks: Grid, shape: tuple[int, int]) -> Grid:
    """Returns the largest value of what each cell begins with."""
    for axis, (count, cells) in enumerate(zip(blocks.shape, shape, strict=True)):
        starts = np.arange(cells) * count // cells
        blocks = cast(Grid, cast(Any, np.maximum).reduceat(blocks, starts, axis=axis))
    return blocks
