"""Files that were joined end to end: where one recording ends and the next one begins.

FFmpeg reads the first of them alone, or takes the next for its continuation, with the wrong
parameter sets. AVI, MPEG-PS and raw streams can be joined as they are, and are not looked at; so
can MPEG-TS as long as the tracks have the same numbers.
"""

from __future__ import annotations

import io
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

_EBML = b"\x1a\x45\xdf\xa3"
_SEGMENT = b"\x18\x53\x80\x67"
_BOXES = frozenset({b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide"})
_HEAD = 16
_TS_PACKET, _TS_SYNC = 188, 0x47
_TS_UNIT_STARTS = 0x40
_VIDEO_STREAMS = 0xE0
_TS_REACH = 4 << 20
"""Bytes behind the beginning of a picture in a transport stream within which it ends."""

_HEADERS = {
    b"FLV": (b"FLV\x01\x01\0\0\0\x09", b"FLV\x01\x04\0\0\0\x09", b"FLV\x01\x05\0\0\0\x09"),
    b"DKIF": (b"DKIF\0\0\x20\0",),
    b"\x30\x26\xb2\x75": (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c",),
}
"""Of FLV, IVF and ASF, by how a file begins: whole headers, which no packet holds by chance."""


class Recordings:
    """Goes through the recordings of one file."""

    def __init__(self, path: Path) -> None:
        """Starts at the first one. What can't be read, or is a pipe, holds none but that."""
        self._path = path
        self._is_regular = path.is_file()
        self._begin = 0
        self._end = self._boundary()

    def part(self) -> BinaryIO | None:
        """Returns the current recording as an open file, or None where it is all of the file.

        The caller closes it.

        Raises:
            OSError: the file can't be read.
        """
        if self.is_alone:
            return None
        end = self._path.stat().st_size if self._end is None else self._end
        return io.BufferedReader(_Window(self._path, self._begin, end), 1 << 16)

    @property
    def is_alone(self) -> bool:
        """Whether no other recording is known of."""
        return not self._begin and self._end is None

    @property
    def is_first(self) -> bool:
        """Whether the current recording is the file's first one."""
        return not self._begin

    def advance(self, position: int | None, track: int | None = None) -> bool:
        """Goes on to the next recording, if there is one.

        Args:
            position: a byte of the current one that lies before its end, if one is known.
            track: number of the track that was read, of an MPEG transport stream.
        """
        if not self._is_regular:
            return False
        begin, start = self._end, self._begin + max(position or 0, 0)
        if begin is None and track is not None:
            begin = self._search_track(start, track)
        elif begin is None:
            begin = self._search(start + 1)
        if begin is None:
            return False
        self._begin = begin
        self._end = self._boundary()
        return True

    def _boundary(self) -> int | None:
        """Returns where the next recording begins, if the formats' own structure tells."""
        if not self._is_regular:
            return None
        try:
            with self._path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                head = _read(file, self._begin, _HEAD)
                if head[4:8] in _BOXES:
                    return _next_movie(file, self._begin, size)
                if head[:4] == _EBML:
                    return _next_matroska(file, self._begin, size)
        except OSError:
            pass
        return None

    def _search(self, start: int) -> int | None:
        """Returns where the next header lies, in formats whose demuxers pass over it."""
        try:
            with self._path.open("rb") as file:
                head = _read(file, self._begin, _HEAD)
                headers = [own for begin, own in _HEADERS.items() if head.startswith(begin)]
                if not headers:
                    return None
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                    places = [data.find(header, start) for header in headers[0]]
        except (OSError, ValueError):
            return None
        return min((place for place in places if place >= 0), default=None)

    def _search_track(self, start: int, track: int) -> int | None:
        """Returns where a track of a transport stream has ended, if one of video begins there.

        Other tracks of video that were there before are those of other programmes.
        """
        reach = _TS_REACH // _TS_PACKET * _TS_PACKET
        begin = max(start % _TS_PACKET, start - reach)
        try:
            with self._path.open("rb") as file:
                data = _read(file, begin, start - begin + reach)
        except OSError:
            return None
        packets = np.frombuffer(data, np.uint8, len(data) // _TS_PACKET * _TS_PACKET)
        packets = packets.reshape(-1, _TS_PACKET)
        numbers = (packets[:, 1].astype(np.intp) & 31) << 8 | packets[:, 2]
        own = np.flatnonzero(numbers == track)
        if not len(own) or (packets[:, 0] != _TS_SYNC).any():
            return None
        behind = int(own[-1]) + 1
        fresh = ~np.isin(numbers[behind:], numbers[:behind])
        starts = packets[behind:][fresh & (packets[behind:, 1] & _TS_UNIT_STARTS != 0)]
        found = any(_starts_picture(packet.tobytes()) for packet in starts)
        return begin + behind * _TS_PACKET if found else None


class _Window(io.RawIOBase):
    """A part of a file, as a file."""

    def __init__(self, path: Path, begin: int, end: int) -> None:
        self._file = path.open("rb", buffering=0)
        self._begin = begin
        self._size = end - begin
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # any writable buffer
        left = max(0, self._size - self._at)
        self._file.seek(self._begin + self._at)
        count = self._file.readinto(memoryview(buffer)[:left]) or 0
        self._at += count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def _starts_picture(packet: bytes) -> bool:
    """Whether a packet of a transport stream begins a unit of a video track."""
    adapted = packet[3] & 0x20
    payload = packet[5 + packet[4] :] if adapted else packet[4:]
    return payload[:3] == b"\0\0\1" and payload[3] & 0xF0 == _VIDEO_STREAMS


def _read(file: BinaryIO, at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(size)


def _next_movie(file: BinaryIO, begin: int, size: int) -> int | None:
    """Returns where another MP4 file begins, which has a ``moov`` box of its own.

    A second one without a ``ftyp`` box before it is another index of the same data, unless the data
    come in fragments, which say where they are themselves.
    """
    movies, brand = 0, begin
    for name, at, end in _boxes(file, begin, size):
        if name == b"ftyp":
            brand = at
        elif name == b"moov":
            movies += 1
            if movies > 1 and brand > begin:
                return brand
            if movies > 1 and any(name == b"mvex" for name, _, _ in _boxes(file, at + 8, end)):
                return at
    return None


def _boxes(file: BinaryIO, at: int, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Yields the names of boxes, and where they begin and end."""
    while at + 8 <= size:
        head = _read(file, at, _HEAD)
        length, name = int.from_bytes(head[:4], "big"), head[4:8]
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:  # to the end, or nonsense
            return
        yield name, at, at + length
        at += length


def _next_matroska(file: BinaryIO, at: int, size: int) -> int | None:
    """Returns where a second EBML header lies, as far as elements state their sizes."""
    at = _behind(file, at) or size
    while at < size:
        head = _read(file, at, 4)
        if head == _EBML:
            return at
        length = _behind(file, at)
        if length is None and head != _SEGMENT:
            return None
        # A recording that was streamed states no size of its segment, but those of its clusters.
        at = length if length is not None else at + 4 + _width(_read(file, at + 4, 1))
    return None


def _behind(file: BinaryIO, at: int) -> int | None:
    """Returns where an EBML element ends, or None where it does not state that."""
    head = _read(file, at, 12)
    name = _width(head)
    width = _width(head[name:])
    size = head[name : name + width]
    if not name or not width or len(size) < width:
        return None
    value = int.from_bytes(size, "big") & (1 << 7 * width) - 1
    return None if value == (1 << 7 * width) - 1 else at + name + width + value


def _width(head: bytes) -> int:
    """Returns how many bytes an EBML number has, by its first; 0 where it is none."""
    return 9 - head[0].bit_length() if head and head[0] else 0
