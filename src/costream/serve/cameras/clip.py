"""A clip: a camera's own packets, stored as they came."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterable, Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import av.error
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

from costream.errors import MediaError
from costream.video.annex_b import CODECS, annex_b, sequence_sets
from costream.video.packet_ring import StoredPacket

TIME_BASE = Fraction(1, 90_000)

MP4 = frozenset({"h264", "hevc", "av1", "vp9", "mpeg4"})
"""Codecs that are stored as MP4; all others as Matroska, which takes any."""

FRAGMENT = 2.0
"""Seconds of a fragment at most: what a crash may take from a clip's end."""

BELIEVED = 10.0
"""Seconds from one packet's stamp to the next that are believed; else the clock of this machine
says how far they lie apart."""

_USUAL = 0.04
"""Seconds between packets that nothing is known of."""


def suffix_of(packet: StoredPacket) -> str:
    """Returns the suffix of a clip that begins with a packet."""
    return ".mp4" if packet.parameters.codec in MP4 else ".mkv"


class ClipWriter:
    """Writes packets into a file as they come, so that what is written plays whatever happens then.

    The first packet is a key frame's. The clip ends where the stream's parameters change, since a
    file of one track can't hold both: :attr:`over`.

    Args:
        path: the file. An existing one is replaced.
        first: the first packet.

    Attributes:
        over: nothing more fits into this clip.
        seconds: its length so far.

    Raises:
        MediaError: it can't be written.
    """

    def __init__(self, path: Path, first: StoredPacket) -> None:
        self.over = False
        self._first = first
        self._codec = first.parameters.codec
        self._sequence = sequence_sets(first) if self._codec in CODECS else set()
        self._stamps = _Stamps()
        self._awaits_key = True
        self._number: int | None = None
        self._container, self._track = self._open(path)

    @property
    def seconds(self) -> float:
        """Its length so far."""
        return float(self._stamps.dts * TIME_BASE)

    def add(self, packets: Iterable[StoredPacket]) -> None:
        """Adds the next packets in decoding order.

        Raises:
            MediaError: they can't be written.
        """
        for packet in packets:
            if self.over or self._is_other(packet):
                self.over = True
                return
            self._awaits_key |= self._number is not None and packet.number != self._number + 1
            self._number = packet.number
            # Behind a hole nothing can be decoded before the next key frame.
            self._awaits_key &= not packet.key
            if not self._awaits_key:
                self._write(packet)

    def close(self) -> None:
        """Ends the file.

        Raises:
            MediaError: its end can't be written.
        """
        try:
            self._container.close()
        except (av.FFmpegError, OSError) as error:
            raise _failed(error) from None

    def _open(self, path: Path) -> tuple[OutputContainer, Stream]:
        mp4 = suffix_of(self._first) == ".mp4"
        options = {
            "movflags": "frag_keyframe+empty_moov+default_base_moof",
            "frag_duration": str(int(FRAGMENT * 1e6)),
        }
        try:
            container = av.open(
                os.fspath(path),
                mode="w",
                format="mp4" if mp4 else "matroska",
                options={**(options if mp4 else {}), "flush_packets": "1"},
            )
            track = self._new_track(container)
            track.time_base = TIME_BASE
        except (av.FFmpegError, OSError, ValueError) as error:
            raise _failed(error) from None
        return container, track

    def _new_track(self, container: OutputContainer) -> Stream:
        if self._codec not in CODECS:
            parameters = self._first.parameters
            return container.add_mux_stream(
                self._codec, width=parameters.width, height=parameters.height
            )
        # The header needs parameter sets before any packet: FFmpeg takes them from the first one.
        with av.open(io.BytesIO(annex_b(self._first)), format=self._codec) as first:
            return container.add_stream_from_template(first.streams.video[0], opaque=True)

    def _is_other(self, packet: StoredPacket) -> bool:
        """Whether a packet is of a stream that can't go on in the same track."""
        ours, theirs = self._first.parameters, packet.parameters
        if (ours.codec, ours.width, ours.height) != (theirs.codec, theirs.width, theirs.height):
            return True
        if not packet.key or self._codec not in CODECS:
            return False
        return sequence_sets(packet) != self._sequence

    def _write(self, packet: StoredPacket) -> None:
        data = annex_b(packet) if self._codec in CODECS else packet.data
        if not data:
            return
        stored = Packet(data)
        stored.dts, stored.pts = self._stamps.of(packet)
        stored.time_base, stored.stream = TIME_BASE, self._track
        stored.is_keyframe = packet.key
        try:
            self._container.mux_one(stored)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise _failed(error) from None


def clip_of(packets: Sequence[StoredPacket]) -> bytes:
    """Returns packets as the bytes of a file: MP4, or Matroska for codecs that MP4 does not take.

    Args:
        packets: at least one; the first is a key frame's.

    Raises:
        MediaError: they can't be written.
    """
    with TemporaryDirectory(prefix="costream-") as folder:
        path = Path(folder, "stretch").with_suffix(suffix_of(packets[0]))
        with closing(ClipWriter(path, packets[0])) as writer:
            writer.add(packets)
        return path.read_bytes()


class _Stamps:
    """Stamps that grow from 0, whatever the packets' are.

    Attributes:
        dts: of the last packet, in units of :data:`TIME_BASE`.
    """

    def __init__(self) -> None:
        self.dts = 0
        self._last: StoredPacket | None = None

    def of(self, packet: StoredPacket) -> tuple[int, int]:
        """Returns when a packet is decoded, and when it is shown."""
        if self._last is not None:
            self.dts += max(1, round(self._step(self._last, packet) / TIME_BASE))
        self._last = packet
        unit = packet.parameters.time_base / TIME_BASE
        reordered = 0
        if packet.pts is not None and packet.dts is not None:
            reordered = round((packet.pts - packet.dts) * unit)
        shown = self.dts + reordered if 0 <= reordered * TIME_BASE < BELIEVED else self.dts
        return self.dts, shown

    def _step(self, last: StoredPacket, packet: StoredPacket) -> float:
        before, now = _seconds(last), _seconds(packet)
        if before is not None and now is not None and 0 < now - before < BELIEVED:
            return now - before
        away = packet.received - last.received
        return away if away > _USUAL else _USUAL


def _seconds(packet: StoredPacket) -> float | None:
    stamp = packet.dts if packet.dts is not None else packet.pts
    return None if stamp is None else float(stamp * packet.parameters.time_base)


def _failed(error: Exception) -> MediaError:
    if getattr(error, "errno", None) == errno.ENOSPC:
        return MediaError("a clip was dropped, as the disk is full: free space or keep less media")
    cause = getattr(error, "strerror", None) or type(error).__name__
    return MediaError(f"a clip was dropped, as it can't be written: {cause}")
