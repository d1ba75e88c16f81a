"""What a stream says about how each of its pictures is shown."""

from __future__ import annotations

import logging
from collections import deque
from fractions import Fraction

import av
from av.sidedata.sidedata import SideData
from av.video.stream import VideoStream

from costream.video.display import AS_CODED, SQUARE, Display, is_believable, orientation
from costream.video.references import Coded
from costream.video.side_data import side_data

logger = logging.getLogger("costream")


class DisplayReader:
    """Reads how decoded frames are shown, which may change in mid-stream.

    * **Orientation** is that of each frame's display matrix: the container's or that of an SEI
      message, which FFmpeg gives with its own frame alone, and which holds up to the next key
      frame. What is turned by no quarter turn is shown as coded, which is said once.
    * **Sample aspect ratio**: the container's wins over the codec's where they differ, as in
      players; otherwise each frame has that of its own parameter sets. What no sample looks like is
      taken as square, which is said once.
    """

    def __init__(self, stream: VideoStream, name: str) -> None:
        """Takes over a stream that nothing was decoded of.

        Args:
            stream: the stream.
            name: what to call it in warnings.
        """
        self._context = stream.codec_context
        self._name = name
        coded = self._context.sample_aspect_ratio
        # FFmpeg's guess is the container's ratio, or the codec's where the container has none.
        stated = stream.sample_aspect_ratio
        self._container = stated if stated != coded else None
        self.fields = False
        """Whether pictures are fields, whose samples are twice as high as the frame's."""
        self._aspects = deque([(-1, coded)], maxlen=64)
        self._matrix: bytes | None = None
        self._shown = AS_CODED
        self._source: tuple[bytes | None, Fraction | None] | None = None
        self._warned: set[str] = set()

    def note(self, order: int) -> None:
        """Notes what the codec says once the packet of a number was decoded."""
        aspect = self._context.sample_aspect_ratio
        if aspect != self._aspects[-1][1]:
            self._aspects.append((order, aspect))

    def display(self, frame: av.VideoFrame, coded: Coded | None) -> Display:
        """Returns how a frame is shown, the same object as before where nothing changed."""
        matrix = side_data(frame, "DISPLAYMATRIX")
        if isinstance(matrix, SideData):
            self._matrix = bytes(matrix)
        elif frame.key_frame:
            self._matrix = None
        source = (self._matrix, self._stated(coded))
        if source != self._source:
            self._source = source
            self._shown = self._read(*source)
        return self._shown

    def _stated(self, coded: Coded | None) -> Fraction | None:
        if self._container is not None or len(self._aspects) == 1 or coded is None:
            return self._container or self._aspects[-1][1]
        known = (aspect for order, aspect in reversed(self._aspects) if order <= coded.order)
        return next(known, self._aspects[0][1])

    def _read(self, matrix: bytes | None, aspect: Fraction | None) -> Display:
        found = orientation(matrix) if matrix else (0, False)
        if found is None:
            self._warn("is turned by no quarter turn, which is not shown: pictures are as coded")
        if aspect is not None and not is_believable(aspect):
            ratio = f"{aspect.numerator}:{aspect.denominator}"
            self._warn(f"says that its samples are {ratio}: they are taken as square")
            aspect = None
        shape = (aspect or SQUARE) / 2 if self.fields else aspect or SQUARE
        return Display(*(found or (0, False)), shape)

    def _warn(self, sentence: str) -> None:
        if sentence not in self._warned:
            self._warned.add(sentence)
            logger.warning("%s %s", self._name, sentence)
