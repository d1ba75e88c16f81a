"""Cameras that send their stream to the API themselves."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from itertools import count, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costream.edge.wire import DATA, GAP, HEARTBEAT, SESSION, gap, record
from costream.errors import SettingsError, SourceError
from costream.serve.cameras import push
from costream.serve.cameras.push import PushPort
from tests.serve.cameras.watching import SOON, Watching, camera
from tests.video.encode import encode, panning


class Sender(threading.Thread):
    """Sends a file as a camera does: in real time."""

    def __init__(self, watching: Watching, path: Path, seconds: float, **settings) -> None:
        super().__init__(daemon=True)
        self.taken: int | None = None
        self.error: Exception | None = None
        self.stopped = threading.Event()
        self._watching, self._settings = watching, settings
        self._data, self._seconds = path.read_bytes(), seconds
        self.start()

    def run(self) -> None:
        try:
            self.taken = self._watching.fleet.push("door", self._chunks(), **self._settings)
        except Exception as error:
            self.error = error

    def _chunks(self) -> Iterator[bytes]:
        pieces, wrap = 60, record if self._settings.get("framed") else lambda kind, data: data
        size = -(-len(self._data) // pieces)
        for n in range(pieces):
            yield wrap(DATA, self._data[n * size : (n + 1) * size])
            if self.stopped.wait(self._seconds / pieces):
                return


@pytest.fixture(scope="module")
def transport(tmp_path_factory) -> Path:
    """Twelve seconds of MPEG-TS."""
    path = tmp_path_factory.mktemp("push") / "a.ts"
    return encode(path, panning(120, (1, 0)), rate=10, gop=10, options={"bf": "0"})


@pytest.fixture(scope="module")
def fragmented(tmp_path_factory) -> Path:
    """Twelve seconds of fragmented MP4, and larger pictures."""
    return encode(
        tmp_path_factory.mktemp("push") / "a.mp4",
        panning(120, (1, 0), size=(480, 640)),
        rate=10,
        gop=10,
        options={"bf": "0"},
        muxer={"movflags": "frag_keyframe+empty_moov+default_base_moof"},
    )


@pytest.mark.timeout(400)
def test_one_sender_after_the_other_is_one_camera(
    watching: Watching, transport: Path, fragmented: Path
) -> None:
    watching.fleet.want([camera("door", "push")])
    watching.until(lambda: watching.fleet.status("door").error is not None)
    said = watching.fleet.status("door")
    assert said.state == "starting"
    assert said.error == "nobody sends to it: POST its stream to /api/cameras/door/push"
    first = Sender(watching, transport, 12.0)
    watching.await_windows("door", 2)
    assert watching.fleet.status("door").width == 320
    with pytest.raises(SettingsError, match="camera door has a sender already"):
        watching.fleet.push("door", [b"x"])
    first.stopped.set()
    first.join(SOON)
    assert first.taken is not None and 0 < first.taken < transport.stat().st_size
    watching.await_state("door", "lost")
    second = Sender(watching, fragmented, 12.0, framed=True)
    watching.until(lambda: watching.fleet.status("door").width == 640)
    # Its pictures are of another size: it is read anew, and the sender is told to send again.
    second.join(SOON)
    assert isinstance(second.error, SourceError) and "send it again" in str(second.error)
    third = Sender(watching, fragmented, 12.0, framed=True)
    watching.await_windows("door", 2)
    assert watching.windows("door")[-1].lag is not None
    watching.fleet.want([camera("door", "push", paused=True)])
    third.join(SOON)
    assert isinstance(third.error, SourceError) and "was paused" in str(third.error)
    with pytest.raises(SettingsError, match="is not watched now"):
        watching.fleet.push("door", [b"x"])


def test_a_camera_that_is_removed_and_added_again_has_a_port_at_once(watching: Watching) -> None:
    watching.fleet.want([camera("door", "push")])
    watching.until(lambda: watching.pid("door"))
    watching.fleet.want([])
    watching.fleet.want([camera("door", "push")])
    watching.until(lambda: watching.pid("door"))
    assert "failed" not in {state for state, _ in watching.states["door"]}


def test_a_camera_that_sets_its_clock_is_watched_on(watching: Watching, tmp_path: Path) -> None:
    """Its stamps jump forwards by an hour, and back again, in mid-stream."""
    parts = []
    for ahead in (0.0, 3600.0, 8.0):
        times = [ahead + n / 10 for n in range(40)]
        pictures = panning(40, (1, 0))
        parts.append(encode(tmp_path / f"{ahead}.ts", pictures, rate=10, gop=10, times=times))
    whole = tmp_path / "whole.ts"
    whole.write_bytes(b"".join(part.read_bytes() for part in parts))
    began = time.time()
    watching.fleet.want([camera("door", "push")])
    sender = Sender(watching, whole, 12.0)
    sender.join(SOON)
    watching.until(lambda: watching.windows("door")[-1].at > began + 10)
    results = [result for result, _ in watching.results["door"]]
    # Stream time goes on as the wall does: windows follow one another, and none is missing.
    assert all(before.end < after.end for before, after in pairwise(results))
    assert results[-1].end < 30
    assert len(results) >= 16
    windows = watching.windows("door")
    assert all(0 < after.at - before.at < 10 for before, after in pairwise(windows))
    assert began < windows[0].at and windows[-1].at < time.time()
    assert all(window.lag is not None and 0 <= window.lag < 30 for window in windows)
    assert {state for state, _ in watching.states["door"]} <= {"starting", "watching", "lost"}
    assert watching.fleet.status("door").reconnects == 0


def test_a_sender_is_read_no_faster_than_the_camera(tmp_path: Path) -> None:
    port, given = PushPort(tmp_path, "door"), count(1)
    sent: list[int] = []

    def chunks() -> Iterator[bytes]:
        while len(sent) < 1000:
            sent.append(next(given))
            yield bytes(1 << 16)

    reader = socket.socket(socket.AF_UNIX)
    reader.connect(str(port.path))
    sender = threading.Thread(target=lambda: port.take(chunks()), daemon=True)
    sender.start()
    end = time.monotonic() + SOON
    while not sent or len(sent) != (before := len(sent)) or time.sleep(0.3) or len(sent) != before:
        assert time.monotonic() < end
    assert len(sent) < 100  # what the socket holds
    while sender.is_alive():
        reader.recv(1 << 20)
    assert len(sent) == 1000
    reader.close()
    port.close()


def test_nobody_who_reads_is_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push, "READY_WITHIN", 0.1)
    port = PushPort(tmp_path, "door")
    gone = socket.socket(socket.AF_UNIX)
    gone.connect(str(port.path))
    gone.close()
    with pytest.raises(SourceError, match="camera door is not being read at the moment"):
        port.take([b"x"])
    port.close()


def test_gaps_and_heartbeats_keep_a_silent_sender_alive(tmp_path: Path) -> None:
    port = PushPort(tmp_path, "door")
    sender = push._Sender(port.path, timeout=0.3)
    release = threading.Event()

    def chunks() -> Iterator[bytes]:
        yield gap(SOON) + record(DATA, b"ab")[:3]
        yield record(DATA, b"ab")[3:] + gap(SOON)
        release.wait(SOON)
        yield record(HEARTBEAT)

    def take() -> None:
        taken.append(port.take(chunks(), framed=True))

    taken: list[int] = []
    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    sender.wait()
    assert sender.read(1) == b"a" and sender.read(9) == b"b"
    threading.Timer(1.0, release.set).start()
    assert sender.read(9) == b""
    thread.join(SOON)
    assert taken == [2]
    sender.close()
    port.close()


def test_a_sender_that_is_silent_without_a_word_times_out(tmp_path: Path) -> None:
    port, release = PushPort(tmp_path, "door"), threading.Event()
    sender = push._Sender(port.path, timeout=0.2)

    def chunks() -> Iterator[bytes]:
        yield b"ab"
        release.wait(SOON)

    thread = threading.Thread(target=lambda: port.take(chunks()), daemon=True)
    thread.start()
    sender.wait()
    assert sender.read(9) == b"ab"
    with pytest.raises(TimeoutError):
        sender.read(9)
    release.set()
    thread.join(SOON)
    sender.close()
    port.close()


@given(
    records=st.lists(st.binary(min_size=1, max_size=40), max_size=8),
    cuts=st.lists(st.integers(0, 400), max_size=6),
)
def test_records_are_read_in_whatever_pieces_they_come(
    records: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(record(DATA, data) + record(HEARTBEAT) for data in records) + gap(2.5)
    places = [0, *sorted(cuts), len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(places)]
    found = list(push._records(pieces))
    assert [payload for kind, payload in found if kind == DATA] == records
    assert [kind for kind, _ in found].count(HEARTBEAT) == len(records)
    assert found[-1][0] == GAP


@pytest.mark.parametrize(
    ("stream", "match"),
    [
        (record(99), "there is no record of kind 99"),
        (record(SESSION, b"{}"), "a record of kind 4 is an edge's"),
        (b"\x01\xff\xff\xff\xff", "is not 4294967295 bytes long"),
        (b"\x01\0\0\0\0", "is not 0 bytes long"),
        (record(GAP, b"abc"), "a record of kind 2 is not 3 bytes long"),
        (gap(float("nan")), "a gap lasts 0 to 3600 seconds, not nan"),
        (gap(1e9), "a gap lasts"),
        (record(DATA, b"abc")[:-1], "the stream ends within a record"),
    ],
)
def test_what_is_no_record_is_refused(stream: bytes, match: str) -> None:
    with pytest.raises(SettingsError, match=match):
        list(push._records([stream]))


def test_stamps_that_jump_while_it_sends_leave_it_watched(
    watching: Watching, tmp_path: Path
) -> None:
    pictures = panning(40, (1, 0))
    part = encode(tmp_path / "a.ts", pictures, rate=10, gop=10, options={"bf": "0"})
    joined = tmp_path / "joined.ts"
    joined.write_bytes(2 * part.read_bytes())
    watching.fleet.want([camera("door", "push")])
    sender = Sender(watching, joined, 8.0)
    sender.join(SOON)
    assert sender.error is None and sender.taken == joined.stat().st_size
    watching.until(lambda: watching.results["door"][-1][0].end > 6.0)
    assert not any(state == "failed" for state, _ in watching.states["door"])
    ends = [news.at for news in watching.windows("door")]
    assert ends == sorted(ends) and ends[-1] - ends[0] < 20.0
