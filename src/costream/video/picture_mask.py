"""Pictures in which parts are painted over before anything looks at them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from math import ceil, log2
from typing import Any, TypeAlias

import av
import numpy as np
import numpy.typing as npt

from costream.video.display import Display
from costream.video.picture import Picture
from costream.video.polygon import Bools, Polygon, touched
from costream.video.sample import BLOCK, ChangeMap, Sample

_PAINTABLE = re.compile(r"(yuvj?4\d\dp|gray|gbrp)(\d+[lb]e)?$")
"""Formats whose planes are painted as they are; frames of others are converted first."""

_PLANAR = {
    (64, 64): "yuv444p",
    (32, 64): "yuv422p",
    (32, 32): "yuv420p",
    (16, 64): "yuv411p",
    (16, 16): "yuv410p",
    (64, 32): "yuv440p",
}
"""Planar formats by the columns and rows of colour of a picture of 64 x 64."""

_Key: TypeAlias = tuple[Display, tuple[int, int], tuple[float, float]]


class PictureMask:
    """Hides parts of a stream's pictures. One thread uses it.

    What it hides is painted in the decoded planes, chroma too, before a picture is converted,
    resized or compared: no filter can carry it anywhere. In the blocks that a mask touches, the
    bitstream's evidence of motion and residuals is taken for none.

    Args:
        polygons: what is hidden.
    """

    def __init__(self, polygons: Sequence[Polygon]) -> None:
        self._polygons = tuple(polygons)
        self._covered: dict[_Key, Bools] = {}
        self._last: tuple[Picture, Picture] | None = None

    def over(self, sample: Sample) -> Sample:
        """Returns a sample that tells nothing of what is hidden."""
        picture, change = sample.picture, self._silenced(sample.change, sample.picture)
        return replace(sample, picture=self.painted(picture), change=change)

    def painted(self, picture: Picture) -> Picture:
        """Returns a copy of a picture with grey in the place of what is hidden.

        A pixel is painted where any part of it lies in a mask, and so is a sample of colour that
        stands for several pixels. The same picture gives the same copy again.
        """
        if self._last is None or self._last[0] is not picture:
            self._last = picture, Picture(self._painted(picture), picture.display)
        return self._last[1]

    def _painted(self, picture: Picture) -> av.VideoFrame:
        source = _paintable(picture.frame)
        copy = av.VideoFrame(source.width, source.height, source.format.name)
        copy.color_range, copy.colorspace = source.color_range, source.colorspace
        deep = max(part.bits for part in source.format.components)
        for before, after in zip(source.planes, copy.planes, strict=True):
            target = _samples(after, deep, big_endian=source.format.is_big_endian)
            target[:] = _samples(before, deep, big_endian=source.format.is_big_endian)
            shares = [_share(source.height, after.height), _share(source.width, after.width)]
            extent = source.height / shares[0], source.width / shares[1]
            covered = self._cells(picture.display, (after.height, after.width), extent)
            target[covered] = 1 << (deep - 1)
        return copy

    def _silenced(self, change: ChangeMap, picture: Picture) -> ChangeMap:
        extent = picture.height / BLOCK, picture.width / BLOCK
        rows, cols = change.peak.shape
        seen = ~self._cells(Display(), (rows, cols), extent)
        return replace(
            change,
            peak=change.peak * seen,
            drift=change.drift * seen[..., None],
            path=change.path * seen,
            activity=change.activity * seen,
            intra=change.intra & seen,
            residual=change.residual * seen,
        )

    def _cells(
        self, display: Display, cells: tuple[int, int], extent: tuple[float, float]
    ) -> Bools:
        """Returns which cells of a picture before it is mirrored and turned are hidden."""
        key = (display, cells, extent)
        if key not in self._covered:
            self._covered[key] = np.any(
                [
                    touched(tuple(display.coded(x, y) for x, y in polygon), cells, extent)
                    for polygon in self._polygons
                ],
                axis=0,
            )
        return self._covered[key]


def _paintable(frame: av.VideoFrame) -> av.VideoFrame:
    """Returns a frame whose planes can be painted: with the same samples, in planes of 8 bits."""
    form = frame.format
    if _PAINTABLE.match(form.name):
        return frame
    if form.is_rgb or form.has_palette:
        return frame.reformat(format="gbrp")
    # Another resolution of colour would carry it across the edge of a mask.
    return frame.reformat(format=_PLANAR[form.chroma_width(64), form.chroma_height(64)])


def _samples(plane: av.video.plane.VideoPlane, bits: int, *, big_endian: bool) -> npt.NDArray[Any]:
    """Returns the samples of a plane, which can be written to: [rows, cols]."""
    kind = np.uint8 if bits <= 8 else np.dtype(">u2" if big_endian else "<u2")
    samples = np.frombuffer(plane, kind)  # type: ignore[call-overload]  # no buffer in its stub
    rows: npt.NDArray[Any] = samples.reshape(plane.height, -1)
    return rows[:, : plane.width]


def _share(frame: int, plane: int) -> int:
    """Returns how many samples of a frame's side one of a plane stands for: a power of two."""
    return 1 << ceil(log2(frame / plane))
