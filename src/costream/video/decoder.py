"""The one decode loop: packets in, native frames in display order out, damage and all."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import av.error
import numpy as np
from av.codec.context import Flags
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import PictureType
from av.video.stream import VideoStream

from costream.errors import SourceError
from costream.video.bitstream import DAMAGED, UNPREDICTED, names_feature, open_reader
from costream.video.clock import StreamClock
from costream.video.display import AS_CODED
from costream.video.display_reader import DisplayReader
from costream.video.fields import FieldPairs, is_field_coded
from costream.video.nal import is_reference
from costream.video.record import DecodedFrame, FrameRecord, StreamHealth
from costream.video.references import Coded, FrameType, References
from costream.video.sample import MotionSource
from costream.video.source import reason
from costream.video.strictness import STRICT_OPTIONS, LenientDecoder, is_strict
from costream.video.track import codec_name, duration, find_video, frame_rate
from costream.video.vectors import (
    EXPORT_OPTIONS,
    FrameVectors,
    exports_b_vectors,
    exports_vectors,
    read_vectors,
)

if TYPE_CHECKING:
    from costream._bitstream import Picture, Summary

MAX_BARREN_PACKETS = 1500
"""Packets in a row without a picture before a stream is given up: a minute at 25 frames a second,
which is longer than the key frame interval of any camera that one may join in the middle."""

_MAX_BAD_READS = 16
_DEFAULT_RATE = 25.0
_DURATION_SLACK = 0.25

logger = logging.getLogger("costream")

_FRAME_TYPES: dict[int, FrameType] = {
    PictureType.I: "I",
    PictureType.SI: "I",
    PictureType.BI: "I",
    PictureType.P: "P",
    PictureType.S: "P",
    PictureType.SP: "P",
    PictureType.B: "B",
}


class Decoder:
    """Decodes one video stream of an open container, once, on the caller's thread.

    Single-threaded on purpose: with FFmpeg's frame threads the exported vectors cost more and come
    late, and many streams side by side use the cores better.
    """

    def __init__(
        self, container: InputContainer, *, name: str, local: bool, motion: bool, timeout: float
    ) -> None:
        """Takes over ``container``'s best video stream.

        Args:
            container: the open source; it stays the caller's to close.
            name: the source's name for messages, passwords masked.
            local: the source is a file, which may end early; otherwise a failed read is an error.
            motion: take motion from the bitstream: by our own reader where it reads the codec,
                else as exported by the decoder, if it exports any.
            timeout: seconds after which the source stopped answering, for messages.

        Raises:
            SourceError: the container holds no video, or none that can be decoded.
        """
        self._frames = self._damaged = self._errors = self._undecoded = 0
        self._ended_early = False
        self.name = name
        self._container = container
        self._local = local
        self._timeout = timeout
        self.stream = find_video(container, name)
        codec = codec_name(self.stream)
        self.codec = codec
        extradata = self.stream.codec_context.extradata
        self._reader = open_reader(codec, extradata) if motion else None
        self._displays = DisplayReader(self.stream, name)
        self._display = AS_CODED
        self._lenient: LenientDecoder | None = None
        self.fields: FieldPairs | None = None
        """Set where pictures are single fields, of which every other one is shown."""
        self._corner = (0, 0)
        self._order: int | None = None
        self._step = 1
        self.motion: MotionSource = "bitstream" if self._reader else _exported(codec, wanted=motion)
        self._b_vectors = exports_b_vectors(codec)
        self._prepare_codec()
        base = self.stream.time_base or Fraction(0)
        self._tick = float(base.numerator), float(base.denominator)
        self.rate = frame_rate(self.stream)
        self.clock = StreamClock(1.0 / (self.rate or _DEFAULT_RATE))
        self._references = References()
        self._packets_sent = 0
        self._barren = 0
        self._blemished = False
        self._last_error = ""

    def _prepare_codec(self) -> None:
        context = self.stream.codec_context
        context.thread_count = 1
        context.copy_opaque = True
        # Without, FFmpeg cuts off less than a stream says to keep rows of samples aligned.
        context.flags |= Flags.unaligned
        if self.motion == "codec":
            context.options = EXPORT_OPTIONS
        elif is_strict(self.codec):
            context.options = STRICT_OPTIONS

    @property
    def health(self) -> StreamHealth:
        """How well the stream could be read so far."""
        return StreamHealth(
            self._frames, self._damaged, self._errors, self._ended_early, self._undecoded
        )

    @property
    def blemished(self) -> bool:
        """Whether something went wrong since the last frame that was shown."""
        return self._blemished

    def frames(self) -> Iterator[DecodedFrame]:
        """Yields every native frame in display order.

        Packets that can't be decoded are counted and skipped; the next frame is marked as damaged.

        Raises:
            SourceError: a source other than a file stopped answering, nothing can be decoded, or
                ``MAX_BARREN_PACKETS`` came without a picture.
        """
        for packet in self.packets():
            if packet is not None:
                self.admit(packet)
            for frame in self.decode(packet):
                yield self.show(frame)
        self.finish()

    def packets(self) -> Iterator[Packet[VideoStream] | None]:
        """Yields the stream's packets, then None to drain the decoder."""
        failures = 0
        while failures < _MAX_BAD_READS:
            try:
                for packet in self._container.demux(self.stream):
                    if packet.size:
                        failures = 0
                        yield packet
                break
            except IndexError:
                # PyAV 18.1 trips, after the last packet, over tracks that appeared in mid-stream.
                break
            except av.error.InvalidDataError as error:
                failures += 1
                self._fail(error)
            except (av.FFmpegError, OSError) as error:
                self._stop(error)
                break
        if failures:
            self._ended_early = True
        yield None

    def _stop(self, error: Exception) -> None:
        if not self._local:
            cause = reason(error, self._timeout)
            raise SourceError(f"{self.name} stopped: {cause}") from None
        self._fail(error)
        self._ended_early = True

    def admit(self, packet: Packet[VideoStream]) -> Coded:
        """Notes the next packet in decoding order, and what our reader says of it if it is asked.

        Every packet is admitted once, before it is decoded or passed over.
        """
        if not self._packets_sent:
            self._ask_for_fields(packet)
        picture, garbled = self._read(packet)
        exported_h264 = self.codec == "h264" and self.motion == "codec"
        reference = is_reference(memoryview(packet)) if exported_h264 else None
        coded = Coded(
            self._packets_sent,
            packet.pts,
            packet.size,
            packet.is_corrupt or garbled,
            reference,
            picture,
        )
        packet.opaque = coded
        self._references.send(coded)
        self._packets_sent += 1
        return coded

    def _ask_for_fields(self, packet: Packet[VideoStream]) -> None:
        extradata = self.stream.codec_context.extradata
        if not is_field_coded(self.codec, extradata, bytes(packet)):
            return
        logger.warning(
            "%s is H.265 coded in fields: the first one of each frame is shown, without evidence",
            self.name,
        )
        self.fields = FieldPairs()
        self._displays.fields = True
        self._reader, self.motion = None, "none"
        self.rate = self.rate / 2 if self.rate else None
        self.clock = StreamClock(1.0 / (self.rate or _DEFAULT_RATE))

    def decode(self, packet: Packet[VideoStream] | None) -> list[av.VideoFrame]:
        """Decodes a packet that was admitted, or drains the decoder.

        Raises:
            SourceError: as :meth:`frames`.
        """
        try:
            frames = self.stream.decode(packet)
        except av.error.EOFError:
            return []
        except av.FFmpegError as error:
            frames = self._decode_again(packet, error)
        if packet is not None and isinstance(packet.opaque, Coded):
            self._displays.note(packet.opaque.order)
        if self.fields is not None:
            frames = self.fields.firsts(frames)
        self._barren = 0 if frames else self._barren + 1
        if self._barren > MAX_BARREN_PACKETS:
            raise SourceError(
                f"{self.name} gave no picture in {self._barren} packets{self._cause()}"
            )
        return frames

    def _decode_again(
        self, packet: Packet[VideoStream] | None, error: av.FFmpegError
    ) -> list[av.VideoFrame]:
        """Decodes a packet that a strict decoder refused, with its errors concealed."""
        if packet is not None and is_strict(self.codec):
            self._lenient = self._lenient or LenientDecoder(self.stream)
            try:
                return self._lenient.decode(packet)
            except av.FFmpegError as worse:
                error = worse
        self._fail(error)
        return []

    def _read(self, packet: Packet[VideoStream]) -> tuple[Picture | None, bool]:
        """Has our own reader read a packet, and gives it up where it can't read the stream.

        Returns:
            What it says of the packet's picture, and whether it found the packet to be damaged,
            which FFmpeg's decoder of H.265 conceals without a word.
        """
        if self._reader is None:
            return None, False
        pictures = self._reader.read(bytes(packet), self._packets_sent)
        picture = pictures[-1] if pictures else None
        if not self._packets_sent and picture is not None and names_feature(picture.unsupported):
            self._reader = None
            self._corner = picture.crop_left, picture.crop_top
            self.motion = _exported(self.codec, wanted=True)
            self._prepare_codec()
            return None, False
        garbled = any(DAMAGED in each.unsupported for each in pictures)
        return (picture if picture is not None and not picture.unsupported else None), garbled

    def show(self, frame: av.VideoFrame) -> DecodedFrame:
        """Returns the next native frame in display order, of a decoded picture."""
        coded = frame.opaque
        assert coded is None or isinstance(coded, Coded)
        self._display = self._displays.display(frame, coded)
        kind = _FRAME_TYPES.get(frame.pict_type, "I" if frame.key_frame else "P")
        count, vectors = self._motion_of(frame, coded, kind)
        damaged = self._blemished or frame.is_corrupt or (coded is not None and coded.corrupt)
        self._blemished = False
        if self.fields is not None and coded is not None:
            size, lost = self.fields.take()
            coded, damaged = replace(coded, size=coded.size + size), damaged or lost
        return self._show(coded, kind, frame.time, damaged, frame, count, vectors)

    def pass_over(self, coded: Coded, kind: FrameType) -> DecodedFrame:
        """Returns the next native frame in display order, whose picture is not decoded."""
        self._undecoded += 1
        return self._show(coded, kind, self.time_of(coded), coded.corrupt)

    def skip(self, coded: Coded) -> None:
        """Goes on to the next native frame in display order, of which nothing is told."""
        self._undecoded += 1
        self._frames += 1
        self._damaged += coded.corrupt
        self.clock.advance(self.time_of(coded))

    def time_of(self, coded: Coded) -> float | None:
        """Returns a frame's presentation time in seconds on the source's clock."""
        return None if coded.pts is None else coded.pts * self._tick[0] / self._tick[1]

    def restart(self) -> None:
        """Has the decoder forget all pictures, to go on at a random access point."""
        self.stream.codec_context.flush_buffers()

    def finish(self) -> None:
        """Settles, after the last frame, what is to be said of the whole stream.

        Raises:
            SourceError: there was no frame.
        """
        if not self._frames:
            raise SourceError(f"{self.name} holds no picture that can be decoded{self._cause()}")
        if self._local and self._stops_short():
            self._ended_early = True

    def _show(
        self,
        coded: Coded | None,
        kind: FrameType,
        time: float | None,
        damaged: bool,
        frame: av.VideoFrame | None = None,
        vectors: int = 0,
        rows: FrameVectors | None = None,
    ) -> DecodedFrame:
        summary = self._summary_of(coded)
        if summary is not None:
            vectors = int(np.count_nonzero(summary.state != UNPREDICTED))
        record = FrameRecord(
            index=self._frames,
            time=self.clock.advance(time),
            type=kind,
            packet_bytes=coded.size if coded else 0,
            vectors=vectors,
            damaged=damaged,
        )
        self._frames += 1
        self._damaged += damaged
        return DecodedFrame(
            record, frame, rows, summary, display=self._display, corner=self._corner
        )

    def _motion_of(
        self, frame: av.VideoFrame, coded: Coded | None, kind: FrameType
    ) -> tuple[int, FrameVectors | None]:
        rows = read_vectors(frame) if self.motion == "codec" else None
        readable = self.motion == "codec" and (kind != "B" or self._b_vectors)
        span = self._references.span(coded, kind) if readable else None
        if rows is None:
            return 0, None
        return len(rows), FrameVectors(rows, span) if span else None

    def _summary_of(self, coded: Coded | None) -> Summary | None:
        picture = coded.picture if coded else None
        if picture is None:
            return None
        # Picture order counts begin anew at some key frames, and differ by one or by two a frame.
        if self._order is not None and self._order < picture.order:
            self._step = picture.order - self._order
        self._order = picture.order
        return picture.summary(self._step, scale=self._display.scale)

    def _stops_short(self) -> bool:
        stated = duration(self._container, self.stream)
        if stated is None or self.clock.time is None:
            return False
        return self.clock.time + 2 * self.clock.interval + _DURATION_SLACK < stated

    def _fail(self, error: Exception) -> None:
        self._blemished = True
        self._last_error = reason(error, self._timeout)
        self._errors += 1

    def _cause(self) -> str:
        return f" ({self._last_error})" if self._last_error else ""


def _exported(codec: str, *, wanted: bool) -> MotionSource:
    if not exports_vectors(codec):
        return "none"
    return "codec" if wanted else "unused"
