"""What one sampled frame of a stream carries: its picture and what changed since the last one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from costream.video.agreement import CameraShift, neighbour_agreement, ratio
from costream.video.display import SQUARE
from costream.video.gap import Gap
from costream.video.picture import Picture
from costream.video.record import FrameRecord, StreamHealth

MotionSource = Literal["bitstream", "codec", "unused", "none"]
"""Where change evidence comes from: our own reading of the bitstream (``bitstream``), the motion
vectors that FFmpeg's decoder exports (``codec``), or nowhere, because there is neither for the
codec (``none``) or the stream was opened without (``unused``). Of a stream it may be ``bitstream``
and of its maps ``unused``: our reader tells what has to be decoded, and nobody looks at vectors."""

TOLD: frozenset[MotionSource] = frozenset({"bitstream", "codec"})
"""Sources that tell something."""

BLOCK = 16
"""Side of a block of a :class:`ChangeMap`, in luma pixels: one macroblock of H.264."""


def grid(height: int, width: int) -> tuple[int, int]:
    """Returns rows and columns of blocks that cover a picture."""
    return -(-height // BLOCK), -(-width // BLOCK)


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What is known of a stream once it is open.

    Attributes:
        source: the source as the user named it, passwords masked.
        codec: FFmpeg's name of the codec, such as ``h264``.
        profile: the codec's profile, or None where it states none.
        width: displayed width in square pixels, after rotation.
        height: displayed height in square pixels, after rotation.
        rotation: clockwise quarter turns applied to the coded picture, in degrees.
        frame_rate: native frames a second as stated by the container, or by the codec of a raw
            stream; None where neither does.
        duration: seconds, or None for a live source, or a file of several recordings.
        motion: where change evidence comes from.
        mirrored: whether left and right of the coded picture change places before it is turned.
        sample_aspect: width of a coded sample over its height: see
            :class:`~costream.video.display.Display` for what is shown of others than 1.
        live: the source has no end of its own, so that its end is a loss.
        awaited: reading it may wait for whoever sends or writes it: of all but files.
    """

    source: str
    codec: str
    profile: str | None
    width: int
    height: int
    rotation: int
    frame_rate: float | None
    duration: float | None
    motion: MotionSource
    mirrored: bool = False
    sample_aspect: Fraction = SQUARE
    live: bool = False
    awaited: bool = False


