"""A source that is opened when somebody wants to know of it, such as in another process."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from costream.video.gap import Gap
from costream.video.live import Connect, LiveStream, open_source
from costream.video.record import FrameRecord
from costream.video.sample import Sample, StreamInfo
from costream.video.stream import Stream


class DeferredSource:
    """Opens a source as what it is, live or a stream with an end, on first use.

    It can be pickled as long as it is not open, if ``connect`` can.

    Args:
        connect: makes a stream of the source.
        patience: see :class:`~costream.video.live.LiveStream`.
        backlog: see :class:`~costream.video.live.LiveStream`.
    """

    def __init__(self, connect: Connect, *, patience: float, backlog: float) -> None:
        self._connect = connect
        self._patience = patience
        self._backlog = backlog
        self._stream: Stream | LiveStream | None = None

    @property
    def info(self) -> StreamInfo:
        """What is known of the source; opens it first, which takes as long as patience lasts."""
        return self._opened().info

    @property
    def decode_seconds(self) -> float:
        """Processor time spent on reading the samples that were taken so far."""
        return 0.0 if self._stream is None else self._stream.decode_seconds

    def samples(
        self, fps: float, *, on_frame: Callable[[FrameRecord], None] | None = None
    ) -> Iterator[Sample | Gap]:
        """Returns the sampled frames and, of a live source, news of gaps, in order."""
        return self._opened().samples(fps, on_frame=on_frame)

    def close(self) -> None:
        """Closes the source where it is open."""
        if self._stream is not None:
            self._stream.close()

    def _opened(self) -> Stream | LiveStream:
        if self._stream is None:
            self._stream = open_source(
                self._connect, patience=self._patience, backlog=self._backlog
            )
        return self._stream
