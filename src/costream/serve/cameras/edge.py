"""Cameras that are followed at an edge, which sends what is to be seen: ``url: edge``.

``costream edge`` makes one request after the other. :class:`EdgePort` takes them in the service's
process and hands the records on to the process that reads the camera, which asks for them at a
socket of this machine (:class:`EdgeRecords`) and builds the stream again
(:class:`~costream.edge.rebuilt.RebuiltStream`).
"""

from __future__ import annotations

import itertools
import os
import secrets
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from costream.edge.messages import SentPacket, Session, Wanted, decode_parameters
from costream.edge.rebuilt import RebuiltStream
from costream.edge.receiver import MAX_WANTED
from costream.edge.wire import (
    CAMERA,
    HEAD,
    INTERVAL,
    LOST,
    PACKET,
    PARAMETERS,
    SESSION,
    SKIPPED,
    STANDING,
    STRETCH,
    Record,
    record,
    records,
)
from costream.errors import DeliveryError, ForgottenError, SettingsError, SupersededError
from costream.video.packet_ring import CodecParameters, StoredPacket
from costream.video.readiness import await_writable

PATIENCE = 2.0
"""Seconds for which a request waits until the process that reads the camera takes more."""

LARGEST_STRETCH = 64 << 20
"""Bytes of a stretch that was asked for in full, with :data:`PACKET_COST` for each packet."""

STRETCH_WITHIN = 20.0
"""Seconds to wait for a stretch from an edge, which reads the wish within a heartbeat."""

PACKET_COST = 512
"""Bytes that a packet takes beside its own."""

_HANDED_ON = frozenset({CAMERA, PARAMETERS, PACKET, STANDING, INTERVAL, LOST, SKIPPED})
_OVER = 16


@dataclass(frozen=True, slots=True)
class EdgeReply:
    """What an edge is told.

    Attributes:
        instance: the process that reads the camera: another one knows nothing of what was sent
            before. Empty while none does.
        next: number of the record that is expected next.
        fps: at which the camera is to be sampled.
        busy: no more is taken for a moment.
        wanted: what is wanted in full.
    """

    instance: str
    next: int
    fps: float
    busy: bool
    wanted: tuple[Wanted, ...]


@dataclass(slots=True)
class _Stretch:
    """A stretch on its way; ``size`` is what it takes, also where that is too much."""

    wanted: Wanted
    packets: list[StoredPacket] = field(default_factory=list)
    parameters: CodecParameters | None = None
    size: int = 0
    begun: bool = False
    done: threading.Event = field(default_factory=threading.Event)


