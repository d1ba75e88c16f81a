"""The video track of an open container, and what its headers say about it."""

from __future__ import annotations

from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from costream.errors import SourceRefusedError

_MAX_RATE = 1000.0


def find_video(container: InputContainer, name: str) -> VideoStream:
    """Returns the container's best video stream, and stops the demuxer from reading the others.

    Cover pictures of music files don't count.

    Raises:
        SourceRefusedError: there is none, or no decoder for it.
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
    for stream in container.streams:
        if stream is not video:
            stream.discard = Discard.all
    return video


def codec_name(video: VideoStream) -> str:
    """Returns FFmpeg's name of the codec, which is not always that of the decoder in use."""
    return video.codec_context.codec.canonical_name


def frame_rate(video: VideoStream) -> float | None:
    """Returns native frames a second as far as the container tells, else None."""
    for rate in (video.average_rate, video.guessed_rate, video.base_rate):
        if rate and 0 < float(rate) <= _MAX_RATE:
            return float(rate)
    return None


def duration(container: InputContainer, video: VideoStream) -> float | None:
    """Returns the length of the video in seconds, or None for a live source."""
    if video.duration and video.time_base:
        return float(video.duration * video.time_base)
    # The container's length is that of its longest track.
    if container.duration and len(container.streams) == 1:
        return container.duration / 1e6
    return None
