"""Files that were joined end to end: where one recording ends and the next one begins.

FFmpeg reads the first of them alone, or takes the next for its continuation, with the wrong
parameter sets. Formats without headers of their own (MPEG-TS, MPEG-PS, AVI, raw streams) can be
joined as they are, and are not looked at.
"""

from __future__ import annotations

import io
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_EBML = b"\x1a\x45\xdf\xa3"
_SEGMENT = b"\x18\x53\x80\x67"
_BOXES = frozenset({b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide"})
_HEAD = 16

_HEADERS = {
    b"FLV": (b"FLV\x01\x01\0\0\0\x09", b"FLV\x01\x04\0\0\0\x09", b"FLV\x01\x05\0\0\0\x09"),
    b"DKIF": (b"DKIF\0\0\x20\0",),
    b"\x30\x26\xb2\x75": (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c",),
}
"""Of FLV, IVF and ASF, by how a file begins: whole headers, which no packet holds by chance."""


class Recordings:
    """Goes through the recordings of one file."""

    def __init__(self, path: Path) -> None:
        """Starts at the first one. A file that can't be read holds none but that."""
        self._path = path
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

    def advance(self, position: int | None) -> bool:
        """Goes on to the next recording, if there is one.

        Args:
            position: a byte of the current one that lies before its end, if one is known.
        """
        begin = self._end
        if begin is None:
            begin = self._search(self._begin + max(position or 0, 0) + 1)
        if begin is None:
            return False
        self._begin = begin
        self._end = self._boundary()
        return True

    def _boundary(self) -> int | None:
        """Returns where the next recording begins, if the formats' own structure tells."""
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
        """Returns where the next header lies, in formats whose demuxers stop there."""
        try:
            with self._path.open("rb") as file:
                head = _read(file, self._begin, _HEAD)
                headers = next(
                    (own for begin, own in _HEADERS.items() if head.startswith(begin)), ()
                )
                if not headers:
                    return None
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                    found = [at for header in headers if (at := data.find(header, start)) >= 0]
                return min(found, default=None)
        except (OSError, ValueError):
            return None


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


def _read(file: BinaryIO, at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(size)


def _next_movie(file: BinaryIO, begin: int, size: int) -> int | None:
    """Returns where a second ``moov`` box of an MP4 file, or the ``ftyp`` before it, lies."""
    movies, brand = 0, None
    for name, at in _boxes(file, begin, size):
        if name == b"ftyp":
            brand = at
        elif name == b"moov":
            movies += 1
            if movies > 1:
                return brand if brand is not None and brand > begin else at
    return None


def _boxes(file: BinaryIO, at: int, size: int) -> Iterator[tuple[bytes, int]]:
    while at + 8 <= size:
        head = _read(file, at, _HEAD)
        length, name = int.from_bytes(head[:4], "big"), head[4:8]
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:  # to the end, or nonsense
            return
        yield name, at
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