class EdgePort:
    """Where one camera's edge and the process that reads it meet.

    Args:
        folder: a folder that nobody else can look into.
        camera: the camera's id.
        fps: at which it is to be sampled.
        timeout: returns the seconds without a request after which the edge counts as gone.
        on_silence: told why, once each time that it is.

    Attributes:
        path: of the socket.
    """

    def __init__(
        self,
        folder: Path,
        camera: str,
        fps: float,
        timeout: Callable[[], float],
        on_silence: Callable[[str], None],
    ) -> None:
        # Not by the camera's id: the port of a removed camera is there until its process has ended.
        self.path = folder / f"{secrets.token_hex(8)}.edge"
        self._camera = camera
        self._fps = fps
        self._taking = threading.Lock()
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._server.bind(os.fspath(self.path))
        self._server.listen(4)
        self._server.setblocking(False)
        self._reader: socket.socket | None = None
        self._instance = self._session = ""
        self._next = 0
        self._pending = memoryview(b"")  # of the last record that was taken
        self._over: deque[str] = deque(maxlen=_OVER)
        self._stretches: dict[int, _Stretch] = {}
        self._wishes = itertools.count(1)  # threads share it
        self._silence = _Silence(camera, timeout, on_silence)

    def take(self, chunks: Iterable[bytes]) -> EdgeReply:
        """Takes a request of the edge.

        Args:
            chunks: its body.

        Raises:
            SettingsError: a record is none, or the request does not begin as it has to.
            SupersededError: another edge has taken its place.
            DeliveryError: its last request is still under way.
        """
        self._silence.end()
        if not self._taking.acquire(timeout=2 * PATIENCE):
            raise DeliveryError(f"another request of camera {self._camera}'s edge is under way")
        try:
            incoming = records(chunks)
            session = self._begin(next(incoming, None))
            busy = not self._hand_on(session, incoming)
            for _ in incoming:  # so that the connection can be used again
                pass
            return self._reply(busy=busy)
        finally:
            self._taking.release()

    def stretch(self, seconds: float, patience: float) -> list[StoredPacket]:
        """Asks the edge for a stretch in full.

        Args:
            seconds: back from when it reads the wish.
            patience: seconds to wait for it.

        Raises:
            ForgottenError: it did not come, holds no packet, or more than :data:`LARGEST_STRETCH`.
        """
        stretch = _Stretch(Wanted(next(self._wishes), seconds))
        self._stretches[stretch.wanted.id] = stretch
        try:
            whole = stretch.done.wait(patience)
        finally:
            del self._stretches[stretch.wanted.id]
        if stretch.size > LARGEST_STRETCH:
            raise ForgottenError(
                f"{seconds:g} s of camera {self._camera} are more than {LARGEST_STRETCH >> 20} "
                "MiB: ask for fewer seconds"
            )
        if not whole or not stretch.packets:
            raise ForgottenError(
                f"the edge of camera {self._camera} gave nothing in {patience:g} s: look whether "
                "it is connected"
            )
        return stretch.packets

    def close(self) -> None:
        """Takes nothing further."""
        self._silence.close()
        self._server.close()
        self._drop_reader()
        self.path.unlink(missing_ok=True)
        for stretch in list(self._stretches.values()):
            stretch.done.set()

    def _begin(self, first: Record | None) -> Session:
        """Reads what a request begins with, and finds the process that reads the camera."""
        if first is None or first[0] != SESSION:
            raise SettingsError(
                "an edge's request begins with a record of its session: send with costream edge"
            )
        session = Session.decode(first[1])
        if session.session in self._over:
            raise SupersededError(f"another edge sends camera {self._camera} by now: end this one")
        self._accept()
        if session.session != self._session:
            if self._session:
                self._over.append(self._session)
            self._session, self._next = session.session, 0
        return session

    def _accept(self) -> None:
        """Takes up the newest process that asks for records."""
        while True:
            try:
                reader, _ = self._server.accept()
            except OSError:
                break
            self._drop_reader()
            reader.setblocking(False)
            self._reader, self._instance, self._next = reader, secrets.token_hex(8), 0
        if self._reader is not None and _has_gone(self._reader):
            self._drop_reader()

    def _drop_reader(self) -> None:
        # close() comes from another thread than the requests that find a reader gone.
        reader, self._reader = self._reader, None
        if reader is not None:
            with suppress(OSError):
                # Whoever waits to write to it waits no longer.
                reader.shutdown(socket.SHUT_RDWR)
            reader.close()
        self._instance, self._next = "", 0
        self._pending = memoryview(b"")

    def _hand_on(self, session: Session, incoming: Iterator[Record]) -> bool:
        """Hands on what is new; returns whether all of it was."""
        number, known = session.first, session.instance == self._instance != ""
        if known and number > self._next:
            raise SettingsError(
                f"record {number} came before record {self._next}: start the edge again"
            )
        for kind, payload in incoming:
            if kind == STRETCH:
                self._take_stretch(payload)
                continue
            if kind not in _HANDED_ON:
                raise SettingsError(f"a record of kind {kind} is none that an edge sends")
            if not known:
                continue
            if number >= self._next:
                if not self._flush(PATIENCE):
                    return False
                self._pending = memoryview(record(kind, payload))
                self._next += 1
            number += 1
        return self._flush(PATIENCE)

    def _flush(self, seconds: float) -> bool:
        """Writes what was taken and not handed on; False where the reader takes no more."""
        until = monotonic() + seconds
        while self._pending:
            reader = self._reader
            if reader is None:
                return False
            try:
                if not await_writable(reader, until - monotonic()):
                    return False
                self._pending = self._pending[reader.send(self._pending) :]
            except BlockingIOError:
                continue
            except (OSError, ValueError):  # it has gone, or the port was closed meanwhile
                self._drop_reader()
                return False
        return True

    def _reply(self, *, busy: bool) -> EdgeReply:
        waiting = [one.wanted for one in list(self._stretches.values()) if not one.begun]
        busy = busy or not self._instance
        wanted = tuple(waiting[:MAX_WANTED])
        return EdgeReply(self._instance, self._next, self._fps, busy, wanted)

    def _take_stretch(self, payload: bytes) -> None:
        stretch = self._stretches.get(int.from_bytes(payload[:4], "big"))
        if stretch is None or stretch.done.is_set() or len(payload) < 5:
            return
        stretch.begun = True
        kind, inner = payload[4], payload[5:]
        if kind == PARAMETERS:
            stretch.parameters = decode_parameters(inner)
        elif kind == PACKET and stretch.parameters is not None:
            packet = SentPacket.decode(inner)
            stretch.size += len(packet.data) + PACKET_COST
            if stretch.size > LARGEST_STRETCH:
                stretch.packets.clear()
                stretch.done.set()
                return
            stretch.packets.append(packet.stored(packet.order, stretch.parameters, monotonic()))
        elif kind == LOST:
            stretch.done.set()


