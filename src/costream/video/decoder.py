"""The one decode loop: packets in, native frames in display order out, damage and all."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator

import av
import av.error
import numpy as np
from av.codec.context import Flags
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from costream.errors import SourceError
from costream.video.access_unit import AccessUnit, DecodedPicture
from costream.video.bitstream import READ, UNPREDICTED, open_reader
from costream.video.clock import StreamClock
from costream.video.decode_count import DecodeCount, Reason
from costream.video.decoder_input import DecoderInput
from costream.video.demuxer import Demuxer
from costream.video.display import AS_CODED
from costream.video.display_reader import DisplayReader
from costream.video.extent import Extent
from costream.video.fields import FieldPairs, is_field_coded
from costream.video.nal import is_reference
from costream.video.packet_ring import PacketRing
from costream.video.patience import NOTICE, Patience
from costream.video.reading import Reading
from costream.video.record import DecodedFrame, FrameRecord, StreamHealth, frame_type
from costream.video.references import Coded, FrameType, References
from costream.video.sample import MotionSource
from costream.video.source import reason
from costream.video.strictness import STRICT_OPTIONS, LenientDecoder, is_strict
from costream.video.timeline import Timeline
from costream.video.timing import Timing
from costream.video.track import codec_name, decoder_options, find_video, wrap
from costream.video.vectors import (
    EXPORT_OPTIONS,
    FrameVectors,
    exports_b_vectors,
    exports_vectors,
    read_vectors,
)

LOST_END = 10
"""Packets in a row at a stream's end, none of which can be decoded, that are more than damage."""

MAX_DELAY = 64
"""Packets after which a decoder gives no picture of one any more: four times what H.264 and H.265
let one wait."""

PATIENCE = 180.0
"""Seconds without a picture before a live stream is given up: longer than the key frame interval of
any camera that one may join in the middle."""

logger = logging.getLogger("costream")


