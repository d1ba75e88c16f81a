"""A decoded picture, converted only when and as far as somebody asks."""

from __future__ import annotations

import threading
from typing import cast

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import Interpolation, VideoReformatter

Pixels = npt.NDArray[np.uint8]


class _Scalers(threading.local):
    """A swscale context for each use and thread: building one costs as much as converting."""

    def __init__(self) -> None:
        self.rgb = VideoReformatter()
        self._luma: dict[tuple[int, int], VideoReformatter] = {}

    def luma(self, rows: int, cols: int) -> VideoReformatter:
        return self._luma.setdefault((rows, cols), VideoReformatter())


_scalers = _Scalers()


class Picture:
    """A decoded picture in display orientation.

    It shares the decoder's buffer and stays valid after the stream has moved on. Nothing is
    converted before :meth:`rgb` or :meth:`luma` is called. The array belongs to the caller; what
    :meth:`luma` gave is kept as well, since a picture may stand for many moments. One thread at a
    time may convert a picture.
    """

    __slots__ = ("_frame", "_luma", "_rotation", "height", "width")

    def __init__(self, frame: av.VideoFrame, rotation: int) -> None:
        if rotation not in (0, 90, 180, 270):
            raise ValueError(f"a picture turns by 0, 90, 180 or 270 degrees, not {rotation}")
        self._frame = frame
        self._rotation = rotation
        self._luma: dict[tuple[int, int], Pixels] = {}
        turned = rotation in (90, 270)
        self.width: int = frame.height if turned else frame.width
        self.height: int = frame.width if turned else frame.height

    @classmethod
    def from_frame(cls, frame: av.VideoFrame, rotation: int = 0) -> Picture:
        """Wraps a decoded frame, without a copy.

        Args:
            frame: the frame as coded. The picture keeps it; nobody may write to it any more.
            rotation: clockwise degrees from the coded to the displayed picture.
        """
        return cls(frame, rotation)

    @classmethod
    def from_rgb(cls, pixels: Pixels) -> Picture:
        """Makes a picture of a copy of ``pixels``, uint8 [height, width, 3]."""
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            raise ValueError(
                f"a picture is uint8 [height, width, 3], not {pixels.dtype} {pixels.shape}"
            )
        return cls(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24"), 0)

    def rgb(self) -> Pixels:
        """Returns uint8 [height, width, 3], full range.

        swscale converts by the frame's own colour matrix and range; for an unrotated frame the
        result equals ``frame.to_ndarray(format="rgb24")`` bit by bit.
        """
        frame = _scalers.rgb.reformat(self._frame, format="rgb24", threads=1)
        return self._displayed(cast(Pixels, frame.to_ndarray()))

    def luma(self, rows: int, cols: int) -> Pixels:
        """Returns uint8 [rows, cols]: brightness of the picture stretched onto ``rows`` x ``cols``.

        Each value is the mean over the area that it covers, by swscale straight from the coded
        planes. Limited range is expanded, so that 0 is black and 255 white for every source.
        """
        known = self._luma.get((rows, cols))
        if known is not None:
            return known.copy()
        turned = self._rotation in (90, 270)
        frame = _scalers.luma(rows, cols).reformat(
            self._frame,
            width=rows if turned else cols,
            height=cols if turned else rows,
            format="gray",
            interpolation=Interpolation.AREA,
            threads=1,
        )
        luma = self._displayed(cast(Pixels, frame.to_ndarray()))
        self._luma[rows, cols] = luma
        return luma.copy()

    def _displayed(self, pixels: Pixels) -> Pixels:
        if not self._rotation:
            return pixels
        return np.ascontiguousarray(np.rot90(pixels, -self._rotation // 90))

    def __repr__(self) -> str:
        return f"Picture({self.width}x{self.height})"
