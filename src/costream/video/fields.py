"""Streams of H.265 whose pictures are single fields of interlaced frames."""

from __future__ import annotations

from collections.abc import Iterable

import av

from costream.video.bitstream import open_reader
from costream.video.references import Coded


def is_field_coded(codec: str, extradata: bytes | None, packet: bytes) -> bool:
    """Whether a stream's parameter sets say that each of its pictures is a field.

    FFmpeg weaves the fields of H.264 and MPEG-2 into frames, and leaves those of H.265 as they are:
    pictures of half the height, at twice the rate. Only our own reader knows.

    Args:
        codec: FFmpeg's name of the codec.
        extradata: what the container says of the stream, if anything.
        packet: the stream's first packet.
    """
    reader = open_reader(codec, extradata) if codec == "hevc" else None
    return reader is not None and any(picture.field for picture in reader.read(packet, 0))


class FieldPairs:
    """Lets the first field of each pair through, in place of the frame.

    Fields of one kind lie on the same lines, so that what stands still looks the same in all. What
    the second one tells is kept for the next frame.
    """

    def __init__(self) -> None:
        """Starts before a first field."""
        self._second = False
        self._bytes = 0
        self._damaged = False

    def firsts(self, fields: Iterable[av.VideoFrame]) -> list[av.VideoFrame]:
        """Returns every other one of fields in display order."""
        firsts = []
        for field in fields:
            if self._second:
                self._keep(field)
            else:
                firsts.append(field)
            self._second = not self._second
        return firsts

    def take(self) -> tuple[int, bool]:
        """Returns coded bytes and damage of the second fields since it was asked last."""
        told = self._bytes, self._damaged
        self._bytes, self._damaged = 0, False
        return told

    def _keep(self, field: av.VideoFrame) -> None:
        coded = field.opaque
        self._damaged |= field.is_corrupt
        if isinstance(coded, Coded):
            self._bytes += coded.size
            self._damaged |= coded.corrupt
