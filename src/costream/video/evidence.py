"""Evidence of change, accumulated over native frames from one sample to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import av
import numpy as np
import numpy.typing as npt

from costream.video.field import MotionField
from costream.video.layout import Layout
from costream.video.qp import read_qp
from costream.video.record import DecodedFrame, Passed
from costream.video.sample import TOLD, ChangeMap, MotionSource

if TYPE_CHECKING:
    from costream._bitstream import Summary

Field = npt.NDArray[Any]


class Evidence:
    """Collects what the bitstream says about the frames since the last sample.

    Our own reader (:mod:`~costream.video.bitstream`) tells all of it for H.264 and H.265, residuals
    included. What FFmpeg exports tells, by measurement with FFmpeg 8.1:

    * H.264, MPEG-1, MPEG-2, MPEG-4 part 2, H.263 and FLV: every block of a P-frame that is
      predicted has a vector; a skipped block and one with zero motion have a vector of zero. A
      block without a vector is therefore intra, exactly, and a P- or B-frame without any vector
      is all intra: it is never taken for stillness.
    * H.264, MPEG-1 and MPEG-2: the same holds for B-frames. FFmpeg drains the very last frame of
      an MPEG-1 or MPEG-2 stream without its vectors, so that it counts as all intra.
    * MPEG-4 part 2 (and its kin): the vectors of B-frames are all zero, whatever moved. They are
      dropped and every block of such a frame counts as not predicted.
    * All of these give the QP of every macroblock; that of the sample's frame is read.
    * I-frames have no vectors. They are counted in ``keyframes`` and mark no block.
    * HEVC, VP8, VP9, AV1, MJPEG and everything else: nothing is exported; ``motion`` is
      ``"none"`` where our own reader can't help.

    What can't be told from what is exported: whether a predicted block carries a residual, so
    content that fades or lights up in place without a vector and without intra blocks goes unseen
    here. Encoders that refresh by intra columns (no I-frames) mark blocks as intra in which
    nothing changed.
    """

    def __init__(self, motion: MotionSource) -> None:
        """Starts empty.

        Args:
            motion: where the evidence comes from; ``"unused"`` and ``"none"`` give maps of zeros.
        """
        self._motion: MotionSource = motion
        self._layout: Layout | None = None
        self._field = MotionField(0, 0)
        self._last: av.VideoFrame | None = None
        self._summary: Summary | None = None
        self._shown: dict[str, Field] | None = None
        self._clear()

    def add(self, decoded: DecodedFrame) -> None:
        """Adds the next native frame in display order."""
        record, frame = decoded.record, decoded.frame
        if frame is not None:
            self._lay_out(Layout(frame.width, frame.height, decoded.display, decoded.corner))
        if decoded.passed is not None:
            self._add_passed(decoded.passed)
        self._frames += 1
        self._bytes += record.packet_bytes
        self._damaged |= record.damaged
        self._last = frame if self._motion == "codec" else None
        self._add_motion(decoded)

    def _add_passed(self, passed: Passed) -> None:
        self._frames += passed.frames
        self._keyframes += passed.keyframes
        self._bytes += passed.packet_bytes
        self._damaged |= passed.damaged

    def _add_motion(self, decoded: DecodedFrame) -> None:
        summary = decoded.summary
        if decoded.record.type == "I":
            self._keyframes += 1
        elif summary is not None and summary.state.shape == self._field.shape:
            self._field.add_summary(summary)
        elif decoded.vectors is not None:
            self._field.add(decoded.vectors)
        elif self._motion in TOLD:
            self._field.add_unpredicted()
        self._summary = summary

    def emit(self) -> ChangeMap:
        """Returns the map of the interval, in display orientation, and starts the next one.

        Maps of zeros, where nothing is told, share their arrays.
        """
        if self._shown is None or self._motion in TOLD:
            self._shown = self._fields()
        change = ChangeMap(
            motion=self._motion,
            **self._shown,
            frames=self._frames,
            keyframes=self._keyframes,
            packet_bytes=self._bytes,
            damaged=self._damaged,
        )
        self._clear()
        return change

    def _fields(self) -> dict[str, Field]:
        layout, field = self._layout, self._field
        assert layout is not None, "the first frame of a stream is always decoded"
        return {
            "peak": layout.largest(field.peak()),
            "drift": layout.vectors(field.drift()),
            "path": layout.mean(field.path()),
            "activity": layout.largest(field.activity()),
            "intra": layout.largest(field.intra(), np.logical_or),
            "qp": layout.largest(self._qp(), np.fmax),
            "residual": layout.largest(field.residual(), np.fmax),
        }

    def _clear(self) -> None:
        self._field.clear()
        self._frames = self._keyframes = self._bytes = 0
        self._damaged = False
        self._last = None
        self._summary = None

    def _qp(self) -> npt.NDArray[np.float32]:
        if self._summary is not None and self._summary.qp.shape == self._field.shape:
            return self._summary.qp
        corner = self._layout.corner if self._layout else (0, 0)
        found = read_qp(self._last, corner) if self._last else None
        if found is None:
            return np.full(self._field.shape, np.nan, np.float32)
        return found.astype(np.float32)

    def _lay_out(self, layout: Layout) -> None:
        if layout == self._layout:
            return
        # What was gathered lies on a grid that is gone. The interval is unknown as a whole, and
        # a damaged one is encoded whole.
        self._damaged = self._layout is not None
        self._layout = layout
        self._field = MotionField(*layout.coded, layout.display.scale, layout.corner)
        self._shown = None