class _Silence:
    """Notices that an edge has made no request for too long."""

    def __init__(
        self, camera: str, timeout: Callable[[], float], tell: Callable[[str], None]
    ) -> None:
        self._camera = camera
        self._timeout = timeout
        self._tell = tell
        self._last: float | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="costream-edge", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Notes a request."""
        self._last = monotonic()

    def close(self) -> None:
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.wait(min(1.0, self._timeout() / 4)):
            last, timeout = self._last, self._timeout()
            if last is not None and monotonic() - last > timeout:
                self._last = None
                self._tell(f"its edge has sent nothing for {timeout:g} s")


class EdgeRecords:
    """Takes records from an :class:`EdgePort`, in the process that reads the camera.

    Args:
        path: of the port's socket.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket: socket.socket | None = None
        self._waiting: deque[Record] = deque()
        self._bytes = bytearray()

    def next(self) -> Record | None:
        """Waits for the next record and returns it; None once the service has ended."""
        if self._waiting:
            return self._waiting.popleft()
        head = self._exactly(HEAD.size)
        if head is None:
            return None
        kind, length = HEAD.unpack(head)
        payload = self._exactly(length)
        return None if payload is None else (kind, payload)

    def give_back(self, record: Record) -> None:
        """Has a record be the next one again."""
        self._waiting.appendleft(record)

    def restart(self) -> None:
        """Has the edge begin again: for the port, what asks from now on is another process."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._bytes.clear()
        self._waiting.clear()

    def _exactly(self, size: int) -> bytes | None:
        while len(self._bytes) < size:
            try:
                part = self._connected().recv(1 << 16)
            except OSError:
                return None
            if not part:
                return None
            self._bytes += part
        found = bytes(self._bytes[:size])
        del self._bytes[:size]
        return found

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._socket.connect(os.fspath(self._path))
        return self._socket


class EdgeConnect:
    """Makes a new stream of what an edge sends, not opened yet. It can be pickled.

    Records that one stream left are the next one's.

    Args:
        path: of the :class:`EdgePort`'s socket.
        name: what the camera is called.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._name = name
        self._records: EdgeRecords | None = None

    def __reduce__(self) -> tuple[object, ...]:
        return EdgeConnect, (self._path, self._name)

    def __call__(self) -> RebuiltStream:
        """Returns the stream."""
        self._records = self._records or EdgeRecords(self._path)
        return RebuiltStream(self._records, name=self._name)


def _has_gone(reader: socket.socket) -> bool:
    """Whether the process at the other end has gone. It never sends anything."""
    with suppress(BlockingIOError):
        try:
            return not reader.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except ConnectionError:
            return True
    return False
