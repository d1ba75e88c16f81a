"""A coded picture from its packet's arrival until its frame is displayed, and its next step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import av
import numpy as np
import numpy.typing as npt

from costream.errors import IntegrityError
from costream.video.decode_count import Reason
from costream.video.record import frame_type
from costream.video.references import Coded, FrameType

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

    from costream.video.decoder import Decoder
    from costream.video.record import DecodedFrame


Omission: TypeAlias = Literal["still", "unreferenced"]
"""Why a frame is displayed without its picture: see
:class:`~costream.video.decode_count.DecodeCount`."""


class AccessUnit:
    """What is coded of one picture, as :meth:`Decoder.units` gives it, in decoding order.

    It is decoded once at most, before or after it was displayed; a random access point may be
    decoded again to go on from there. It is displayed once: with its picture, by
    :meth:`DecodedPicture.show`, or, once it is ``omitted``, without, by :meth:`pass_over` or
    :meth:`skip`. The units of a stream are displayed in the order of their presentation times.

    Attributes:
        packet: its packet.
        coded: what is known of it without its picture.
        seconds: presentation time on the source's clock, or None.
        restart: whether all that follows in decoding and in display order can be decoded from here;
            set by whoever looks at its NAL units.
        omitted: why its picture is not shown, once that is decided.
        is_sent: whether it was decoded.
        is_displayed: whether its frame was displayed, with its picture or without.
    """

    __slots__ = (
        "_decoder",
        "coded",
        "is_displayed",
        "is_sent",
        "omitted",
        "packet",
        "restart",
        "seconds",
    )

    def __init__(
        self, decoder: Decoder, packet: Packet[VideoStream], coded: Coded, seconds: float | None
    ) -> None:
        self._decoder = decoder
        self.packet = packet
        self.coded = coded
        self.seconds = seconds
        self.restart = self.is_sent = self.is_displayed = False
        self.omitted: Omission | None = None

    def decode(self, reason: Reason = "all", *, restart: bool = False) -> list[DecodedPicture]:
        """Decodes it; the pictures that come out, in display order, may be those of earlier units.

        Args:
            reason: why.
            restart: the decoder forgets all pictures before, to go on at a random access point.

        Raises:
            IntegrityError: it was decoded before, and is not where the decoder restarts.
            SourceError: as :meth:`Decoder.frames`.
        """
        if self.is_sent and not restart:
            raise IntegrityError("an access unit was decoded twice")
        pictures = self._decoder.decode(self, reason, restart=restart)
        self.is_sent = True
        return pictures

    def pass_over(self) -> DecodedFrame:
        """Displays it without its picture, and returns the frame.

        Raises:
            IntegrityError: its picture is not omitted, or it was displayed before.
        """
        self._display()
        return self._decoder.pass_over(self)

    def skip(self) -> None:
        """Displays it without its picture, and tells nothing of the frame.

        Raises:
            IntegrityError: as :meth:`pass_over`.
        """
        self._display()
        self._decoder.skip(self)

    @property
    def kind(self) -> FrameType:
        """The frame's type, as far as it is known without its picture."""
        if self.packet.is_keyframe:
            return "I"
        picture = self.coded.picture
        if picture is not None and picture.type in ("I", "P", "B"):
            return picture.type  # type: ignore[return-value]  # the reader's own stub says str
        return "P"

    def _display(self) -> None:
        if self.is_displayed or self.omitted is None:
            raise IntegrityError("a frame was displayed twice, or without what it was to show")
        self.is_displayed = True


class DecodedPicture:
    """A picture that came out of the decoder, and is shown or dropped.

    Attributes:
        frame: what was decoded.
        unit: the unit that it was decoded from; None where the decoder lost track of it.
    """

    __slots__ = ("_decoder", "frame", "unit")

    def __init__(self, decoder: Decoder, frame: av.VideoFrame, unit: AccessUnit | None) -> None:
        self._decoder = decoder
        self.frame = frame
        self.unit = unit

    @property
    def is_wanted(self) -> bool:
        """Whether its frame is still to be displayed with it."""
        unit = self.unit
        return unit is None or (unit.omitted is None and not unit.is_displayed)

    @property
    def seconds(self) -> float | None:
        """Presentation time on the source's clock, or None."""
        return self._decoder.time_shown(self.frame)

    @property
    def kind(self) -> FrameType:
        """The frame's type."""
        return frame_type(self.frame)

    @property
    def is_sound(self) -> bool:
        """Whether neither it nor what came right before is known to be damaged."""
        coded = self.unit is not None and self.unit.coded.corrupt
        return not (coded or self.frame.is_corrupt or self._decoder.is_damaged)

    def luma(self) -> npt.NDArray[np.uint8]:
        """Returns the luma samples as they are coded, [height, width], as a view."""
        plane = self.frame.planes[0]
        samples = np.frombuffer(plane, np.uint8)  # type: ignore[call-overload]  # no buffer in its stub
        rows: npt.NDArray[np.uint8] = samples.reshape(-1, plane.line_size)
        return rows[: self.frame.height, : self.frame.width]

    def show(self) -> DecodedFrame:
        """Displays its frame with it.

        Raises:
            IntegrityError: the frame was displayed before, or its picture is omitted.
        """
        self._display()
        return self._decoder.show(self.frame)

    def skip(self) -> None:
        """Displays its frame with it, and tells nothing of it.

        Raises:
            IntegrityError: as :meth:`show`.
        """
        self._display()
        self._decoder.skip_shown(self.frame)

    def _display(self) -> None:
        if self.unit is not None:
            if self.unit.is_displayed or self.unit.omitted is not None:
                raise IntegrityError("a frame was displayed twice, or with what it was not to show")
            self.unit.is_displayed = True
