"""A live source that is read for as long as it can be had, across losses and reconnections."""

from __future__ import annotations

import logging
import math
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from time import monotonic, thread_time

from costream.errors import SourceError, SourceLostError, SourceRefusedError
from costream.video.backoff import Backoff, checked_patience
from costream.video.clock import TickGrid
from costream.video.errand import awaited
from costream.video.gap import Gap
from costream.video.record import FrameRecord, StreamHealth
from costream.video.sample import Sample, StreamInfo
from costream.video.sample_queue import Arrival, SampleQueue
from costream.video.stream import Stream

PATIENCE = 300.0
"""Seconds for which a source that is away is waited for."""

BACKLOG = 16.0
"""Seconds of sampled frames that wait for a watcher who is behind."""

_FRESH = 2.0
"""Seconds for which a connection is held open before somebody reads from it. What an idle one has
gathered since is old, and some cameras end it."""

_JOIN = 1.0
"""Seconds to wait for the reading thread when the stream is closed. It may sit in a read."""

Connect = Callable[[], Stream]
"""Returns a new stream of the source, not opened yet."""

OnSample = Callable[[Sample], None]
"""Told of every sample as soon as it was read, by the thread that reads."""

OnFailure = Callable[[SourceError], None]
"""Told why a live source was lost, and why each further attempt failed."""

logger = logging.getLogger("costream")


def open_source(
    connect: Connect,
    *,
    patience: float = PATIENCE,
    backlog: float = BACKLOG,
    stopped: threading.Event | None = None,
    on_failure: OnFailure | None = None,
) -> Stream | LiveStream:
    """Opens a source as what it is: live, or a stream with an end.

    Args:
        connect: makes a stream of the source.
        patience: see :class:`LiveStream`.
        backlog: see :class:`LiveStream`.
        stopped: see :class:`LiveStream`.
        on_failure: see :class:`LiveStream`.

    Raises:
        SettingsError: ``patience`` is negative.
        SourceError: the source can't be opened; a live one, while patience lasted.
    """
    checked_patience(patience)
    stream = connect()
    if stream.is_live is False:
        return stream.open()
    live = LiveStream(
        connect, patience=patience, backlog=backlog, stopped=stopped, on_failure=on_failure
    )
    return live if live.info.live else live.detach()


