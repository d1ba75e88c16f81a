"""From a bitstream to sampled frames, each with a map of what changed since the last one."""

from costream.video.agreement import CameraShift
from costream.video.picture import Picture
from costream.video.record import FrameRecord, StreamHealth
from costream.video.sample import BLOCK, ChangeMap, MotionSource, Sample, StreamInfo
from costream.video.stream import Decoding, Stream, checked_decoding

__all__ = [
    "BLOCK",
    "CameraShift",
    "ChangeMap",
    "Decoding",
    "FrameRecord",
    "MotionSource",
    "Picture",
    "Sample",
    "Stream",
    "StreamHealth",
    "StreamInfo",
    "checked_decoding",
]
