"""A stream's packets under our own bitstream reader, for as long as it can read them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from costream.video.bitstream import DAMAGED, names_feature
from costream.video.side_data import Extradata

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

    from costream._bitstream import Picture, Summary
    from costream.video.bitstream import Reader

logger = logging.getLogger("costream")


class Read(NamedTuple):
    """What was read of a packet.

    Attributes:
        picture: its picture, or None.
        unread: why there is none, if it was to be read.
        damaged: its bits make no sense, which FFmpeg's decoder of H.265 conceals without a word.
    """

    picture: Picture | None = None
    unread: str = ""
    damaged: bool = False


_UNASKED = Read()


class Reading:
    """Reads packets in decoding order. What can't be read is never given as evidence."""

    def __init__(self, name: str, reader: Reader | None, extradata: bytes | None) -> None:
        """Starts before a stream's first packet.

        Args:
            name: the source's name for messages.
            reader: what reads the packets; None reads nothing.
            extradata: what the container says of the stream, which the reader was given.
        """
        self._name = name
        self._reader = reader
        self._extradata = Extradata(extradata)
        self._warned = False
        self._order: int | None = None
        self._step = 1
        self.corner = (0, 0)
        """Columns and rows cut off at the left and the top of a stream that is not read further."""

    @property
    def is_open(self) -> bool:
        """Whether packets are read."""
        return self._reader is not None

    def close(self) -> None:
        """Reads nothing more."""
        self._reader = None

    def read(self, packet: Packet[VideoStream], number: int) -> Read:
        """Reads a packet.

        It is no longer open after a first packet, of ``number`` 0, that shows that the stream is of
        a kind that the reader can't read.
        """
        if self._reader is None:
            return _UNASKED
        extradata = self._extradata.renew(packet)
        if extradata is not None:
            self._reader.configure(extradata)
        pictures = self._reader.read(bytes(packet), number)
        if not pictures:
            return Read(unread="no slice is found")
        last = pictures[-1]
        if not number and names_feature(last.unsupported):
            self.corner = last.crop_left, last.crop_top
            self.close()
            return Read()
        damaged = any(DAMAGED in picture.unsupported for picture in pictures)
        return Read(None if last.unsupported else last, ", ".join(last.unsupported), damaged)

    def summary(self, picture: Picture, scale: tuple[float, float]) -> Summary:
        """Returns what the next picture in display order tells, by block.

        Args:
            picture: what :meth:`read` gave of it.
            scale: displayed pixels that a coded sample is wide and high.
        """
        # Picture order counts begin again at some key frames, and differ by one or by two a frame.
        if self._order is not None and self._order < picture.order:
            self._step = picture.order - self._order
        self._order = picture.order
        return picture.summary(self._step, scale=scale)

    def warn(self, why: str) -> None:
        """Says once that a picture that can be decoded could not be read.

        References are missing where a stream is joined, and come with the next key frame.
        """
        if why and not why.startswith("missing") and not self._warned:
            self._warned = True
            logger.warning(
                "%s holds pictures that the bitstream reader can't read (%s): what changed in them "
                "is unknown",
                self._name,
                why,
            )