class LiveStream:
    """A camera as one stream of samples, whatever becomes of its connections.

    A thread reads the camera, so that it is never kept waiting; the samples wait for the watcher in
    a :class:`~costream.video.sample_queue.SampleQueue`.

    * **Lost.** A connection that fails, ends, or stays silent for longer than its timeout is a
      loss. The source is asked for again after delays that grow (:class:`Backoff`) until it is
      back or patience ends. Absent at the start is the same. Only where asking again is of no use,
      such as after a wrong password, the first connection fails at once.
    * **Stream time** goes on across a loss by the clock of this machine, rounded up to a tick:
      frames before and after lie as far apart as they were received.
    * **Behind.** No more than ``backlog`` seconds of samples wait. When another comes, the oldest
      is skipped and counted, so that a slow watcher sees the present with holes, and not the past.
    * **Evidence.** What the bitstream says of a sample after a gap does not reach back to the
      sample before it: the map's ``motion`` is ``"none"``.

    :meth:`samples` gives news of both as a :class:`Gap`, in order with the samples. ::

        with LiveStream(lambda: Stream("rtsp://camera/1")) as camera:
            for item in camera.samples(fps=2):
                print(item)
    """

    def __init__(
        self,
        connect: Connect,
        *,
        patience: float = PATIENCE,
        backlog: float = BACKLOG,
        stopped: threading.Event | None = None,
        on_failure: OnFailure | None = None,
    ) -> None:
        """Prepares a stream; nothing is opened yet.

        Args:
            connect: makes a stream of the source for every connection; this object closes them.
            patience: seconds without a frame after which the source is given up; 0 gives it up
                when it is lost, infinity never.
            backlog: seconds of samples that may wait for the watcher. With two of its strides,
                there is always one in it that a window ends with.
            stopped: set by another thread, it ends the wait for a source that is absent.
            on_failure: told why the source was lost or can't be had, by the thread that reads.

        Raises:
            SettingsError: ``patience`` is negative.
        """
        self._connect = connect
        self._backoff = Backoff(patience)
        self._backlog = backlog
        self._stopped = stopped or threading.Event()
        self._on_failure = on_failure
        self._probe: Stream | None = None
        self._probed_at = 0.0
        self._info: StreamInfo | None = None
        self._reader: _Reader | None = None
        self._seconds = 0.0
        self.skipped = 0
        """Sampled frames that were skipped so far."""
        self.losses = 0
        """How often the source was lost so far."""

    def open(self) -> LiveStream:
        """Connects for the first time, which may take as long as patience lasts.

        Raises:
            SourceRefusedError: the source turned us away.
            SourceLostError: it could not be had while patience lasted.
        """
        if self._info is not None:
            return self
        while self._info is None:
            try:
                stream = awaited(lambda: self._connect().open(), Stream.close)
                self._info = stream.info
            except SourceRefusedError:
                raise
            except SourceError as error:
                self._await_first(error)
        self._probe, self._probed_at = stream, monotonic()
        return self

    def detach(self) -> Stream:
        """Hands the first connection over, open, to be read by the caller alone.

        Raises:
            SourceError: as :meth:`open`.
        """
        self.open()
        assert self._probe is not None, "nothing was read yet"
        stream, self._probe = self._probe, None
        return stream

    @property
    def info(self) -> StreamInfo:
        """What is known of the first connection; opens it.

        Raises:
            SourceError: as :meth:`open`.
        """
        self.open()
        assert self._info is not None
        return self._info

    @property
    def health(self) -> StreamHealth:
        """How well all connections together could be read so far."""
        return self._reader.health if self._reader else StreamHealth()

    @property
    def decode_seconds(self) -> float:
        """Processor time spent on reading the samples that were taken so far."""
        return self._seconds

    def samples(
        self,
        fps: float,
        *,
        on_frame: Callable[[FrameRecord], None] | None = None,
        on_sample: OnSample | None = None,
    ) -> Iterator[Sample | Gap]:
        """Returns the frames sampled at ``fps`` and news of gaps, in order.

        Samples are those of :meth:`Stream.samples`, with the time they were ``received``.

        Args:
            fps: samples a second of stream time.
            on_frame: called, on the caller's thread, with the record of every native frame on the
                way to a sample that was not skipped.
            on_sample: told of every sample as soon as it was read, those included that will be
                skipped.

        Raises:
            SettingsError: ``fps`` is not a positive finite number.
            SourceError: while iterating: the stream was read before.
            SourceLostError: while iterating: the source is away and patience is at an end.
        """
        grid = TickGrid(fps)
        self.open()
        if self._reader is not None:
            raise SourceError(f"{self.info.source} was read before: make a new stream of it")
        queue = SampleQueue(max(1, math.ceil(self._backlog * fps)))
        # What passed since the source was opened, such as the loading of a model, is not its fault.
        self._backoff.note_frame()
        self._reader = _Reader(
            self._connect,
            self._first(),
            self._backoff,
            queue,
            grid,
            on_sample,
            self._on_failure,
            tells_each=on_frame is not None,
        )
        # Whoever forgets to close has the camera let go all the same.
        weakref.finalize(self, self._reader.leave)
        self._reader.start()
        return self._take(queue, on_frame)

    def close(self) -> None:
        """Ends the reading thread, which closes its connection."""
        if self._probe is not None:
            self._probe.close()
            self._probe = None
        if self._reader is not None:
            self._reader.stop()

    def _await_first(self, error: SourceError) -> None:
        if self._on_failure is not None:
            self._on_failure(error)
        delay = self._backoff.next_delay()
        if delay is None:
            raise _lost(error, self._backoff) from None
        if self._backoff.attempts == 1:
            logger.warning("%s; trying for %s", error, _span(self._backoff.patience))
        if self._stopped.wait(delay):
            raise error

    def _first(self) -> Stream | None:
        """Returns the connection that was opened, if what it has gathered is new."""
        probe, self._probe = self._probe, None
        if probe is not None and probe.ages and monotonic() - self._probed_at > _FRESH:
            probe.close()
            return None
        return probe

    def _take(
        self, queue: SampleQueue, on_frame: Callable[[FrameRecord], None] | None
    ) -> Iterator[Sample | Gap]:
        severed = False
        while (item := queue.take()) is not None:
            if isinstance(item, Gap):
                severed |= item.kind != "lost"
                self.skipped += item.frames
                self.losses += item.kind == "lost"
                yield item
                continue
            self._seconds += item.seconds
            for record in item.records if on_frame else ():
                on_frame(record)  # type: ignore[misc]  # there are none without it
            yield _severed(item.sample) if severed else item.sample
            severed = False

    def __enter__(self) -> LiveStream:
        return self.open()

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"LiveStream({self._info.source if self._info else 'not connected yet'!r})"


