"""A stream of video: from a source to sampled frames with their evidence of change."""

from __future__ import annotations

import itertools
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import thread_time
from typing import BinaryIO, Literal, cast, get_args

from av.container import InputContainer

from costream.errors import SettingsError, SourceError
from costream.video.clock import TickGrid
from costream.video.credentials import Credentials
from costream.video.decode_policy import DecodeWish
from costream.video.decoder import PATIENCE, Decoder
from costream.video.decoder_input import DecoderInput
from costream.video.evidence import Evidence
from costream.video.gap import Gap
from costream.video.interruption import delivered
from costream.video.latest import Latest
from costream.video.naming import SourceLike, masked, path_of
from costream.video.on_demand import OnDemand
from costream.video.packet_ring import PacketRing
from costream.video.picture import Picture
from costream.video.reach import Reach, check_options, checked_reach
from costream.video.record import DecodedFrame, FrameRecord, StreamHealth
from costream.video.recordings import Recordings
from costream.video.sample import MotionSource, Sample, StreamInfo
from costream.video.source import (
    close_container,
    is_file,
    is_live,
    is_live_by_name,
    is_real_time,
    open_container,
)
from costream.video.track import codec_name, duration

logger = logging.getLogger("costream")

MAX_TIMEOUT = 1e6
"""Seconds; the system's own limits lie above."""

Decoding = Literal["auto", "all"]
"""Which pictures are decoded: of H.264 and H.265 those that something changed in, as far as that
can be told; or all."""


def checked_decoding(name: str) -> Decoding:
    """Returns what a user named.

    Raises:
        SettingsError: there is no such thing.
    """
    if name not in get_args(Decoding):
        raise SettingsError(f"can't decode {name!r}: choose auto or all")
    return cast(Decoding, name)


