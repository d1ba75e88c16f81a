"""Cameras that an edge follows, as the service watches them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from costream.edge.messages import Session
from costream.edge.wire import INTERVAL, SESSION, record
from costream.errors import UnknownError
from costream.serve.cameras.edge import PATIENCE, EdgePort, EdgeReply
from costream.serve.config.model import CameraConfig
from tests.edge.rig import Edge, server
from tests.serve import fake_pictures
from tests.serve.api.conftest import served
from tests.serve.cameras.watching import Watching, camera
from tests.serve.fakes import FakeBackend
from tests.video.encode import encode, panning


class FleetBackend(FakeBackend):
    """The API's other side: its edges' records are the fleet's."""

    def __init__(self, watching: Watching, folder: Path) -> None:
        clip = fake_pictures.write_clip(folder / "clip.mp4", seconds=1)
        super().__init__(folder, events=0, clip=clip)
        self.add_camera("door", CameraConfig(url="edge"))
        self._watching = watching

    def take_edge(self, camera: str, chunks: Iterator[bytes]) -> EdgeReply:
        return self._watching.fleet.take_edge(camera, chunks)


def test_a_camera_is_watched_through_its_edge(watching: Watching, tmp_path: Path) -> None:
    film = encode(tmp_path / "a.mp4", panning(400, (1, 0)), rate=10, gop=10)
    watching.fleet.want([camera("door", "edge")])
    with served(FleetBackend(watching, tmp_path), server()) as url:
        edge = Edge(film, f"{url}/api/cameras/door/push", decode="auto", speed=2)
        watching.await_windows("door", 2)
        assert watching.fleet.status("door").state == "watching"
        packets = watching.fleet.stretch("door", 3600.0, 30.0)
        assert packets and packets[0].key
        watching.fleet.want([camera("door", "edge", paused=True)])
        watching.await_state("door", "paused")
        edge.stop()
        assert not edge.errors
    time.sleep(3.0)  # longer than its timeout
    assert watching.states["door"][-1] == ("paused", None), "nobody waits for its edge"
    watcher = watching.fleet._watchers["door"]
    watching.fleet.want([])
    with pytest.raises(UnknownError, match="there is no camera door"):
        watcher.take_edge([])


def test_a_port_that_is_closed_keeps_no_request_waiting(tmp_path: Path) -> None:
    port = EdgePort(tmp_path, "door", 2.0, lambda: 2.0, lambda cause: None)
    with socket.socket(socket.AF_UNIX) as reader:
        reader.connect(str(port.path))
        hello = record(SESSION, Session("edge", "", 0).encode())
        instance = port.take([hello]).instance
        assert instance
        # Nobody reads them, and the port is closed while it waits for that.
        intervals = record(INTERVAL, b"x" * 65536) * 64
        threading.Timer(0.3, port.close).start()
        hello = record(SESSION, Session("edge", instance, 0).encode())
        begun = time.monotonic()
        reply = port.take([hello, intervals])
        assert reply.busy and not reply.instance
        assert time.monotonic() - begun < PATIENCE
