"""What comes out of records is what went in at the camera, for every kind of stream."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from costream.edge.account import Account
from costream.edge.camera import EdgeCamera
from costream.edge.forwarder import Line
from costream.edge.outbox import Outbox
from costream.edge.rebuilt import RebuiltStream
from costream.edge.uplink import bundled
from costream.edge.wire import records
from costream.errors import SourceError
from costream.video.packet_ring import RingLimits
from costream.video.past import Past
from tests.edge.conftest import hall
from tests.edge.rig import FPS, Watcher, at_the_camera
from tests.edge.test_wire import Given
from tests.video.encode import encode, spoilt

STREAMS = {
    "x264": {"gop": 30, "options": {"bf": "0"}},
    "x264, B-frames": {"gop": 30, "b_frames": 3},
    "x264, GOP 250": {"gop": 250, "options": {"bf": "0"}},
    "x264, open GOP": {"gop": 20, "b_frames": 2, "options": {"x264-params": "open-gop=1"}},
    "x264, intra refresh": {"gop": 30, "options": {"x264-params": "intra-refresh=1:bframes=0"}},
    "x264, zero latency": {"gop": 30, "options": {"tune": "zerolatency"}},
    "x265": {"codec": "libx265", "gop": 30, "options": {"x265-params": "log-level=none"}},
    "MPEG-2": {"codec": "mpeg2video", "gop": 12},
    "MPEG-4": {"codec": "mpeg4", "gop": 12, "b_frames": 2},
}


def sent(path: Path) -> tuple[list[tuple[int, bytes]], Account]:
    """Returns all that an edge sends of a file."""
    outbox, account = Outbox(1 << 40, math.inf), Account()
    outbox.patient = True
    camera = EdgeCamera(path, ring=None, decode="auto")
    with camera:
        line = Line(outbox, camera, FPS, None)
        for passage in camera.passages(FPS):
            line.put(passage)
            account.count(passage.interval)
        line.end("it has ended")
    body = b""
    while items := outbox.batch():
        body += b"".join(bundled(items))
        outbox.arrived(len(items))
    return list(records([body])), account


@pytest.mark.parametrize("name", list(STREAMS))
def test_every_tick_is_what_it_is_at_the_camera(tmp_path: Path, name: str) -> None:
    pictures = hall(16, busy=((6, 7.5), (11.2, 12)))
    path = encode(tmp_path / "a.mkv", pictures, rate=10, **STREAMS[name])
    account = assert_same(path)
    # Refreshed rows are many bytes of so small a picture: to follow them takes as long as decoding.
    if name.startswith("x26") and "refresh" not in name:
        assert account.shown < account.ticks


@pytest.mark.parametrize("short", [1, 2, 3])
def test_it_is_so_where_packets_end_too_early(tmp_path: Path, short: int) -> None:
    pictures = hall(16, busy=((6, 7.5), (11.2, 12)))
    whole = encode(tmp_path / "a.avi", pictures, "mpeg4", rate=10, gop=12)
    path = tmp_path / "b.avi"
    # What FFmpeg's decoder reads instead is beyond the packet.
    assert spoilt(whole, path, lambda data: data[:-short], every=2)
    assert_same(path)


def assert_same(path: Path) -> Account:
    """Compares what an edge sends of a file with what its watcher at the camera is handed."""
    expected = at_the_camera(path, "auto")
    told, account = sent(path)
    found, watcher, stream = [], Watcher(), RebuiltStream(Given(told), name="door")
    past = Past(RingLimits(3600.0, 1 << 30))
    stream.ring = past.ring
    with pytest.raises(SourceError, match="it has ended"):
        for sample in stream.samples(FPS, on_frame=lambda record: None):
            past.note(sample)
            found.append(watcher.look(sample))
    assert found == expected
    # Stills and questions about the past decode again what is kept.
    again = past.frames(0, len(expected))
    assert [frame.picture.digest() for frame in again] == [one[2] for one in expected]
    return account