class _Reader(threading.Thread):
    """Reads one connection after the other and puts their samples on one time line.

    A daemon: a read from a silent source can't be interrupted, and nobody should wait for it.
    """

    def __init__(
        self,
        connect: Connect,
        first: Stream | None,
        backoff: Backoff,
        queue: SampleQueue,
        grid: TickGrid,
        on_sample: OnSample | None,
        on_failure: OnFailure | None,
        *,
        tells_each: bool,
    ) -> None:
        super().__init__(name="costream-live", daemon=True)
        self._connect = connect
        self._first = first
        self._backoff = backoff
        self._queue = queue
        self._grid = grid
        self._on_sample = on_sample
        self._on_failure = on_failure
        self._tells_each = tells_each  # somebody asked for the record of every frame
        self._stopped = threading.Event()
        self._tick = -1
        self._time = 0.0
        self._received: float | None = None
        self._past = StreamHealth()
        self._stream: Stream | None = None

    @property
    def health(self) -> StreamHealth:
        """How well all connections could be read."""
        stream = self._stream
        return self._past + stream.health if stream else self._past

    def leave(self) -> None:
        """Has the thread end, soon."""
        self._stopped.set()

    def stop(self) -> None:
        """Has the thread end, and waits for it a moment."""
        self.leave()
        if self.is_alive() and self is not threading.current_thread():
            self.join(_JOIN)

    def run(self) -> None:
        """Reads until it is stopped, patience ends, or something breaks."""
        try:
            while not self._stopped.is_set():
                cause = self._read()
                if self._stopped.is_set() or not self._wait(cause):
                    break
        except Exception as error:  # it belongs to whoever takes from the queue
            self._queue.end(error)
        else:
            self._queue.end()

    def _read(self) -> SourceError:
        """Reads one connection to its end and returns why it ended."""
        stream, self._first = self._first or self._connect(), None
        self._stream = stream
        try:
            with stream:
                self._follow(stream)
            return SourceError(f"{stream.info.source} ended")
        except SourceError as error:
            return error
        finally:
            self._past, self._stream = self._past + stream.health, None

    def _follow(self, stream: Stream) -> None:
        offset: int | None = None
        records: list[FrameRecord] = []
        stream.on_gap = lambda gap: self._queue.tell(self._moved(gap, offset or 0))
        begun = thread_time()
        note = records.append if self._tells_each else None
        for sample in stream.samples(self._grid.fps, on_frame=note):
            if self._stopped.is_set():
                return
            now = monotonic()
            if offset is None:
                offset = self._resume(sample, now, stream.away)
            self._backoff.note_frame()
            self._tick, self._time = sample.tick + offset, sample.time + offset / self._grid.fps
            self._received = now
            placed = replace(sample, tick=self._tick, time=self._time, received=now)
            known = tuple(self._placed(record, offset) for record in records)
            arrival = Arrival(placed, known, thread_time() - begun)
            if self._on_sample is not None:
                # Before it is handed over: one thread at a time may convert a picture.
                self._on_sample(placed)
            if stream.waits and not self._queue.await_room(self._stopped):
                return
            self._queue.put(arrival)
            begun = thread_time()
            records.clear()

    def _placed(self, record: FrameRecord, offset: int) -> FrameRecord:
        """Returns the record of a frame of this connection, ``offset`` ticks later, as of all."""
        time = record.time + offset / self._grid.fps
        return replace(record, index=record.index + self._past.frames, time=time)

    def _moved(self, gap: Gap, offset: int) -> Gap:
        """Returns a gap within this connection, ``offset`` ticks later, as of all."""
        seconds = offset / self._grid.fps
        end = None if gap.end is None else gap.end + seconds
        return replace(gap, start=gap.start + seconds, end=end)

    def _resume(self, first: Sample, now: float, away: float | None) -> int:
        """Returns the ticks by which a connection's samples are moved, and tells of the gap."""
        if self._received is None:
            return -first.tick
        away = now - self._received if away is None else away
        fps = self._grid.fps
        tick = max(self._tick + 1, math.ceil((self._time + away) * fps))
        end = first.time + (tick - first.tick) / fps
        attempts = self._backoff.attempts
        self._queue.tell(Gap("back", self._time, end, "reconnected", attempts=attempts))
        return tick - first.tick

    def _wait(self, cause: SourceError) -> bool:
        """Waits for the next attempt; False where there is none any more."""
        if self._on_failure is not None:
            self._on_failure(cause)
        if self._backoff.attempts == 0 and self._received is not None:
            self._queue.tell(Gap("lost", self._time, None, str(cause)))
        delay = self._backoff.next_delay()
        if delay is None:
            raise _lost(cause, self._backoff)
        return not self._stopped.wait(delay)


def _severed(sample: Sample) -> Sample:
    """Returns a sample whose evidence does not claim to reach back to the one before it."""
    return replace(sample, change=replace(sample.change, motion="none"))


def _lost(cause: SourceError, backoff: Backoff) -> SourceLostError:
    if not backoff.patience:
        return SourceLostError(f"the camera was lost: {cause}")
    attempts = "1 attempt" if backoff.attempts == 1 else f"{backoff.attempts} attempts"
    return SourceLostError(
        f"the camera was lost: no frame for {backoff.away:.0f} s and {attempts}: {cause}"
    )


def _span(seconds: float) -> str:
    return "ever" if math.isinf(seconds) else f"{seconds:g} s"
