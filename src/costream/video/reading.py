"""A stream's packets under our own bitstream reader, for as long as it can read them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from costream.video.bitstream import names_feature
from costream.video.side_data import Extradata

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

    from costream._bitstream import Picture
    from costream.video.bitstream import Reader

logger = logging.getLogger("costream")


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

    @property
    def is_open(self) -> bool:
        """Whether packets are read."""
        return self._reader is not None

    def read(self, packet: Packet[VideoStream], number: int) -> tuple[Picture | None, str]:
        """Returns the picture of a packet, or why there is none.

        It is no longer open after a first packet, of ``number`` 0, that shows that the stream is of
        a kind that the reader can't read.
        """
        if self._reader is None:
            return None, ""
        extradata = self._extradata.renew(packet)
        if extradata is not None:
            self._reader.configure(extradata)
        pictures = self._reader.read(bytes(packet), number)
        if not pictures:
            return None, "no slice is found"
        reasons = pictures[-1].unsupported
        if not number and names_feature(reasons):
            self._reader = None
            return None, ""
        return None if reasons else pictures[-1], ", ".join(reasons)

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
