"""What was sampled of a source, to be had again as long as its packets are kept.

Whole pictures would fill memory: a window of 80 of 1920x1080 takes 240 MB as they are decoded, and
its packets a few. So the packets are kept, and what is asked for is decoded again. It is what was
sampled at the time, to the bit: a checksum is kept of each sample and compared.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

import av
from av.codec.context import CodecContext, Flags
from av.video.codeccontext import VideoCodecContext

from costream.errors import ForgottenError
from costream.video.display import Display
from costream.video.packet_ring import CodecParameters, PacketRing, RingLimits, StoredPacket
from costream.video.padded_packet import padded_packet
from costream.video.picture import Picture
from costream.video.sample import Sample
from costream.video.track import decoder_options

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

    VideoPacket: TypeAlias = Packet[VideoStream]

Group = Sequence[StoredPacket]


@dataclass(frozen=True, slots=True)
class PastFrame:
    """A sampled frame of the past.

    Attributes:
        tick: its place on the sampling grid.
        time: seconds of stream time.
        picture: what was sampled.
    """

    tick: int
    time: float
    picture: Picture


@dataclass(frozen=True, slots=True)
class _Note:
    """What is kept of a sample."""

    tick: int
    time: float
    stored: int
    own: int
    display: Display
    digest: int


@dataclass(frozen=True, slots=True)
class _Sent:
    """What a decoder hands on with a packet's picture, anew for each packet that it is given.

    PyAV files what it hands on under its address, and strikes it off with the first picture that is
    freed: a number, of which Python keeps one, was lost to a decoder beside that had it as well.
    """

    number: int


class Past:
    """Remembers what was sampled of one source. Any thread may ask, one notes.

    Args:
        limits: how much of the bitstream is kept.

    Attributes:
        ring: the packets, to be filled by the source's streams.
    """

    def __init__(self, limits: RingLimits) -> None:
        self.ring = PacketRing(limits)
        self._notes = deque[_Note]()
        self._forgotten = -1  # last tick that was sampled and is not remembered
        self._lock = threading.Lock()

    def note(self, sample: Sample) -> None:
        """Remembers a sample; forgets those whose packets are gone."""
        if sample.stored is None:
            return
        note = _Note(
            sample.tick,
            sample.time,
            sample.stored,
            # Where the tick's own frame is nowhere to be had, what was sampled stands for it.
            sample.stored if sample.own is None else sample.own,
            sample.picture.display,
            sample.picture.digest(),
        )
        groups = self.ring.groups()
        oldest = groups[0][0].number if groups else sample.stored
        with self._lock:
            self._notes.append(note)
            while self._notes and self._notes[0].stored < oldest:
                self._forgotten = self._notes.popleft().tick

    def frames(self, start: int, end: int) -> list[PastFrame]:
        """Returns the sampled frames of a window, in order, decoded again.

        Args:
            start: its first tick.
            end: the first tick behind it.

        Raises:
            ForgottenError: one of them is not kept any more, or can't be decoded again as it was.
        """
        notes = self._noted(start, end)
        wanted = {note.stored: note for note in notes}
        pictures = _decoded(self.ring.groups(), wanted)
        if any(note.stored not in pictures for note in notes):
            raise ForgottenError(
                f"the sampled frames of ticks {start} to {end - 1} can't be decoded as they were: "
                "what some need is not kept any more, or was damaged"
            )
        return [PastFrame(note.tick, note.time, pictures[note.stored]) for note in notes]

    def recall(self, start: int, end: int, *, every: bool) -> Iterator[PastFrame]:
        """Yields the frames of a window, in order, decoded again, one picture at a time.

        Args:
            start: its first tick.
            end: the first tick behind it.
            every: as they are when every picture is decoded. At ticks whose frame was not decoded
                at the time, a picture of before was sampled: here it is the tick's own. Of a source
                that leaves such frames out, as an edge does, there is none but what was sampled.

        Raises:
            ForgottenError: at once or while iterating: one of them is not kept any more, or can't
                be decoded again, or not as it was sampled.
        """
        notes = self._noted(start, end)
        return _recalled(self.ring.groups(), notes, every=every)

    def packets(self, start: int, end: int) -> list[StoredPacket]:
        """Returns the packets of a window, from the key frame at or before its first sample on.

        They can be stored or sent as they are, without being encoded again: those of one connection
        have the same ``parameters``. The last one is that of the window's last sample, or what
        comes before it in decoding order.

        Args:
            start: its first tick.
            end: the first tick behind it.

        Raises:
            ForgottenError: they are not kept any more.
        """
        notes = self._noted(start, end)
        first, last = (pick(note.stored for note in notes) for pick in (min, max))
        groups = [g for g in self.ring.groups() if g[-1].number >= first and g[0].number <= last]
        if not groups or groups[0][0].number > first:
            raise _gone(start, end)
        return [packet for group in groups for packet in group if packet.number <= last]

    def _noted(self, start: int, end: int) -> list[_Note]:
        with self._lock:
            notes = list(self._notes)
            forgotten = self._forgotten
        found = [note for note in notes if start <= note.tick < end]
        if not found or start <= forgotten:
            raise _gone(start, end)
        return found


def _gone(start: int, end: int) -> ForgottenError:
    return ForgottenError(
        f"ticks {start} to {end - 1} are not kept, or not any more: ask earlier, or keep more"
    )


def _decoded(groups: Sequence[Group], wanted: Mapping[int, _Note]) -> dict[int, Picture]:
    """Returns the pictures of packets by number, as far as they come out as they were sampled."""
    found: dict[int, Picture] = {}
    for parameters, connection in groupby(groups, lambda group: group[0].parameters):
        run = list(connection)
        begins = [n for n, group in enumerate(run) if group[0].number <= min(wanted)]
        at = begins[-1] if begins else 0
        # Pictures shown before their key frame need the group before; a damaged stream may need
        # all that there was.
        for begin in sorted({at, max(0, at - 1), 0}, reverse=True):
            missing = wanted.keys() - found.keys()
            packets = [packet for group in run[begin:] for packet in group]
            found |= _matching(_decode(parameters, packets, missing), wanted)
    return found


def _recalled(
    groups: Sequence[Group], notes: Sequence[_Note], *, every: bool
) -> Iterator[PastFrame]:
    numbers = [note.own if every else note.stored for note in notes]
    frames = _in_order(groups, set(numbers))
    shown, picture = -1, None
    for note, number in zip(notes, numbers, strict=True):
        while shown != number:
            shown, frame = next(frames, (number, None))
            picture = None if frame is None else Picture(frame, note.display)
        sampled = number == note.stored
        if picture is None or (sampled and picture.digest() != note.digest):
            raise ForgottenError(
                f"the frame of tick {note.tick} can't be decoded again: what it needs is not kept "
                "any more, or was damaged"
            )
        yield PastFrame(note.tick, note.time, picture)


def _in_order(
    groups: Sequence[Group], wanted: Collection[int]
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Yields the pictures of packets in display order, but for those that may be damaged."""
    for parameters, connection in groupby(groups, lambda group: group[0].parameters):
        run = list(connection)
        mine = {number for number in wanted if run[0][0].number <= number <= run[-1][-1].number}
        begins = [n for n, group in enumerate(run) if mine and group[0].number <= min(mine)]
        if not begins:
            continue
        # The group before it as well: pictures shown before their key frame may need it.
        begin = max(0, begins[-1] - 1)
        packets = [packet for group in run[begin:] for packet in group]
        safe = mine - _leading(run[0])
        frames = _decode(parameters, packets, safe)
        yield from ((number, frame) for number, frame in frames if not frame.is_corrupt)


