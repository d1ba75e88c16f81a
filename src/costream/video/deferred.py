"""A source that is opened when somebody wants to know of it, such as in another process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial

from costream.errors import ForgottenError, SourceError
from costream.video.backoff import checked_patience
from costream.video.decode_policy import DecodeWish
from costream.video.gap import Gap
from costream.video.live import Connect, LiveStream, OnSample, open_source
from costream.video.packet_ring import RingLimits
from costream.video.past import Past
from costream.video.record import FrameRecord, StreamHealth
from costream.video.sample import Sample, StreamInfo
from costream.video.stream import Stream


class DeferredSource:
    """Opens a source as what it is, live or a stream with an end, on first use.

    It can be pickled, if ``connect`` can: what arrives is not open.

    Args:
        connect: makes a stream of the source.
        patience: see :class:`~costream.video.live.LiveStream`.
        backlog: see :class:`~costream.video.live.LiveStream`.
        keep: how much of the bitstream is kept, for :attr:`past`; none where None.

    Attributes:
        on_sample: told of every sample as soon as it was read; set before it is.
        failure: why a live source is away, while it is.
        wish: whether every picture is decoded for now, across all connections.

    Raises:
        SettingsError: ``patience`` is negative.
    """

    def __init__(
        self,
        connect: Connect,
        *,
        patience: float,
        backlog: float,
        keep: RingLimits | None = None,
    ) -> None:
        self._connect = connect
        self._patience = checked_patience(patience)
        self._backlog = backlog
        self._keep = keep
        self.on_sample: OnSample | None = None
        self.failure: SourceError | None = None
        self.wish = DecodeWish()
        self._past: Past | None = None if keep is None else Past(keep)
        self._stream: Stream | LiveStream | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def __reduce__(self) -> tuple[object, ...]:
        made = partial(
            DeferredSource, patience=self._patience, backlog=self._backlog, keep=self._keep
        )
        return made, (self._connect,)

    @property
    def info(self) -> StreamInfo:
        """What is known of the source; opens it first, which takes as long as patience lasts.

        Raises:
            SourceError: it can't be opened, or was closed before or meanwhile.
        """
        return self._opened().info

    @property
    def decode_seconds(self) -> float:
        """Processor time spent on reading the samples that were taken so far."""
        return 0.0 if self._stream is None else self._stream.decode_seconds

    @property
    def health(self) -> StreamHealth:
        """How well the source could be read so far."""
        return StreamHealth() if self._stream is None else self._stream.health

    @property
    def skipped(self) -> int:
        """Sampled frames of a live source that were skipped so far."""
        return self._stream.skipped if isinstance(self._stream, LiveStream) else 0

    @property
    def received(self) -> int:
        """Bytes of packets that came so far, where packets are kept; else 0."""
        return 0 if self._past is None else self._past.ring.received

    def samples(
        self, fps: float, *, on_frame: Callable[[FrameRecord], None] | None = None
    ) -> Iterator[Sample | Gap]:
        """Returns the sampled frames and, of a live source, news of gaps, in order."""
        for item in self._sampled(self._opened(), fps, on_frame):
            if self._past is not None and isinstance(item, Sample):
                self._past.note(item)
            yield item

    @property
    def keeps(self) -> bool:
        """Whether packets are kept."""
        return self._past is not None

    @property
    def past(self) -> Past:
        """What was sampled and can be had again. It outlives the source's end, and its closing.

        Raises:
            ForgottenError: nothing is kept.
        """
        if self._past is None:
            raise ForgottenError("nothing of the past is kept: open the source with a ring for it")
        return self._past

    def close(self) -> None:
        """Closes the source where it is open. Where it is being opened, whoever opens it does."""
        with self._lock:
            self._closed.set()
        if self._stream is not None:
            self._stream.close()

    def _sampled(
        self,
        stream: Stream | LiveStream,
        fps: float,
        on_frame: Callable[[FrameRecord], None] | None,
    ) -> Iterator[Sample | Gap]:
        if isinstance(stream, LiveStream):
            yield from stream.samples(fps, on_frame=on_frame, on_sample=self._note)
            return
        for sample in stream.samples(fps, on_frame=on_frame):
            self._note(sample)
            yield sample

    def _note(self, sample: Sample) -> None:
        self.failure = None
        if self.on_sample is not None:
            self.on_sample(sample)

    def _fail(self, error: SourceError) -> None:
        self.failure = error

    def _opened(self) -> Stream | LiveStream:
        if self._stream is None:
            self._refuse_closed()
            stream = open_source(
                self._kept,
                patience=self._patience,
                backlog=self._backlog,
                stopped=self._closed,
                on_failure=self._fail,
            )
            with self._lock:
                if not self._closed.is_set():
                    self._stream = stream
            if self._stream is None:
                stream.close()
                self._refuse_closed()
        assert self._stream is not None
        return self._stream

    def _kept(self) -> Stream:
        """Returns a new connection, whose packets are kept where any are."""
        stream = self._connect()
        stream.wish = self.wish
        if self._past is not None:
            stream.ring = self._past.ring
        return stream

    def _refuse_closed(self) -> None:
        if self._closed.is_set():
            raise SourceError("the source was closed before it was open: make a new one to read it")
