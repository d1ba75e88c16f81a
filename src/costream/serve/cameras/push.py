"""Cameras that send their stream to the API themselves: ``url: push``.

The process that reads a camera asks for a sender at a socket of this machine, and takes what the
sender sends as it comes: a sender is read no faster than the camera is. Between the two go records
(:mod:`costream.edge.wire`), which a sender may use itself.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from time import monotonic
from typing import BinaryIO, cast

from costream.edge.wire import (
    DATA,
    GAP,
    HEAD,
    HEARTBEAT,
    LARGEST,
    SECONDS,
    Record,
    record,
    records,
)
from costream.errors import SettingsError, SourceError
from costream.video import Decoding, Stream
from costream.video.readiness import await_readable

READY_WITHIN = 45.0
"""Seconds to wait for the process that reads the camera: it may just have been started, and after
senders that were soon gone it asks for the next one ever more rarely."""

STUCK_AFTER = 60.0
"""Seconds for which it may take nothing."""

PROBE = {"analyzeduration": "500000"}
"""FFmpeg would look at seconds of a stream before it gives the first picture."""


class PushPort:
    """Where one camera's sender and the process that reads it meet.

    Args:
        folder: a folder that nobody else can look into.
        camera: the camera's id.

    Attributes:
        path: of the socket.
    """

    def __init__(self, folder: Path, camera: str) -> None:
        # Not by the camera's id: the port of a removed camera is there until its process has ended.
        self.path = folder / f"{secrets.token_hex(8)}.push"
        self._camera = camera
        self._sending = threading.Lock()
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._server.bind(os.fspath(self.path))
        self._server.listen(4)

    def take(self, chunks: Iterable[bytes], *, framed: bool = False) -> int:
        """Hands a stream to the process that reads the camera, until it ends.

        Args:
            chunks: the stream, MPEG-TS or fragmented MP4 or what else can be read from its
                beginning on. It is taken no faster than it is read.
            framed: it comes as records.

        Returns:
            Bytes of the stream that were taken.

        Raises:
            SettingsError: another sender is at it, or a record is none.
            SourceError: the camera is not being read, or is not any more.
        """
        if not self._sending.acquire(blocking=False):
            raise SettingsError(
                f"camera {self._camera} has a sender already: end that one before sending again"
            )
        try:
            with self._reader() as reader:
                return self._hand_over(reader, _records(chunks) if framed else _wrapped(chunks))
        finally:
            self._sending.release()

    def close(self) -> None:
        """Takes no further sender."""
        self._server.close()
        self.path.unlink(missing_ok=True)

    def _hand_over(self, reader: socket.socket, records: Iterator[tuple[int, bytes]]) -> int:
        taken = 0
        for kind, payload in records:
            try:
                reader.sendall(record(kind, payload))
            except TimeoutError:
                raise SourceError(
                    f"camera {self._camera} takes nothing any more: send it again"
                ) from None
            except OSError:
                raise SourceError(
                    f"camera {self._camera} was paused, removed or restarted, or could not read "
                    "what was sent: send it again from a key frame on"
                ) from None
            taken += len(payload) if kind == DATA else 0
        return taken

    def _reader(self) -> socket.socket:
        """Returns a connection to the process, the first that is still there."""
        until = monotonic() + READY_WITHIN
        while (left := until - monotonic()) > 0:
            self._server.settimeout(left)
            try:
                reader, _ = self._server.accept()
            except OSError:
                break
            if _is_there(reader):
                reader.settimeout(STUCK_AFTER)
                return reader
            reader.close()
        raise SourceError(
            f"camera {self._camera} is not being read at the moment: look at its status, and send "
            "it again"
        )


class PushedStream(Stream):
    """What a camera sends to us, as the process that reads it sees it.

    Opening waits for a sender, for as long as it takes.

    Args:
        path: of the :class:`PushPort`'s socket.
        name: what the source is called.
        timeout: seconds that a sender may stay silent, beside the gaps that it tells of.
        motion: see :class:`~costream.video.stream.Stream`.
        decode: likewise.
    """

    ages = False

    def __init__(
        self, path: Path, *, name: str, timeout: float, motion: bool, decode: Decoding
    ) -> None:
        self._sender = _Sender(path, timeout)
        super().__init__(
            cast(BinaryIO, self._sender),
            name=name,
            timeout=timeout,
            motion=motion,
            decode=decode,
            options=PROBE,
            live=True,
        )

    def _open_first(self) -> None:
        self._sender.wait()
        super()._open_first()

    def _let_go(self) -> None:
        super()._let_go()
        self._sender.close()


class _Sender:
    """Reads what is sent, as a file."""

    name = "push"

    def __init__(self, path: Path, timeout: float) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._path = path
        self._timeout = self._silence = timeout
        self._left = 0

    def wait(self) -> None:
        """Waits until somebody sends."""
        try:
            self._socket.connect(os.fspath(self._path))
            await_readable(self._socket)
        except (OSError, ValueError):
            raise SourceError("nobody takes what the camera sends: the service has ended") from None

    def read(self, size: int) -> bytes:
        """Returns what is there, once something is; nothing once the sender has gone.

        Raises:
            TimeoutError: nothing came for too long.
        """
        while not self._left:
            head = self._exactly(HEAD.size)
            if not head:
                return b""
            kind, length = HEAD.unpack(head)
            self._silence = self._timeout
            if kind == DATA:
                self._left = length
            elif kind == GAP:
                self._silence += SECONDS.unpack(self._exactly(length))[0]
        found = self._some(min(size, self._left))
        self._left -= len(found)
        return found

    def close(self) -> None:
        self._socket.close()

    def _some(self, size: int) -> bytes:
        if not await_readable(self._socket, self._silence):
            raise TimeoutError
        try:
            return self._socket.recv(size)
        except ConnectionResetError:
            return b""

    def _exactly(self, size: int) -> bytes:
        """Returns so many bytes, or none where the sender went before."""
        found = b""
        while len(found) < size:
            part = self._some(size - len(found))
            if not part:
                return b""
            found += part
        return found


def _wrapped(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    for chunk in chunks:
        for at in range(0, len(chunk), LARGEST):
            yield DATA, chunk[at : at + LARGEST]


def _records(chunks: Iterable[bytes]) -> Iterator[Record]:
    """Yields the records of a stream in a container.

    Raises:
        SettingsError: one is none, or an edge's.
    """
    for kind, payload in records(chunks):
        if kind not in (DATA, GAP, HEARTBEAT):
            raise SettingsError(
                f"a record of kind {kind} is an edge's, and this camera's url is push: have it be "
                "edge to send with costream edge"
            )
        yield kind, payload


def _is_there(reader: socket.socket) -> bool:
    """Whether the process at the other end has not gone. It never sends anything."""
    try:
        return bool(reader.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except BlockingIOError:
        return True
    except OSError:
        return False
