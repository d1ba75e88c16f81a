"""From a bitstream to sampled frames, each with a map of what changed since the last one."""

from costream.video.agreement import CameraShift
from costream.video.picture import Picture
from costream.video.record import FrameRecord, StreamHealth
from costream.video.sample import BLOCK, ChangeMap, MotionSource, Sample, StreamInfo
from costream.video.stream import Stream

__all__ = [
    "BLOCK",
    "CameraShift",
    "ChangeMap",
    "FrameRecord",
    "MotionSource",
    "Picture",
    "Sample",
    "Stream",
    "StreamHealth",
    "StreamInfo",
]
