"""What a source's playlist leads to: opened for FFmpeg after a check, or refused."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import av

from costream.errors import SourceRefusedError
from costream.video.credentials import Credentials
from costream.video.interruption import carried
from costream.video.web import PORTS, Missing, Web, WebFile

MAX_ENCRYPTED = 64 << 20
"""Bytes of an encrypted segment, which is deciphered as a whole."""

_WRITES = 2


class Readable(Protocol):
    """What PyAV reads from; it may be seekable too."""

    def read(self, size: int, /) -> bytes: ...


Opener = Callable[[str, int, int | None], Readable]
"""Opens a URL from one byte to another, or to its end."""


class Nested:
    """Opens what a demuxer asks for beside the source itself: PyAV's ``io_open``.

    FFmpeg itself is allowed no protocol meanwhile, so that nothing gets past this.

    Attributes:
        main: the source itself.
    """

    def __init__(
        self, main: Readable, name: str, opener: Opener | None = None, *, owned: bool = True
    ) -> None:
        """Prepares to open.

        Args:
            main: the source itself.
            name: the source's name for messages, passwords masked.
            opener: opens what may be opened; without one, nothing may.
            owned: :meth:`close` closes ``main``.
        """
        self.main = main
        self._owned = owned
        self._name = name
        self._opener = opener

    def __call__(self, url: str, flags: int, options: Mapping[str, str]) -> Readable:
        """Opens a URL that FFmpeg asks for.

        Raises:
            SourceRefusedError: it may not be opened.
            OSError: it can't be opened.
        """
        if self._opener is None or flags & _WRITES:
            raise SourceRefusedError(
                f"{self._name} is a list of other sources, which is not followed"
            )
        try:
            with carried():
                return self._open(self._opener, url, options)
        except Missing:
            # A live playlist may name what is gone already: FFmpeg goes on with what comes next.
            return io.BytesIO()

    def _open(self, opener: Opener, url: str, options: Mapping[str, str]) -> Readable:
        start, end = int(options.get("offset", 0)), int(options.get("end_offset", 0)) or None
        if start < 0 or (end is not None and end < start):
            raise OSError(errno.EINVAL, f"{self._name} names bytes that there are not")
        if url.startswith(("crypto+", "crypto:")):
            return _deciphered(opener(url[len("crypto+") :], start, end), options)
        return opener(url, start, end)

    def close(self) -> None:
        """Closes the source itself; PyAV closes what it opened beside."""
        if self._owned:
            close(self.main)


class WebOpener:
    """Opens what lies on the web, by way of the source's door."""

    def __init__(self, web: Web) -> None:
        self._web = web

    def __call__(self, url: str, start: int, end: int | None) -> WebFile:
        scheme = url.partition(":")[0].lower()
        if scheme not in PORTS:
            raise SourceRefusedError(
                f"{self._web.door.name} leads to {_shown(scheme)}, not to the web: refused"
            )
        bare, _ = Credentials.split(url)
        return WebFile(self._web, bare, start, end)


class FolderOpener:
    """Opens what lies in a playlist's own folder or below."""

    def __init__(self, playlist: Path, name: str) -> None:
        self._folder = playlist.resolve().parent
        self._name = name

    def __call__(self, url: str, start: int, end: int | None) -> Readable:
        path = Path(url.removeprefix("file:")).resolve()
        if not (path.is_relative_to(self._folder) and path.is_file()):
            raise SourceRefusedError(
                f"{self._name} leads to what is no file of its own folder: refused"
            )
        file = path.open("rb")
        if start or end is not None:
            with file:
                file.seek(start)
                return io.BytesIO(file.read(-1 if end is None else end - start))
        return file


def _shown(scheme: str) -> str:
    return f"{scheme}:" if scheme.isalnum() else "what is no address"


def _deciphered(file: Readable, options: Mapping[str, str]) -> Readable:
    """Has FFmpeg decipher a segment (AES-128), which it only does of what it can open itself."""
    descriptor = os.memfd_create("segment")
    try:
        with os.fdopen(descriptor, "wb") as copy:
            _copy(file, copy)
            copy.flush()
            settings = {name: options[name] for name in ("key", "iv") if name in options}
            settings |= {"protocol_whitelist": "crypto,file", "raw_packet_size": "65536"}
            url = f"crypto:/proc/self/fd/{descriptor}"
            with av.open(url, mode="r", format="data", options=settings) as plain:
                return io.BytesIO(b"".join(bytes(packet) for packet in plain.demux()))
    finally:
        close(file)


def _copy(file: Readable, copy: io.BufferedWriter) -> None:
    left = MAX_ENCRYPTED
    while data := file.read(1 << 16):
        left -= copy.write(data)
        if left < 0:
            raise OSError(f"an encrypted segment is longer than {MAX_ENCRYPTED >> 20} MiB")


def close(file: Readable) -> None:
    """Closes a file if it can be closed."""
    closing = getattr(file, "close", None)
    if closing is not None:
        closing()