class Decoder:
    """Decodes one video stream of an open container, once, on the caller's thread.

    Single-threaded on purpose: with FFmpeg's frame threads the exported vectors cost more and come
    late, and many streams side by side use the cores better.
    """

    def __init__(
        self,
        container: InputContainer,
        *,
        name: str,
        local: bool,
        motion: bool,
        timeout: float,
        real_time: bool,
        patience: float = PATIENCE,
        rate_stated: bool = False,
        after: Decoder | None = None,
        ring: PacketRing | None = None,
        given: DecoderInput | None = None,
    ) -> None:
        """Takes over ``container``'s best video stream.

        Args:
            container: the open source; it stays the caller's to close.
            name: the source's name for messages, passwords masked.
            local: the source is a file, which may end early; otherwise a failed read is an error.
            motion: take motion from the bitstream: by our own reader where it reads the codec,
                else as exported by the decoder, if it exports any.
            timeout: seconds after which the source stopped answering, for messages.
            real_time: the source gives pictures as they come about; see
                :class:`~costream.video.timeline.Timeline`.
            patience: seconds without a picture after which a real-time source is given up.
            rate_stated: the user states the rate of a raw stream: the codec's own does not count.
            after: what was read before of the same source: frames, time and health go on from
                there.
            ring: keeps the packets.
            given: notes what the decoder is given.

        Raises:
            SourceError: the container holds no video, or none that can be decoded.
        """
        self._frames = self._damaged = self._errors = self._began_at = 0
        self._decoded = dict.fromkeys(DecodeCount.names(), 0)  # other threads read it
        self._sent: dict[int, AccessUnit] = {}  # in the decoder, by number of the packet
        self._failed_since = 0  # packets that could not be decoded since the last picture
        self._ended_early = False
        self.name = name
        self._local = local
        self._real_time = real_time
        self._timeout = timeout
        self.stream = find_video(container, name)
        self._ring = ring
        if ring is not None:
            ring.begin(self.stream)
        self._given = given
        if given is not None:
            given.begin(self.stream)
        self._demuxer = Demuxer(container, self.stream, self._fail)
        codec = self.codec = codec_name(self.stream)
        extradata = self.stream.codec_context.extradata
        reader = open_reader(codec, extradata) if motion else None
        self._reading = Reading(name, reader, extradata)
        self._displays = DisplayReader(self.stream, name)
        self._display = AS_CODED
        self._lenient: LenientDecoder | None = None
        self.fields: FieldPairs | None = None
        """Set where pictures are single fields, of which every other one is shown."""
        self.motion: MotionSource = _exported(codec, wanted=motion)
        if self._reading.is_open:
            self.motion = "bitstream"
        self._b_vectors = exports_b_vectors(codec)
        self._prepare_codec()
        self._timing = Timing(container, self.stream, name, rate_stated=rate_stated)
        self.clock = StreamClock(self._timing.interval, math.inf)
        self._extent = Extent(container, self.stream)
        self._timeline = Timeline(
            self._timing.tick,
            self._timing.interval,
            real_time=real_time,
            wrap=wrap(container),
            length=self._extent.stated if local else None,
        )
        self._references = References()
        self._packets_sent = 0
        self._patience = Patience(patience)
        self._awaits_key = True
        self._said_waiting = False
        self._next_is_damaged = False
        self._last_error = ""
        if after is not None:
            self._go_on(after)

    def _go_on(self, after: Decoder) -> None:
        self._frames, self._damaged = after._frames, after._damaged
        self._errors, self._decoded = after._errors, after._decoded
        self._ended_early = after._ended_early
        self._began_at = after._frames
        after.clock.restart(self.clock.interval)
        self.clock = after.clock

    def _prepare_codec(self) -> None:
        context = self.stream.codec_context
        context.thread_count = 1
        context.copy_opaque = True
        # Without, FFmpeg cuts off less than a stream says to keep rows of samples aligned.
        context.flags |= Flags.unaligned
        context.options = decoder_options()
        if self.motion == "codec":
            context.options |= EXPORT_OPTIONS
        elif is_strict(self.codec):
            context.options |= STRICT_OPTIONS

    @property
    def rate(self) -> float | None:
        """Native frames a second as stated, or None."""
        return self._timing.rate

    @property
    def position(self) -> int | None:
        """See :attr:`Demuxer.position`."""
        return self._demuxer.position

    @property
    def track(self) -> int | None:
        """See :attr:`Demuxer.track`."""
        return self._demuxer.track

    @property
    def health(self) -> StreamHealth:
        """How well the stream could be read so far."""
        return StreamHealth(
            self._frames,
            self._damaged,
            self._errors,
            self._ended_early,
            DecodeCount(**self._decoded),
        )

    @property
    def is_damaged(self) -> bool:
        """Whether something went wrong since the last frame that was shown."""
        return self._next_is_damaged

    @property
    def waiting(self) -> list[AccessUnit]:
        """Units that were decoded and whose pictures did not come out yet, in decoding order."""
        return list(self._sent.values())

    def frames(self) -> Iterator[DecodedFrame]:
        """Yields every native frame in display order.

        Packets that can't be decoded are counted and skipped; the next frame is marked as damaged.

        Raises:
            SourceError: a source other than a file stopped answering or gave no picture for as
                long as its patience, or nothing can be decoded.
        """
        for unit in self.units():
            for picture in self.drain() if unit is None else unit.decode():
                yield picture.show()

    def units(self) -> Iterator[AccessUnit | None]:
        """Yields what is coded of each picture in decoding order, then None.

        By then the decoder is to be drained; the next step says what there is to say of the whole
        stream.

        Raises:
            SourceError: as :meth:`frames`.
        """
        for packet in self._timeline.settle(self._demuxed()):
            yield None if packet is None else self._admit(packet)
        self._finish()

    def _demuxed(self) -> Iterator[Packet[VideoStream] | None]:
        for packet in self._demuxer.packets():
            if self._timing.is_made_up:
                packet.pts = packet.dts = None
            yield packet
        # Not from an except clause: FFmpeg's error, which would be the context, repeats a password.
        if self._demuxer.error is not None:
            self._stop(self._demuxer.error)
        yield None

    def _stop(self, error: Exception) -> None:
        if not self._local:
            cause = reason(error, self._timeout)
            raise SourceError(f"{self.name} stopped: {cause}")
        self._fail(error)
        self._ended_early = True

    def _admit(self, packet: Packet[VideoStream]) -> AccessUnit:
        """Notes the next packet in decoding order, and what our reader says of it if asked."""
        if not self._packets_sent:
            self._ask_for_fields(packet)
        self._extent.add(packet)
        found = self._reading.read(packet, self._packets_sent)
        if self.motion == "bitstream" and not self._reading.is_open:
            self.motion = _exported(self.codec, wanted=True)
            self._prepare_codec()
        exported_h264 = self.codec == "h264" and self.motion == "codec"
        reference = is_reference(memoryview(packet)) if exported_h264 else None
        # By position: half of the time that it takes by name, for every packet.
        coded = Coded(
            self._packets_sent,
            packet.pts,
            packet.size,
            packet.is_corrupt or found.damaged,
            reference,
            found.picture,
            found.unread,
            self._timing.duration(packet),
            None if self._ring is None else self._ring.add(packet),
        )
        if coded.duration and not self._packets_sent:
            self._timing.rate = 1 / coded.duration
        self._references.send(coded)
        self._packets_sent += 1
        return AccessUnit(self, packet, coded, self._timing.seconds(coded.pts))

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
        self._reading.close()
        self.motion = "none"
        self._timing.rate = self.rate / 2 if self.rate else None
        self.clock.interval = self._timing.interval

    def decode(self, unit: AccessUnit, reason: Reason, *, restart: bool) -> list[DecodedPicture]:
        """Decodes a unit; asked by it alone."""
        if restart:
            self.stream.codec_context.flush_buffers()
            self._sent.clear()
            if self._given is not None:
                self._given.restart()
        if not unit.is_sent:
            self._decoded[reason] += 1
            if unit.is_displayed and unit.omitted is not None:
                self._decoded[unit.omitted] -= 1
        unit.packet.opaque = unit.coded
        self._sent[unit.coded.order] = unit
        if len(self._sent) > MAX_DELAY:
            self._sent.pop(next(iter(self._sent)))
        return self._pictures(unit.packet)

    def drain(self) -> list[DecodedPicture]:
        """Returns the pictures that the decoder still has."""
        return self._pictures(None)

    def _pictures(self, packet: Packet[VideoStream] | None) -> list[DecodedPicture]:
        return [DecodedPicture(self, frame, self._unit(frame)) for frame in self._decode(packet)]

    def _unit(self, frame: av.VideoFrame) -> AccessUnit | None:
        coded = frame.opaque
        return self._sent.pop(coded.order, None) if isinstance(coded, Coded) else None

    def _decode(self, packet: Packet[VideoStream] | None) -> list[av.VideoFrame]:
        # Until then nothing can be expected of a stream that is joined in the middle.
        self._awaits_key &= packet is None or not packet.is_keyframe
        if self._given is not None and packet is not None and isinstance(packet.opaque, Coded):
            self._given.add(packet, packet.opaque)
        try:
            frames = self.stream.decode(packet)
        except av.error.EOFError:
            return []
        except av.FFmpegError as error:
            frames = self._decode_again(packet, error)
        if packet is not None and isinstance(packet.opaque, Coded):
            self._displays.note(packet.opaque.order)
        if frames:
            # What is drained in the end came before the packets that failed.
            self._failed_since = 0 if packet is not None else self._failed_since
            self._awaits_key = False
            self._patience.reward()
        elif packet is not None:
            self._wait(packet)
        return self.fields.firsts(frames) if self.fields is not None else frames

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
        if not self._awaits_key:
            self._failed_since += 1
            self._fail(error)
        return []

    def _wait(self, packet: Packet[VideoStream]) -> None:
        patience = self._patience
        patience.send(self._timing.seconds(packet.pts if packet.dts is None else packet.dts))
        if self._awaits_key and not self._said_waiting and patience.waited > NOTICE:
            self._said_waiting = True
            logger.warning("%s begins between key frames: waiting for a key frame", self.name)
        if self._real_time and patience.is_spent:
            raise SourceError(
                f"{self.name} gave no picture in {patience.seconds:g} s{self._cause()}: give it "
                "more patience if its key frames are farther apart"
            )

    def show(self, frame: av.VideoFrame) -> DecodedFrame:
        """Returns the next native frame in display order; asked by its picture alone."""
        coded = frame.opaque
        assert coded is None or isinstance(coded, Coded)
        self._display = self._displays.display(frame, coded)
        kind = frame_type(frame)
        count, vectors = self._motion_of(frame, coded, kind)
        damaged = self._next_is_damaged or frame.is_corrupt
        if coded is not None:
            if not damaged:
                self._reading.warn(coded.unread)
            damaged |= coded.corrupt
        self._next_is_damaged = False
        if self.fields is not None and coded is not None:
            size, lost = self.fields.take()
            duration = None if coded.duration is None else 2 * coded.duration
            coded = coded._replace(size=coded.size + size, duration=duration)
            damaged |= lost
        return self._show(coded, kind, self.time_shown(frame), damaged, frame, count, vectors)

    def pass_over(self, unit: AccessUnit) -> DecodedFrame:
        """Returns the next native frame in display order, undecoded; asked by it alone."""
        self._count_passed(unit)
        coded = unit.coded
        return self._show(coded, unit.kind, unit.seconds, coded.corrupt)

    def skip(self, unit: AccessUnit) -> None:
        """Goes on to the next native frame in display order; asked by it alone."""
        self._count_passed(unit)
        self._frames += 1
        self._damaged += unit.coded.corrupt
        self.clock.advance(unit.seconds)

    def skip_shown(self, frame: av.VideoFrame) -> None:
        """Goes on to the next native frame in display order; asked by its picture alone.

        It is sound, and looked at for what it says of how those behind it are shown.
        """
        coded = frame.opaque
        assert coded is None or isinstance(coded, Coded)
        self._display = self._displays.display(frame, coded)
        self._frames += 1
        self.clock.advance(self.time_shown(frame))
        if coded is not None and coded.duration:
            self.clock.interval = coded.duration

    def _count_passed(self, unit: AccessUnit) -> None:
        if not unit.is_sent and unit.omitted is not None:
            self._decoded[unit.omitted] += 1
        self._patience.reward()

    def time_shown(self, frame: av.VideoFrame) -> float | None:
        """Returns a frame's presentation time in seconds on the source's clock, or None.

        Its own ``time`` is not a number once the decoder drains.
        """
        return self._timing.seconds(frame.pts)

    def _finish(self) -> None:
        """Settles, after the last frame, what is to be said of the whole stream.

        Raises:
            SourceError: there was no frame.
        """
        if self._frames == self._began_at:
            raise SourceError(f"{self.name} holds no picture that can be decoded{self._cause()}")
        if self._failed_since >= LOST_END:
            logger.warning(
                "%s ends in %d packets that can't be decoded: what they show is missing",
                self.name,
                self._failed_since,
            )
        # Rubbish behind the stated end is not missed.
        unstated = self._demuxer.broke_off and self._extent.stated is None
        if self._local and (unstated or self._extent.is_short()):
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
        picture = coded.picture if coded else None
        # How a frame is displayed in square pixels takes a while to work out.
        summary = self._reading.summary(picture, self._display.scale) if picture else None
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
        if coded is not None and coded.duration:
            self.clock.interval = coded.duration
        self._frames += 1
        self._damaged += damaged
        return DecodedFrame(
            record,
            frame,
            rows,
            summary,
            display=self._display,
            corner=self._reading.corner,
            stored=coded.stored if coded else None,
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

    def _fail(self, error: Exception) -> None:
        self._next_is_damaged = True
        self._last_error = reason(error, self._timeout)
        self._errors += 1

    def _cause(self) -> str:
        if self._awaits_key:
            return " (it begins between key frames, and none came)"
        return f" ({self._last_error})" if self._last_error else ""


def _exported(codec: str, *, wanted: bool) -> MotionSource:
    if not wanted and (exports_vectors(codec) or codec in READ):
        return "unused"
    return "codec" if exports_vectors(codec) else "none"
