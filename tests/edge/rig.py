"""An edge and its receiver, joined by HTTP on the loopback, with a line between that can fail."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from costream.edge.account import Account
from costream.edge.camera import EdgeCamera, Passage
from costream.edge.forwarder import Forwarder
from costream.edge.outbox import Outbox
from costream.edge.receiver import Receiver
from costream.edge.uplink import Uplink
from costream.pruning import LastKept, PatchGrid, PrunerSettings
from costream.serve.cameras.edge import EdgeConnect, EdgePort
from costream.serve.config.model import CameraConfig, ServerConfig
from costream.video import Gap, LiveStream, Sample, Stream
from costream.video.packet_ring import PacketRing, RingLimits
from tests.serve.fakes import FakeBackend

FPS = 2.0
TOKEN = "correct-horse-battery-staple"
PATIENCE = 60.0

Seen = tuple[object, ...]


def seen(sample: Sample) -> Seen:
    """What the sampler is handed, in values that can be compared."""
    change = sample.change
    told = change.motion, change.frames, change.keyframes, change.packet_bytes, change.damaged
    size = sample.picture.width, sample.picture.height
    return sample.tick, sample.time, sample.picture.digest(), size, sample.reused, told


class Watcher:
    """Looks at samples as a watcher does, and decides what is kept of each."""

    def __init__(self) -> None:
        self._pruner = LastKept(PatchGrid(10, 14, 2), PrunerSettings(anchor_every=16))

    def look(self, sample: Sample) -> Seen:
        mask = self._pruner.decide([sample])
        return *seen(sample), mask.groups.tobytes(), mask.anchor


def at_the_camera(path: Path, decode: str) -> list[Seen]:
    """What the same policy hands the sampler where the camera is, and what is kept of it."""
    watcher = Watcher()
    with Stream(path, motion=False, decode=decode) as stream:
        return [watcher.look(s) for s in stream.samples(FPS, on_frame=lambda record: None)]


class PacedCamera(EdgeCamera):
    """A file that comes as a camera does, so many times as fast, and does not wait."""

    def __init__(self, path: Path, speed: float, **settings) -> None:
        super().__init__(path, **settings)
        self._speed = speed

    def passages(self, fps: float) -> Iterator[Passage]:
        began = time.monotonic()
        for passage in super().passages(fps):
            late = began + passage.interval.time / self._speed - time.monotonic()
            time.sleep(max(0.0, late))
            yield passage


class Edge:
    """``costream edge`` on a file, without its command line."""

    def __init__(
        self,
        path: Path,
        url: str,
        *,
        decode: str,
        token: str = TOKEN,
        speed: float | None = None,
        buffer: int = 16 << 20,
        heartbeat: float = 0.2,
        timeout: float = 5.0,
        keep: int = 16 << 20,
    ) -> None:
        self.account = Account()
        self.outbox = Outbox(buffer, 300.0)
        self.ring = PacketRing(RingLimits(3600.0, keep))

        def connect(ring: PacketRing) -> EdgeCamera:
            if speed is None:
                return EdgeCamera(path, ring=ring, decode=decode)
            return PacedCamera(path, speed, ring=ring, decode=decode)

        self.forwarder = Forwarder(
            connect, self.ring, self.outbox, self.account, waits=speed is None
        )
        self.uplink = Uplink(
            Receiver(url, token, timeout=timeout),
            self.outbox,
            self.account,
            heartbeat,
            self.forwarder.stretch,
        )
        self.errors: list[Exception] = []
        self.threads = [self._start(self._read), self._start(self.uplink.run)]

    def _read(self) -> None:
        fps = self.uplink.greeted()
        if fps is not None:
            self.forwarder.run(fps, self.uplink)

    def _start(self, what: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                what()
            except Exception as error:
                self.errors.append(error)

        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        self.forwarder.stop()
        self.uplink.stop()
        for thread in self.threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()


class Reader(threading.Thread):
    """The process that reads the camera, as a thread; it may be slow."""

    made: ClassVar[list[Reader]] = []

    def __init__(self, port: EdgePort, delay: float = 0.0, backlog: float = 16.0) -> None:
        super().__init__(daemon=True)
        self.connect = EdgeConnect(port.path, "door")
        self.stream = LiveStream(self.connect, backlog=backlog, patience=PATIENCE)
        self.seen: list[Seen] = []
        self.gaps: list[Gap] = []
        self.errors: list[Exception] = []
        self._delay = delay
        self._watcher = Watcher()
        self.made.append(self)
        self.start()

    def run(self) -> None:
        try:
            for item in self.stream.samples(FPS, on_frame=lambda record: None):
                if isinstance(item, Gap):
                    self.gaps.append(item)
                    continue
                self.seen.append(self._watcher.look(item))
                time.sleep(self._delay)
        except Exception as error:
            self.errors.append(error)

    def end(self) -> None:
        """Dies as a process does."""
        hang_up(self.stream, self.connect)


def hang_up(stream: LiveStream, connect: EdgeConnect) -> None:
    """Leaves an edge's stream, whatever its reader waits for."""
    stream.close()
    records = connect._records
    if records is not None and records._socket is not None:
        with suppress(OSError):
            records._socket.shutdown(socket.SHUT_RDWR)
        records._socket.close()


class EdgeBackend(FakeBackend):
    """The API's other side, with a port for one camera's edge."""

    def __init__(self, folder: Path, clip: Path) -> None:
        super().__init__(folder, events=0, clip=clip)
        self.add_camera("door", CameraConfig(url="edge"))
        self.silences: list[str] = []
        self.port = EdgePort(folder, "door", FPS, lambda: 2.0, self.silences.append)

    def take_edge(self, camera: str, chunks: Iterator[bytes]):
        return self.port.take(chunks)


class Line(threading.Thread):
    """A proxy on the loopback: it can be cut, stand still, lose segments, and be slow.

    Args:
        url: where it leads.
        loss: of the segments that pass, the share that is lost: most come later, as TCP sends them
            again, and one in ten takes its connection with it.
        rate: bytes a second, at most.
    """

    def __init__(self, url: str, *, loss: float = 0.0, rate: float | None = None) -> None:
        super().__init__(daemon=True)
        parts = urlsplit(url)
        self._to = parts.hostname, parts.port
        self.loss, self.rate = loss, rate
        self.cut = threading.Event()
        self.frozen = threading.Event()
        self.broken = 0
        self._draw = random.Random(7)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self.start()

    def run(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                if self.cut.is_set():
                    near.close()
                    continue
                far = socket.create_connection(self._to)
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def close(self) -> None:
        self.cut.set()
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.join(PATIENCE)

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while piece := one.recv(1460):
                lost = self._draw.random() < self.loss
                if self.cut.is_set() or (lost and self._draw.random() < 0.1):
                    self.broken += 1
                    break
                if lost:
                    time.sleep(0.02)
                while self.frozen.is_set():
                    time.sleep(0.02)
                other.sendall(piece)
                if self.rate is not None:
                    time.sleep(len(piece) / self.rate)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def server(**fields: object) -> ServerConfig:
    return ServerConfig.model_validate({"token": TOKEN, "port": 0, **fields})


def until(holds: Callable[[], object], seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)
