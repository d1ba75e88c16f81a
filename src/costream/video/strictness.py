"""Decoders that conceal errors without a word, and how they are made to tell of them."""

from __future__ import annotations

import av
from av.codec.context import CodecContext
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from costream.video.references import Coded
from costream.video.track import decoder_options

STRICT_OPTIONS = {"err_detect": "explode"}
"""Decoder options that make FFmpeg give up a packet at the first error."""

_STRICT = frozenset({"mjpeg"})
"""Codecs that are decoded strictly. Measured with FFmpeg 8.1 on random damage: MJPEG, H.265 and VP8
tell of no error in coded blocks. In MJPEG only what is wrong in a scan counts, and every packet is
decoded by itself, so that it can be decoded again. Strict, H.265 would also refuse sound pictures
for what is beside them, such as an SEI message; VP8 would tell no more."""


def is_strict(codec: str) -> bool:
    """Whether a codec is decoded strictly at first, and what is refused again without."""
    return codec in _STRICT


class LenientDecoder:
    """Decodes, with errors concealed, packets that were refused by a strict decoder."""

    def __init__(self, stream: VideoStream) -> None:
        """Makes a decoder like a stream's, but for its options."""
        strict = stream.codec_context
        context = CodecContext.create(strict.codec.name, "r")
        assert isinstance(context, VideoCodecContext)
        context.extradata = strict.extradata
        context.codec_tag = strict.codec_tag
        context.width, context.height = strict.width, strict.height
        context.thread_count = 1
        context.copy_opaque = True
        context.flags = strict.flags
        context.options = decoder_options()
        self._context = context

    def decode(self, packet: Packet[VideoStream]) -> list[av.VideoFrame]:
        """Decodes a packet that holds whole pictures, and marks them as corrupt.

        Raises:
            FFmpegError: nothing can be decoded.
        """
        if isinstance(packet.opaque, Coded):
            packet.opaque = packet.opaque._replace(corrupt=True)
        return self._context.decode(packet)