@dataclass(frozen=True, slots=True)
class ChangeMap:
    """What the bitstream says happened in the interval from the last sample to this one.

    The interval holds every native frame after the previous sample, up to and including this
    sample's own. All fields lie on a grid of ``BLOCK`` x ``BLOCK`` pixels of the picture as it is
    displayed: cropped, stretched to square pixels, mirrored and turned. Rows and columns are
    rounded up, so the last ones may be partly outside. Where the coded blocks don't line up with
    this grid, a block has what all those that it overlaps say: the largest value, or the mean by
    area of ``drift`` and ``path``. All lengths are in displayed pixels.

    Attributes:
        motion: anything but ``"bitstream"`` and ``"codec"`` means that nothing is known: every
            block counts as changed.
        peak: float32 [rows, cols], the longest single motion vector seen in the block over the
            distance to its reference picture, in pixels a frame.
        drift: float32 [rows, cols, 2], the sum of the block's mean vectors (x, y) over the
            interval's frames, in pixels. Noise cancels in it; steady motion adds up.
        path: float32 [rows, cols], the sum of those vectors' lengths, in pixels: never less than
            the length of ``drift``.
        activity: float32 [rows, cols], the share of the interval's predicted frames in which the
            block had a vector of at least a quarter pixel or was not predicted at all.
        intra: bool [rows, cols], the block was coded without prediction in a P- or B-frame, as
            far as that can be told: exactly for H.264 and H.265;
            :class:`~costream.video.evidence.Evidence` says what can and can't be told of each
            codec.
        qp: float32 [rows, cols], how coarsely the block was coded in the sample's own frame,
            in the codec's own steps: 0 to 51 for H.264 and H.265, where 6 more double the step, 2
            to 62 for MPEG, twice its quantiser scale. NaN where the codec does not tell.
        residual: float32 [rows, cols], what prediction left to be corrected in the interval's
            P- and B-frames: the sum of the magnitudes of the dequantised luma coefficients, for
            each pixel. NaN where the source does not tell: only ``"bitstream"`` does.
        frames: native frames in the interval.
        keyframes: I-frames among them. They carry no vectors, so what they changed is unknown.
        packet_bytes: coded size of the interval's frames, in bytes.
        damaged: the decoder reported an error, or concealed one, within the interval, or the
            picture changed its size or how it is shown. The other fields can't be trusted then.
    """

    motion: MotionSource
    peak: npt.NDArray[np.float32]
    drift: npt.NDArray[np.float32]
    path: npt.NDArray[np.float32]
    activity: npt.NDArray[np.float32]
    intra: npt.NDArray[np.bool_]
    qp: npt.NDArray[np.float32]
    residual: npt.NDArray[np.float32]
    frames: int
    keyframes: int
    packet_bytes: int
    damaged: bool

    @classmethod
    def unknown(cls, height: int, width: int) -> ChangeMap:
        """Returns the map of a picture of which nothing is known but itself."""
        still = np.zeros(grid(height, width), np.float32)
        unsaid = np.full_like(still, np.nan)
        return cls(
            motion="none",
            peak=still,
            drift=np.zeros((*still.shape, 2), np.float32),
            path=still,
            activity=still,
            intra=np.zeros(still.shape, np.bool_),
            qp=unsaid,
            residual=unsaid,
            frames=1,
            keyframes=0,
            packet_bytes=0,
            damaged=False,
        )

    def after(self, earlier: ChangeMap) -> ChangeMap:
        """Returns what happened in the interval before this map's and in its own, together.

        Args:
            earlier: the map of the sample before.
        """
        if self.peak.shape != earlier.peak.shape:
            # The picture changed its size: nothing of before can be laid over it.
            return replace(self, damaged=True)
        frames = self.frames + earlier.frames
        predicted = self.frames - self.keyframes, earlier.frames - earlier.keyframes
        activity = self.activity * predicted[0] + earlier.activity * predicted[1]
        return ChangeMap(
            # What one of them can't tell is unknown of both.
            motion=min(self.motion, earlier.motion, key=TOLD.__contains__),
            peak=np.maximum(self.peak, earlier.peak),
            drift=self.drift + earlier.drift,
            path=self.path + earlier.path,
            activity=(activity / max(1, sum(predicted))).astype(np.float32),
            intra=self.intra | earlier.intra,
            qp=self.qp,
            residual=self.residual + earlier.residual,
            frames=frames,
            keyframes=self.keyframes + earlier.keyframes,
            packet_bytes=self.packet_bytes + earlier.packet_bytes,
            damaged=self.damaged or earlier.damaged,
        )

    def steadiness(self) -> npt.NDArray[np.float32]:
        """Returns how far consecutive frames agree on each block's motion.

        Returns:
            float32 [rows, cols] in 0..1: the length of ``drift`` over ``path``. 1 is straight
            motion, 0 is motion that cancels, as noise does, or none.
        """
        return ratio(np.hypot(self.drift[..., 0], self.drift[..., 1]), self.path)

    def agreement(self) -> npt.NDArray[np.float32]:
        """Returns how far neighbouring blocks agree on the direction of their motion.

        Returns:
            float32 [rows, cols] in 0..1: of each block and its eight neighbours, the length of the
            mean ``drift`` over that of the longest. 1 is motion side by side, 1/9 a block that
            moves alone among still ones; vectors at random give about a fifth.
        """
        return neighbour_agreement(self.drift)

    def camera(self) -> CameraShift | None:
        """Returns the motion that the picture shares, or None where vectors tell nothing."""
        if self.motion not in TOLD or self.keyframes >= self.frames:
            return None
        return CameraShift.of(self.drift)


@dataclass(frozen=True, slots=True)
class Sample:
    """One frame taken from the stream at the requested rate.

    Attributes:
        tick: position on the sampling grid, ``floor(time * fps)``. Ticks grow strictly; one is
            missing wherever the stream had no frame for it.
        time: seconds since the stream's first frame.
        picture: the decoded picture. It stays valid after the stream has moved on.
        change: what happened since the previous sample.
        reused: the bitstream said that nothing changed, so this moment's picture was not decoded
            and ``picture`` is the one that was decoded last, the same object as before where that
            was a sample's.
        received: of a live source, when the frame came: seconds on the clock of
            ``time.monotonic``. None where the source is no live one.
        stored: number of the packet that ``picture`` was decoded from in the ring that the stream
            fills. None where it fills none: see :class:`~costream.video.packet_ring.PacketRing`.
        own: number of the packet of the tick's own frame there, decoded or not. None where there is
            none, or where the frame was left out by an edge.
    """

    tick: int
    time: float
    picture: Picture
    change: ChangeMap
    reused: bool = False
    received: float | None = None
    stored: int | None = None
    own: int | None = None


class SampleSource(Protocol):
    """What can be watched: a stream, or a live one across its connections."""

    @property
    def info(self) -> StreamInfo:
        """What is known of the source; opens it first."""
        ...

    @property
    def decode_seconds(self) -> float:
        """Processor time spent on reading the samples that were taken so far."""
        ...

    @property
    def health(self) -> StreamHealth:
        """How well the source could be read so far."""
        ...

    def samples(
        self, fps: float, *, on_frame: Callable[[FrameRecord], None] | None = None
    ) -> Iterator[Sample | Gap]:
        """Returns the frames sampled at ``fps`` and, of a live source, news of gaps, in order."""
        ...
