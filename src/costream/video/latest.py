"""The picture that stands for the moment: the one that was decoded last."""

from __future__ import annotations

import av

from costream.video.display import AS_CODED
from costream.video.picture import Picture
from costream.video.record import DecodedFrame
from costream.video.references import Coded


class Latest:
    """The frame that was decoded last, as a picture once one is asked for."""

    def __init__(self) -> None:
        self._frame: av.VideoFrame | None = None
        self._display = AS_CODED
        self._picture: Picture | None = None

    def add(self, decoded: DecodedFrame) -> None:
        """Takes the next native frame, decoded or not."""
        if decoded.frame is not None:
            self._frame, self._display, self._picture = decoded.frame, decoded.display, None

    @property
    def stored(self) -> int | None:
        """Number of its packet in the stream's ring, if that has one."""
        coded = self._frame.opaque if self._frame is not None else None
        return coded.stored if isinstance(coded, Coded) else None

    def picture(self) -> Picture:
        """Returns it, the same object as long as no other was decoded."""
        if self._picture is None:
            assert self._frame is not None, "the first frame of a stream is always decoded"
            self._picture = Picture(self._frame, self._display)
        return self._picture
