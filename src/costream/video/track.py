"""The video track of an open container, and what its headers say about it."""

from __future__ import annotations

from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from costream.errors import SourceRefusedError

_MAX_RATE = 1000.0

_MAX_CODEC_RATE = 300.0
"""Codecs may state the unit of their stamps, such as a millisecond, where the rate varies."""

_UNSTAMPED = frozenset(
    {
        "avs2", "avs3", "cavsvideo", "dirac", "dnxhd", "evc", "h261", "h263", "h264", "hevc",
        "ingenient", "m4v", "mjpeg", "mjpeg_2000", "mpegvideo", "obu", "vc1", "vvc",
    }
)  # fmt: skip
"""FFmpeg's demuxers of raw streams: their rate is 25 a second unless the user states another."""

_WRAPS = {"mpegts": 2**33 / 90e3, "mpeg": 2**33 / 90e3, "flv": 2**32 / 1e3}
"""Seconds after which a container's stamps begin at 0 again."""

MOST_PIXELS = 1 << 26
"""Pixels of a picture, such as 8192x8192. A file of some kilobytes may state pictures of gigabytes,
and a decoder keeps up to 16 of them."""


def find_video(container: InputContainer, name: str) -> VideoStream:
    """Returns the container's best video stream, and stops the demuxer from reading the others.

    Cover pictures of music files don't count.

    Raises:
        SourceRefusedError: there is none, no decoder for it, or its pictures are too large.
    """
    videos = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]
    if not videos:
        raise SourceRefusedError(f"{name} holds no video")
    best = container.streams.best("video")
    video = best if isinstance(best, VideoStream) and best in videos else videos[0]
    if video.codec_context is None:
        raise SourceRefusedError(
            f"{name} holds video of a kind that this build of FFmpeg can't decode"
        )
    width, height = video.codec_context.width, video.codec_context.height
    if width * height > MOST_PIXELS:
        raise SourceRefusedError(
            f"{name} holds pictures of {width}x{height}, which are larger than any camera's: "
            "send smaller ones"
        )
    for stream in container.streams:
        if stream is not video:
            stream.discard = Discard.all
    return video


def decoder_options() -> dict[str, str]:
    """Returns options of all of FFmpeg's decoders.

    Pictures above :data:`MOST_PIXELS` are refused: a stream may change the size of its pictures at
    any time. MJPEG, MPEG-1, -2 and -4 and H.263 leave open how their transform is rounded, and by
    default FFmpeg rounds otherwise on aarch64: by this name it is the same on all machines.
    """
    return {"max_pixels": str(MOST_PIXELS), "idct": "simple"}


def codec_name(video: VideoStream) -> str:
    """Returns FFmpeg's name of the codec, which is not always that of the decoder in use."""
    return video.codec_context.codec.canonical_name


def is_unstamped(container: InputContainer) -> bool:
    """Whether the container is a raw stream, whose stamps FFmpeg makes up."""
    return container.format.name in _UNSTAMPED


def frame_rate(
    container: InputContainer, video: VideoStream, *, stated: bool = False
) -> float | None:
    """Returns native frames a second as far as the container tells, else None.

    Of a raw stream it is what the codec states (H.264 VUI and the like), unless the user did, by
    FFmpeg's option ``framerate``.
    """
    if is_unstamped(container) and not stated:
        told = video.codec_context.framerate
        return float(told) if told and 0 < float(told) <= _MAX_CODEC_RATE else None
    for rate in (video.average_rate, video.guessed_rate, video.base_rate):
        if rate and 0 < float(rate) <= _MAX_RATE:
            return float(rate)
    return None


def wrap(container: InputContainer) -> float | None:
    """Returns the seconds after which stamps begin at 0 again, or None where they never do."""
    return _WRAPS.get(container.format.name)


def duration(container: InputContainer, video: VideoStream) -> float | None:
    """Returns the length of the video in seconds, or None for a live source."""
    if video.duration and video.time_base:
        return float(video.duration * video.time_base)
    # The container's length is that of its longest track.
    if container.duration and len(container.streams) == 1:
        return container.duration / 1e6
    return None