class Stream:
    """One camera or file, read once from its start to its end.

    Nothing is opened before it has to be: by :meth:`open`, :attr:`info`, :meth:`samples` or
    :meth:`frames`, whichever comes first. Opening reads up to the first picture that can be
    decoded, so what :attr:`info` says is true of real pictures. A stream belongs to one thread at
    a time. ::

        with Stream("rtsp://camera/1") as stream:
            for sample in stream.samples(fps=2):
                print(sample.time, sample.change.peak.max())

    A file may hold several recordings, one behind the other: they are read as one stream. ``info``
    is of the first.

    Size, orientation and sample aspect ratio may change in mid-stream: pictures and change maps
    follow (``info`` keeps the first), and the map of the interval in which they changed is marked
    as damaged.

    What a source leads to, such as a playlist's segments, is not trusted, whoever named it:
    :mod:`costream.video.reach` says what is guaranteed.
    """

    ages = True
    """What an idle connection to a live source has gathered is old; not where the sender waits."""

    waits = False
    """Whether a live source loses nothing where it is not read for a while: its sender keeps it."""

    def __init__(
        self,
        source: SourceLike,
        *,
        timeout: float = 10.0,
        patience: float = PATIENCE,
        motion: bool = True,
        decode: Decoding = "auto",
        options: Mapping[str, str] | None = None,
        name: str | None = None,
        credentials: Credentials | None = None,
        reach: Reach = "local",
        live: bool | None = None,
    ) -> None:
        """Names the source; see the class for when it is opened.

        Args:
            source: a path; a URL (http, rtsp, rtmp, udp and what else FFmpeg reads); ``"-"`` for
                standard input; or a file object open for reading in binary, which the caller
                closes. A file object may or may not be seekable.
            timeout: seconds that a network source or standard input may stay silent. It does not
                apply to file objects, whose ``read`` is waited for.
            patience: seconds, of stream time or on the wall clock, that a live source or a pipe
                may go on without a picture that can be decoded, such as one that is joined long
                before its next key frame. What states its length is read to its end.
            motion: take motion vectors where the codec has them. Without, decoding is plain and
                every map says that nothing is known.
            decode: ``"auto"`` decodes pictures of H.264 and H.265 only where the bitstream says
                that something changed, as far as it can be believed; at other ticks the sample has
                the picture that was shown last: see
                :class:`~costream.video.on_demand.OnDemand`. ``"all"`` decodes all. Together with
                ``motion`` every packet is read, which costs more than it has to where nobody looks
                at the change maps.
            options: FFmpeg's options for demuxer and protocol, such as
                ``{"rtsp_transport": "udp"}``. RTSP runs over TCP unless told otherwise.
            name: what to call the source in ``info`` and in messages; by default the source itself,
                passwords masked.
            credentials: for an http, rtsp or rtmp URL that names no user.
            reach: what the source may be: ``"local"`` for names that are typed by whoever runs the
                program; ``"network"`` for names that come from somebody else, which may then be
                network URLs only, without ``options`` that would allow more; ``"public"`` for
                likewise those on the open internet. See :data:`~costream.video.reach.Reach`.
            live: True has a source count as live whatever it is, such as a file object that a
                camera sends to.

        Raises:
            SettingsError: ``timeout`` or ``patience`` is not positive, ``timeout`` is not finite,
                or ``decode``, ``reach`` or, for somebody else's source, an option is none that
                there may be.
            SourceError: ``source`` is none of the above.
        """
        if not 0 < timeout <= MAX_TIMEOUT:
            raise SettingsError(f"the timeout must be a positive number of seconds, not {timeout}")
        if not patience > 0:
            raise SettingsError(
                f"the patience must be a positive number of seconds, not {patience}"
            )
        if not isinstance(source, (str, os.PathLike)) and not hasattr(source, "read"):
            raise SourceError(
                f"a source is a path, a URL or a binary file, not {type(source).__name__}"
            )
        self._source = source
        self._timeout = timeout
        self._patience = patience
        self._motion = motion
        self._decode = checked_decoding(decode)
        self._name = name or masked(source)
        self._options = dict(options or {})
        self._credentials = credentials
        self._reach = checked_reach(reach)
        self._live = live
        check_options(self._options, self._reach)
        self._container: InputContainer | None = None
        self._decoder: Decoder | None = None
        self._on_demand: OnDemand | None = None
        self._info: StreamInfo | None = None
        self._frames: Iterator[DecodedFrame] | None = None
        self._read = False
        self._seconds = 0.0
        self._recordings: Recordings | None = None
        self._part: BinaryIO | None = None
        self._step = threading.Lock()
        self.ring: PacketRing | None = None
        """Set before the source is opened, it keeps the packets."""
        self.given: DecoderInput | None = None
        """Set before the source is opened, it notes what the decoder is given."""
        self.wish = DecodeWish()
        """Whether every picture is decoded for now, whatever the bitstream says of it."""
        self.away: float | None = None
        """Seconds for which the source was away before, where it knows that itself."""
        self.on_gap: Callable[[Gap], None] | None = None
        """Told of gaps that the source itself tells of."""
        self._left = False

    def open(self) -> Stream:
        """Opens the source and decodes up to its first picture; does nothing if that is done.

        Raises:
            SourceError: the source can't be opened, holds no video, or none that can be decoded.
        """
        if self._info is not None:
            return self
        with self._stepping():
            try:
                self._open_first()
            except BaseException:
                self._let_go()
                raise
        return self

    def _open_first(self) -> None:
        # Of a name from elsewhere, no file is touched: it is refused below.
        if is_file(self._source) and self._reach == "local":
            self._recordings = Recordings(path_of(self._source))
        frames = self._open_part()
        first = next(frames)
        self._info = self._describe(first)
        self._frames = itertools.chain((first,), frames)

    def _open_part(self) -> Iterator[DecodedFrame]:
        """Opens the current recording of a file, or the source, and returns its frames."""
        part = self._recordings.part() if self._recordings else None
        self._close_container()
        self._part = part
        self._container = open_container(
            part or self._source,
            self._timeout,
            self._options,
            credentials=self._credentials,
            reach=self._reach,
        )
        self._decoder = Decoder(
            self._container,
            name=self._name,
            local=is_file(self._source),
            motion=self._motion,
            timeout=self._timeout,
            real_time=self._live or is_real_time(self._source, self._container),
            patience=self._patience,
            rate_stated="framerate" in self._options,
            after=self._decoder,
            ring=self.ring,
            given=self.given,
        )
        if self._decode == "auto":
            self._on_demand = OnDemand(self._decoder, self.wish, after=self._on_demand)
        return (self._on_demand or self._decoder).frames()

    def _open_next(self) -> bool:
        """Goes on to the next recording of a file, if another is joined to the one that ended."""
        decoder, recordings = self._decoder, self._recordings
        assert decoder is not None
        if recordings is None or not recordings.advance(decoder.position, decoder.track):
            return False
        try:
            self._frames = self._open_part()
        except (OSError, SourceError) as error:
            self._warn_of_rest(error)
            return False
        return True

    def _warn_of_rest(self, error: Exception) -> None:
        logger.warning(
            "%s holds more behind its first recording that is not read: %s", self._name, error
        )

    @property
    def info(self) -> StreamInfo:
        """What is known of the stream; opens it first.

        Raises:
            SourceError: as :meth:`open`.
        """
        self.open()
        assert self._info is not None
        return self._info

    @property
    def is_live(self) -> bool | None:
        """Whether the source has no end of its own; None where only opening it tells."""
        if self._live is not None:
            return self._live
        return self._info.live if self._info else is_live_by_name(self._source)

    @property
    def health(self) -> StreamHealth:
        """How well the stream could be read so far."""
        return self._decoder.health if self._decoder else StreamHealth()

    @property
    def why_whole(self) -> str:
        """Why all pictures are decoded though not all should be; empty where they aren't."""
        return self._on_demand.why_whole if self._on_demand else ""

    @property
    def decode_seconds(self) -> float:
        """Processor time spent on reading, decoding and extracting motion for :meth:`samples`."""
        return self._seconds

    def samples(
        self, fps: float, *, on_frame: Callable[[FrameRecord], None] | None = None
    ) -> Iterator[Sample]:
        """Returns the frames sampled at ``fps``, each with what changed since the one before.

        A sample is the first frame of its tick, ``tick = floor(time * fps)``, where ``time`` is in
        seconds from the first displayed frame. A tick without a frame is missing; if ``fps`` is
        above the native rate, every native frame is a sample once. Stream time grows strictly: see
        :class:`~costream.video.timeline.Timeline` for jumping timestamps, and
        :class:`~costream.video.clock.StreamClock` for missing ones.

        The source is opened by the first step of the iteration. A stream can be read once, by this
        method or by :meth:`frames`.

        Args:
            fps: samples a second of stream time.
            on_frame: called with the record of every native frame, sampled or not.

        Raises:
            SettingsError: ``fps`` is not a positive finite number.
            SourceError: while iterating: as :meth:`open`; the source stopped answering; it gave
                nothing but errors; the stream was closed or read before.
        """
        return self._timed(self._sample(TickGrid(fps), on_frame))

    def frames(self) -> Iterator[FrameRecord]:
        """Yields a record of every native frame, in display order, without its picture.

        Raises:
            SourceError: as :meth:`samples`.
        """
        for decoded in self._take():
            yield decoded.record

    def close(self) -> None:
        """Closes the source. A file object that was passed in stays open.

        Where another thread reads, that thread closes it, as soon as it has what it waits for.
        """
        self._left = True
        if self._step.acquire(blocking=False):
            try:
                self._let_go()
            finally:
                self._step.release()

    def _let_go(self) -> None:
        self._left = False
        self._frames = None
        self._close_container()

    @contextmanager
    def _stepping(self) -> Iterator[None]:
        """Keeps other threads from closing the source, which is closed afterwards instead."""
        try:
            with self._step, delivered():
                yield
        finally:
            if self._left:
                self.close()

    def _close_container(self) -> None:
        if self._container is not None:
            close_container(self._container)
            self._container = None
        if self._part is not None:
            self._part.close()
            self._part = None

    def _timed(self, samples: Iterator[Sample]) -> Iterator[Sample]:
        while True:
            begun = thread_time()
            sample = next(samples, None)
            self._seconds += thread_time() - begun
            if sample is None:
                return
            yield sample

    def _sample(
        self, grid: TickGrid, on_frame: Callable[[FrameRecord], None] | None
    ) -> Iterator[Sample]:
        self.open()
        evidence = Evidence(self._evidence)
        self._follow(grid, each=on_frame is not None)
        latest = Latest()
        for decoded in self._take():
            if on_frame is not None:
                on_frame(decoded.record)
            evidence.add(decoded)
            latest.add(decoded)
            tick = grid.tick(decoded.record.time)
            if tick is not None:
                reused = decoded.frame is None
                change = evidence.emit()
                yield Sample(
                    tick,
                    decoded.record.time,
                    latest.picture(),
                    change,
                    reused,
                    stored=latest.stored,
                    own=decoded.stored,
                )

    @property
    def _evidence(self) -> MotionSource:
        """Where what the change maps hold comes from."""
        assert self._decoder is not None
        return self._decoder.motion

    def _follow(self, grid: TickGrid, *, each: bool) -> None:
        """Says which frames are sampled, and whether the others are told of one by one."""
        if self._on_demand is not None:
            self._on_demand.grid, self._on_demand.each = grid, each

    def _take(self) -> Iterator[DecodedFrame]:
        self.open()
        if self._frames is None or self._read:
            raise SourceError(
                f"{self._name} was read or closed: make a new Stream to read it again"
            )
        self._read = True
        while True:
            try:
                with self._stepping():
                    decoded = self._next_frame()
            except SourceError as error:
                if self._recordings is None or self._recordings.is_first:
                    raise
                self._warn_of_rest(error)
                return
            if decoded is None:
                return
            yield decoded

    def _next_frame(self) -> DecodedFrame | None:
        """Returns the next frame of any recording; None at the end, or once it is closed."""
        while self._frames is not None:
            decoded = next(self._frames, None)
            if decoded is not None or not self._open_next():
                return decoded
        return None

    @property
    def _told_by(self) -> MotionSource:
        """Where evidence comes from, that of what is decoded included."""
        assert self._decoder is not None
        follows = self._on_demand is not None and not self._on_demand.why_whole
        unused = self._decoder.motion == "unused"
        return "bitstream" if follows and unused else self._decoder.motion

    def _describe(self, first: DecodedFrame) -> StreamInfo:
        assert self._container is not None and self._decoder is not None
        video = self._decoder.stream
        assert first.frame is not None
        alone = self._recordings is None or self._recordings.is_alone
        picture = Picture(first.frame, first.display)
        return StreamInfo(
            source=self._name,
            codec=codec_name(video),
            profile=video.codec_context.profile,
            width=picture.width,
            height=picture.height,
            rotation=first.display.rotation,
            frame_rate=self._decoder.rate,
            duration=duration(self._container, video) if alone else None,
            motion=self._told_by,
            mirrored=first.display.mirrored,
            sample_aspect=first.display.aspect,
            live=self._live or is_live(self._source, self._container),
            awaited=bool(self._live) or not is_file(self._source),
        )

    def __enter__(self) -> Stream:
        return self.open()

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Stream({self._name!r})"
