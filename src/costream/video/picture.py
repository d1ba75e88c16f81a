"""A decoded picture, converted only when and as far as somebody asks."""

from __future__ import annotations

import re
import threading
import zlib
from fractions import Fraction
from typing import cast

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from costream.video.display import AS_CODED, SQUARE, Display

Pixels = npt.NDArray[np.uint8]

_PLANAR = re.compile(r"(yuvj?4\d\dp|gray|gray\d)")
"""Formats with a plane for each component, whose samples can be looked at as they are."""


class _Scalers(threading.local):
    """A swscale context for each use and thread: building one costs as much as converting."""

    def __init__(self) -> None:
        self.rgb = VideoReformatter()
        self.small = VideoReformatter()
        self._luma: dict[tuple[int, int], VideoReformatter] = {}

    def luma(self, rows: int, cols: int) -> VideoReformatter:
        return self._luma.setdefault((rows, cols), VideoReformatter())


_scalers = _Scalers()


class Picture:
    """A decoded picture as it is displayed: turned, mirrored, with square pixels.

    It shares the decoder's buffer and stays valid after the stream has moved on. Nothing is
    converted before :meth:`rgb` or :meth:`luma` is called. The array belongs to the caller; what
    :meth:`luma` gave is kept as well, since a picture may stand for many moments. One thread at a
    time may convert a picture.
    """

    __slots__ = ("_display", "_frame", "_luma", "height", "width")

    def __init__(self, frame: av.VideoFrame, display: Display) -> None:
        self._frame = frame
        self._display = display
        self._luma: dict[tuple[int, int], Pixels] = {}
        self.width: int
        self.height: int
        self.width, self.height = display.size(frame.width, frame.height)

    @classmethod
    def from_frame(
        cls,
        frame: av.VideoFrame,
        rotation: int = 0,
        *,
        mirrored: bool = False,
        aspect: Fraction = SQUARE,
    ) -> Picture:
        """Wraps a decoded frame, without a copy.

        Args:
            frame: the frame as coded. The picture keeps it; nobody may write to it any more.
            rotation: clockwise degrees from the coded to the displayed picture.
            mirrored: left and right change places before it is turned.
            aspect: width of a coded sample over its height; see
                :class:`~costream.video.display.Display`.
        """
        return cls(frame, Display(rotation, mirrored, aspect))

    @classmethod
    def from_rgb(cls, pixels: Pixels) -> Picture:
        """Makes a picture of a copy of ``pixels``, uint8 [height, width, 3]."""
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            raise ValueError(
                f"a picture is uint8 [height, width, 3], not {pixels.dtype} {pixels.shape}"
            )
        return cls(
            av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24"), AS_CODED
        )

    def rgb(self) -> Pixels:
        """Returns uint8 [height, width, 3], full range.

        swscale converts by the frame's own colour matrix and range, and takes an unspecified matrix
        for BT.601 and an unspecified range for limited, as FFmpeg does everywhere; for a frame that
        is shown as coded the result equals ``frame.to_ndarray(format="rgb24")`` bit by bit, unless
        its format belies its range.
        """
        source = self._source()
        width, height = self._display.stretched(source.width, source.height)
        frame = _scalers.rgb.reformat(source, width, height, format="rgb24", threads=1)
        return self._display.arranged(cast(Pixels, frame.to_ndarray()))

    def small(self, width: int) -> Pixels:
        """Returns the picture at most ``width`` pixels wide: uint8 [rows, cols, 3], full range.

        Each pixel is the mean over the area that it covers, by swscale straight from the coded
        planes: a fraction of the work of :meth:`rgb`.
        """
        scale = min(1.0, width / self.width)
        cols, rows = (max(1, round(side * scale)) for side in (self.width, self.height))
        turned = self._display.turned
        frame = _scalers.small.reformat(
            self._source(),
            width=rows if turned else cols,
            height=cols if turned else rows,
            format="rgb24",
            interpolation=Interpolation.AREA,
            threads=1,
        )
        return self._display.arranged(cast(Pixels, frame.to_ndarray()))

    def luma(self, rows: int, cols: int) -> Pixels:
        """Returns uint8 [rows, cols]: brightness of the picture stretched onto ``rows`` x ``cols``.

        Each value is the mean over the area that it covers, by swscale straight from the coded
        planes. Limited range is expanded, so that 0 is black and 255 white for every source.
        """
        known = self._luma.get((rows, cols))
        if known is not None:
            return known.copy()
        turned = self._display.turned
        frame = _scalers.luma(rows, cols).reformat(
            self._source(),
            width=rows if turned else cols,
            height=cols if turned else rows,
            format="gray",
            # Whatever the matrix is, luma is luma: by another's, swscale would go through RGB.
            src_colorspace=Colorspace.DEFAULT,
            dst_colorspace=Colorspace.DEFAULT,
            interpolation=Interpolation.AREA,
            threads=1,
        )
        luma = self._display.arranged(cast(Pixels, frame.to_ndarray()))
        self._luma[rows, cols] = luma
        return luma.copy()

    def _source(self) -> av.VideoFrame:
        if self._frame.format.name.startswith("yuvj") and not is_full_range(self._frame):
            self._frame = _without_j(self._frame)
        return self._frame

    @property
    def frame(self) -> av.VideoFrame:
        """The frame as coded. Nobody may write to it."""
        return self._frame

    @property
    def display(self) -> Display:
        """How the decoded frame is displayed."""
        return self._display

    def digest(self) -> int:
        """Returns a checksum of the decoded samples: equal pictures have equal ones."""
        if not _PLANAR.match(self._frame.format.name):
            return zlib.adler32(self.rgb().tobytes())
        found = 1
        for plane, part in zip(self._frame.planes, self._frame.format.components, strict=True):
            samples = np.frombuffer(plane, np.uint8)  # type: ignore[call-overload]  # as in _rows
            width = plane.width * -(-part.bits // 8)
            rows = samples.reshape(-1, plane.line_size)[: plane.height, :width]
            found = zlib.adler32(np.ascontiguousarray(rows).tobytes(), found)
        return found

    def __repr__(self) -> str:
        return f"Picture({self.width}x{self.height})"


def is_full_range(frame: av.VideoFrame) -> bool:
    """Whether luma of a YUV frame runs from 0 to 255, as far as the frame says.

    FFmpeg's formats with a J, which stand for full range, stay when a stream of H.264 goes over to
    limited range: then the frame's own range is right.
    """
    if frame.format.name.startswith("yuvj"):
        return frame.color_range != ColorRange.MPEG
    return frame.color_range == ColorRange.JPEG


def _without_j(frame: av.VideoFrame) -> av.VideoFrame:
    """Copies a frame to the format without a J, whose range swscale believes."""
    name = frame.format.name.replace("yuvj", "yuv")
    plain = av.VideoFrame(frame.width, frame.height, name)
    for source, target in zip(frame.planes, plain.planes, strict=True):
        _rows(target)[:] = _rows(source)
    plain.color_range = frame.color_range
    plain.colorspace = frame.colorspace
    return plain


def _rows(plane: av.video.plane.VideoPlane) -> Pixels:
    samples = np.frombuffer(plane, np.uint8)  # type: ignore[call-overload]  # no buffer in its stub
    rows: Pixels = samples.reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width]
