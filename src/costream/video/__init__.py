"""From a bitstream to sampled frames, each with a map of what changed since the last one."""

from costream.video.access import Access
from costream.video.agreement import CameraShift
from costream.video.credentials import Credentials
from costream.video.decode_count import DecodeCount
from costream.video.deferred import DeferredSource
from costream.video.gap import Gap
from costream.video.live import LiveStream, open_source
from costream.video.picture import Picture
from costream.video.picture_mask import PictureMask
from costream.video.polygon import Point, Polygon, checked_polygon, touched
from costream.video.reach import Reach
from costream.video.record import FrameRecord, StreamHealth
from costream.video.sample import (
    BLOCK,
    ChangeMap,
    MotionSource,
    Sample,
    SampleSource,
    StreamInfo,
)
from costream.video.stream import Decoding, Stream, checked_decoding

__all__ = [
    "BLOCK",
    "Access",
    "CameraShift",
    "ChangeMap",
    "Credentials",
    "DecodeCount",
    "Decoding",
    "DeferredSource",
    "FrameRecord",
    "Gap",
    "LiveStream",
    "MotionSource",
    "Picture",
    "PictureMask",
    "Point",
    "Polygon",
    "Reach",
    "Sample",
    "SampleSource",
    "Stream",
    "StreamHealth",
    "StreamInfo",
    "checked_decoding",
    "checked_polygon",
    "open_source",
    "touched",
]