def _leading(group: Group) -> set[int]:
    """Returns the packets shown before a group's key frame: what they need may be gone."""
    shown = group[0].pts
    return {p.number for p in group if shown is not None and p.pts is not None and p.pts < shown}


def _matching(
    frames: Iterator[tuple[int, av.VideoFrame]], wanted: Mapping[int, _Note]
) -> dict[int, Picture]:
    """Returns those of the wanted pictures that are what was sampled."""
    pictures = ((number, Picture(frame, wanted[number].display)) for number, frame in frames)
    return {n: picture for n, picture in pictures if picture.digest() == wanted[n].digest}


def _decode(
    parameters: CodecParameters, packets: Sequence[StoredPacket], wanted: Collection[int]
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Decodes packets up to the last one that is wanted; yields the pictures that are."""
    context = _context(parameters)
    last = max(wanted, default=-1)
    needed = [_packet(packet) for packet in packets if packet.number <= last]
    for packet in [*needed, None] if needed else []:
        with suppress(av.FFmpegError):  # damaged, as it was at the time: what comes out is compared
            for frame in context.decode(packet):
                sent = frame.opaque
                if isinstance(sent, _Sent) and sent.number in wanted:
                    yield sent.number, frame


def _context(parameters: CodecParameters) -> VideoCodecContext:
    context = CodecContext.create(parameters.decoder, "r")
    assert isinstance(context, VideoCodecContext)
    context.extradata = parameters.extradata
    context.codec_tag = parameters.tag
    context.width, context.height = parameters.width, parameters.height
    context.options = decoder_options()
    context.thread_count = 1
    context.copy_opaque = True
    context.flags |= Flags.unaligned
    return context


def _packet(stored: StoredPacket) -> VideoPacket:
    packet = padded_packet(stored.data)
    packet.pts, packet.dts = stored.pts, stored.dts
    packet.time_base, packet.is_keyframe = stored.parameters.time_base, stored.key
    packet.opaque = _Sent(stored.number)
    return packet
