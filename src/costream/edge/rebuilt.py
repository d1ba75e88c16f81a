"""A camera as its edge saw it, built again from records."""

from __future__ import annotations

import itertools
import logging
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from typing import BinaryIO, Protocol, cast

import av
from av.codec.context import CodecContext, Flags
from av.video.codeccontext import VideoCodecContext

from costream.edge.interval import Beat, Interval, NativeFrame, Shown, decode_interval, decode_shown
from costream.edge.messages import Begun, Left, SentPacket, decode_lost, decode_parameters
from costream.edge.numbers import Numbers
from costream.edge.wire import (
    CAMERA,
    INTERVAL,
    LOST,
    PACKET,
    PARAMETERS,
    SKIPPED,
    STANDING,
    Record,
)
from costream.errors import SettingsError, SourceError
from costream.video import Stream
from costream.video.clock import TickGrid
from costream.video.display import AS_CODED
from costream.video.gap import Gap
from costream.video.packet_ring import CodecParameters
from costream.video.padded_packet import padded_packet
from costream.video.picture import Picture
from costream.video.record import DecodedFrame, StreamHealth
from costream.video.references import Coded
from costream.video.sample import MotionSource
from costream.video.track import MOST_PIXELS, decoder_options

LATE = "the line to the edge was too slow"

_MOST_WAITING = 64
"""Decoded pictures that wait to be shown: more than any stream reorders."""

_MOST_PIXELS = 8 * MOST_PIXELS
"""Of pictures that wait: 64 of 8 megapixels, fewer of larger ones."""

logger = logging.getLogger("costream")


class RecordSource(Protocol):
    """Where records come from, for as long as the camera is watched."""

    def next(self) -> Record | None:
        """Waits for the next record and returns it; None once nothing will come any more."""
        ...

    def give_back(self, record: Record) -> None:
        """Has a record be the next one again."""
        ...

    def restart(self) -> None:
        """Has the edge begin again, with records that need none before them."""
        ...


class RebuiltStream(Stream):
    """Gives the native frames that an edge was given, with the pictures that are to be seen.

    It lasts as long as the edge's connection to the camera. What comes from it is what
    :class:`~costream.edge.camera.EdgeCamera` had at the camera: the same times, types and sizes,
    and of every sample the same picture, to the bit. A picture that turns out otherwise, such as
    behind damage, marks its frame as damaged.

    Args:
        source: of records; it stays the caller's.
        name: what the camera is called.
    """

    ages = False
    waits = True

    def __init__(self, source: RecordSource, *, name: str) -> None:
        super().__init__(cast(BinaryIO, _NoFile()), name=name, motion=False, live=True)
        self._records = source
        self._begun: Begun | None = None
        self._beat = Beat(Fraction(1), 0)
        self._decoding = _Decoding()
        self._display = AS_CODED
        self._standing: tuple[av.VideoFrame, Shown] | None = None
        self._counts = StreamHealth()
        self._said = self._has_shown = False
        self._grid: TickGrid | None = None

    @property
    def health(self) -> StreamHealth:
        """How well the edge could read the camera."""
        return self._counts

    def _open_first(self) -> None:
        _, payload = self._await_camera()
        try:
            begun = self._begun = Begun.decode(payload, self._name)
        except SettingsError as error:
            raise self._give_up(error) from None
        self._beat, self.away = Beat(begun.base, begun.zero), begun.away
        frames = self._rebuilt()
        first = next(frames, None)
        if first is None:
            raise SourceError(f"{self._name} ended before its first picture")
        self._info = begun.info
        self._frames = itertools.chain((first,), frames)

    def _open_next(self) -> bool:
        return False

    def _await_camera(self) -> Record:
        """Leaves out what belongs to a connection that is over."""
        while (found := self._records.next()) is not None:
            if found[0] == CAMERA:
                return found
        raise SourceError("nobody takes what the edge sends: the service has ended")

    @property
    def _evidence(self) -> MotionSource:
        assert self._begun is not None
        return self._begun.evidence

    def _follow(self, grid: TickGrid, *, each: bool) -> None:
        assert self._begun is not None
        self._grid = grid
        if grid.fps != self._begun.fps:
            raise SourceError(
                f"{self._name} is sampled {self._begun.fps:g} times a second at its edge and "
                f"{grid.fps:g} times here"
            )

    def _rebuilt(self) -> Iterator[DecodedFrame]:
        try:
            while (found := self._records.next()) is not None and not self._left:
                yield from self._take_record(*found)
        except SettingsError as error:
            raise self._give_up(error) from None

    def _give_up(self, error: SettingsError) -> SourceError:
        """Has the edge begin again; returns why."""
        self._records.restart()
        return SourceError(f"{self._name} can't be read: {error}")

    def _take_record(self, kind: int, payload: bytes) -> Iterator[DecodedFrame]:
        if kind == INTERVAL:
            yield from self._shown(decode_interval(payload, self._beat))
        elif kind == PACKET:
            self._give(SentPacket.decode(payload))
        elif kind == PARAMETERS:
            self._begin(decode_parameters(payload))
        elif kind == STANDING:
            shown = decode_shown(Numbers(payload))
            self._standing = self._decoding.take(shown.order), shown
        elif kind == SKIPPED:
            self._skip(Left.decode(payload))
        elif kind == LOST:
            raise SourceError(decode_lost(payload))
        elif kind == CAMERA:
            self._records.give_back((kind, payload))
            raise SourceError(f"the edge of {self._name} has begun again")

    def _skip(self, left: Left) -> None:
        if self._grid is not None:
            # A frame behind the gap is not the sample of a tick that had its own.
            self._grid.tick(left.last)
        if self.on_gap is not None:
            self.on_gap(Gap("skipped", left.start, left.end, LATE, frames=left.frames))

    def _begin(self, parameters: CodecParameters) -> None:
        if self.ring is not None:
            self.ring.begin_with(parameters)
        self._decoding.begin(parameters)

    def _give(self, packet: SentPacket) -> None:
        if not packet.data:
            self._decoding.repeat(packet.order)
            return
        stored = None
        if self.ring is not None:
            stored = self.ring.keep(packet.data, packet.pts, packet.dts, key=packet.key)
        self._decoding.give(packet, stored)

    def _shown(self, interval: Interval) -> Iterator[DecodedFrame]:
        standing, self._standing = self._standing, None
        counts = self._counts
        self._counts = replace(counts, decoding=counts.decoding + interval.counts)
        for frame in interval.frames:
            shown = frame.shown
            picture = None if shown is None else self._decoding.take(shown.order)
            if picture is None and standing is not None:
                picture, shown = standing
            standing = None
            self._has_shown |= picture is not None
            # Where it is joined in the middle, nothing is known before the first picture.
            if self._has_shown:
                yield self._decoded(frame, picture, shown)

    def _decoded(
        self, frame: NativeFrame, picture: av.VideoFrame | None, shown: Shown | None
    ) -> DecodedFrame:
        record = frame.record
        if picture is not None and shown is not None:
            self._display = shown.display
            if Picture(picture, shown.display).digest() != shown.digest:
                self._warn()
                record = replace(record, damaged=True)
        counts = self._counts
        self._counts = replace(
            counts,
            frames=counts.frames + 1,
            damaged=counts.damaged + record.damaged,
        )
        return DecodedFrame(record, picture, None, display=self._display)

    def _warn(self) -> None:
        if not self._said:
            self._said = True
            logger.warning(
                "%s gives pictures here that differ from those at its edge: they are encoded whole",
                self._name,
            )


