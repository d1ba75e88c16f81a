"""What is noted about every native frame and about the stream as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import av
from av.video.frame import PictureType

from costream.video.decode_count import DecodeCount
from costream.video.display import AS_CODED, Display
from costream.video.references import Coded, FrameType
from costream.video.vectors import FrameVectors

if TYPE_CHECKING:
    from costream._bitstream import Summary


_FRAME_TYPES: dict[int, FrameType] = {
    PictureType.I: "I",
    PictureType.SI: "I",
    PictureType.BI: "I",
    PictureType.P: "P",
    PictureType.S: "P",
    PictureType.SP: "P",
    PictureType.B: "B",
}


def frame_type(frame: av.VideoFrame) -> FrameType:
    """Returns the type of a decoded frame."""
    return _FRAME_TYPES.get(frame.pict_type, "I" if frame.key_frame else "P")


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """One native frame, in display order.

    Attributes:
        index: number of the frame, from 0.
        time: seconds since the stream's first frame.
        type: ``"I"``, ``"P"`` or ``"B"``.
        packet_bytes: coded size in bytes.
        vectors: motion vectors that the decoder exported for it; where our own reader tells,
            blocks of 16 x 16 pixels that were predicted.
        damaged: the decoder reported or concealed an error in it, or in what came right before.
    """

    index: int
    time: float
    type: FrameType
    packet_bytes: int
    vectors: int
    damaged: bool


@dataclass(frozen=True, slots=True)
class StreamHealth:
    """How well a stream could be read so far.

    Attributes:
        frames: native frames, shown or passed over.
        damaged: frames among them that are marked as damaged.
        errors: packets that the demuxer or the decoder gave up on, but for those before the first
            key frame.
        ended_early: a file stopped before its stated end, or could not be read on. A file whose
            container states no length (MPEG-TS, raw streams) can't be told to be cut short.
        decoding: frames among them by why they were decoded, or were not.
    """

    frames: int = 0
    damaged: int = 0
    errors: int = 0
    ended_early: bool = False
    decoding: DecodeCount = field(default_factory=DecodeCount)

    @property
    def undecoded(self) -> int:
        """Frames that were not decoded."""
        return self.decoding.undecoded

    def __add__(self, other: StreamHealth) -> StreamHealth:
        """Returns the health of two connections to one source."""
        return StreamHealth(
            self.frames + other.frames,
            self.damaged + other.damaged,
            self.errors + other.errors,
            self.ended_early or other.ended_early,
            self.decoding + other.decoding,
        )


@dataclass(slots=True)
class Passed:
    """Native frames that were passed over one after the other: what evidence needs of them."""

    frames: int = 0
    keyframes: int = 0
    packet_bytes: int = 0
    damaged: bool = False

    def add(self, coded: Coded, kind: FrameType) -> None:
        """Adds a frame."""
        self.frames += 1
        self.keyframes += kind == "I"
        self.packet_bytes += coded.size
        self.damaged |= coded.corrupt


@dataclass(slots=True)
class DecodedFrame:
    """A native frame on its way from the decoder to whoever samples it, decoded or passed over.

    Attributes:
        record: what is told about it in public.
        frame: the decoded frame, in coded orientation; None where it was not decoded.
        vectors: its vectors; None where it has none or they mean nothing.
        summary: what our own reader says of it; None where it does not read the stream, or could
            not read the frame.
        passed: frames that were passed over right before this one and are not told of one by one.
        display: how the frame is shown; of one that was not decoded, how the last one was.
        corner: samples of the coded picture left of and above the frame, which were cropped off, as
            far as ``vectors`` lie in the coded picture.
        stored: number of its packet in the ring that the stream fills, decoded or not; None where
            there is none.
    """

    record: FrameRecord
    frame: av.VideoFrame | None
    vectors: FrameVectors | None
    summary: Summary | None = None
    passed: Passed | None = None
    display: Display = AS_CODED
    corner: tuple[int, int] = (0, 0)
    stored: int | None = None
