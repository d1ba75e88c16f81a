"""A file that is played: a stand-in for a camera."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic, sleep
from typing import Any

from costream.video.naming import SourceLike, path_of
from costream.video.record import DecodedFrame
from costream.video.recordings import Recordings
from costream.video.stream import Stream

_NAP = 0.5
"""Seconds to sleep at most before looking whether the stream was closed."""


class PacedStream(Stream):
    """Reads a file in real time, each frame when it is due.

    With ``loop`` the file begins again at its end, as if it were joined to itself: stream time goes
    on, and the stream counts as live.

    Args:
        source: a path.
        loop: whether it begins again at its end.
        **settings: those of :class:`~costream.video.stream.Stream`.
    """

    def __init__(self, source: SourceLike, *, loop: bool = False, **settings: Any) -> None:
        super().__init__(source, live=True if loop else None, **settings)
        self._loop = loop
        self._begun: float | None = None

    def _take(self) -> Iterator[DecodedFrame]:
        for decoded in super()._take():
            self._await(decoded.record.time)
            yield decoded

    def _await(self, time: float) -> None:
        if self._begun is None:
            self._begun = monotonic()
        while (left := self._begun + time - monotonic()) > 0 and self._frames is not None:
            sleep(min(left, _NAP))

    def _open_next(self) -> bool:
        if super()._open_next():
            return True
        if not self._loop:
            return False
        self._recordings = Recordings(path_of(self._source))
        self._frames = self._open_part()
        return True