class _Decoding:
    """The decoder, given what the edge's was given."""

    def __init__(self) -> None:
        self._context: VideoCodecContext | None = None
        self._parameters: CodecParameters | None = None
        self._waiting: deque[av.VideoFrame] = deque()
        self._first: tuple[SentPacket, int | None] | None = None

    def begin(self, parameters: CodecParameters) -> None:
        """Goes on with packets of these parameters."""
        if parameters == self._parameters:
            return
        self._parameters = parameters
        self._waiting.clear()
        try:
            context = CodecContext.create(parameters.decoder, "r")
            if not isinstance(context, VideoCodecContext):
                raise SettingsError(f"{parameters.decoder!r} decodes no video")
            context.options = decoder_options()
            context.extradata = parameters.extradata
            context.codec_tag = parameters.tag
            context.width, context.height = parameters.width, parameters.height
        except (av.FFmpegError, ValueError) as error:
            raise SettingsError(f"{parameters.decoder!r} can't be decoded here: {error}") from None
        context.thread_count = 1
        context.copy_opaque = True
        context.flags |= Flags.unaligned
        self._context = context

    def give(self, sent: SentPacket, stored: int | None) -> None:
        """Decodes a packet."""
        context, parameters = self._context, self._parameters
        if context is None or parameters is None:
            raise SettingsError("a packet came before the parameters that it is decoded with")
        if sent.restart:
            context.flush_buffers()
            self._waiting.clear()
        if sent.key:
            self._first = sent, stored
        packet = padded_packet(sent.data)
        packet.pts, packet.dts = sent.pts, sent.dts
        packet.time_base, packet.is_keyframe = parameters.time_base, sent.key
        packet.opaque = Coded(sent.order, sent.pts, len(sent.data), corrupt=False, stored=stored)
        try:
            self._waiting += context.decode(packet)
        except av.FFmpegError:
            return  # damaged, as it was at the edge: what comes out is compared
        while len(self._waiting) > _MOST_WAITING or _pixels(self._waiting) > _MOST_PIXELS:
            self._waiting.popleft()

    def repeat(self, order: int) -> None:
        """Begins again with the packet that a group began with.

        Raises:
            SettingsError: it began with another.
        """
        if self._first is None or self._first[0].order != order:
            raise SettingsError("a packet came without its bytes that no group began with")
        first, stored = self._first
        self.give(replace(first, restart=True), stored)

    def take(self, order: int) -> av.VideoFrame:
        """Returns the picture of a packet; those before it are not wanted any more.

        Raises:
            SettingsError: the packets do not give it.
        """
        frame = self._find(order)
        if frame is None:
            # The edge's decoder was drained as well: the camera's stream ends here.
            self._drain()
            frame = self._find(order)
        if frame is None:
            raise SettingsError("a picture is said to be shown that the packets do not give")
        return frame

    def _find(self, order: int) -> av.VideoFrame | None:
        while self._waiting:
            frame = self._waiting.popleft()
            if isinstance(frame.opaque, Coded) and frame.opaque.order == order:
                return frame
        return None

    def _drain(self) -> None:
        if self._context is not None:
            with suppress(av.FFmpegError):
                self._waiting += self._context.decode(None)
            self._context.flush_buffers()


def _pixels(frames: Iterable[av.VideoFrame]) -> int:
    return sum(frame.width * frame.height for frame in frames)


class _NoFile:
    """Stands where a stream has its source."""

    name = "edge"

    def read(self, size: int) -> bytes:
        raise NotImplementedError
