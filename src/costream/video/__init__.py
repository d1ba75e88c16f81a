"""From a bitstream to sampled frames, each with a map of what changed since the last one."""

from costream.video.access import Access
from costream.video.agreement import CameraShift
from costream.video.credentials import Credentials
from costream.video.picture import Picture
from costream.video.reach import Reach
from costream.video.record import FrameRecord, StreamHealth
from costream.video.sample import BLOCK, ChangeMap, MotionSource, Sample, StreamInfo
from costream.video.stream import Decoding, Stream, checked_decoding

__all__ = [
    "BLOCK",
    "Access",
    "CameraShift",
    "ChangeMap",
    "Credentials",
    "Decoding",
    "FrameRecord",
    "MotionSource",
    "Picture",
    "Reach",
    "Sample",
    "Stream",
    "StreamHealth",
    "StreamInfo",
    "checked_decoding",
]
