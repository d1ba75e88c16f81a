"""A real RTSP server on the loopback."""

import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from costream.errors import SourceError
from costream.video import Credentials, Stream
from costream.video.sample import TOLD
from tests.video.cameras import PYTHON, need_gstreamer
from tests.video.encode import encode, panning

SERVER = Path(__file__).with_name("rtsp_server.py")


@pytest.fixture
def server(clips):
    """A process that serves four seconds of content moving by 2 px a frame."""
    with serving(clips) as process:
        yield process


@contextmanager
def serving(clips, *authentication):
    need_gstreamer(SERVER)
    clip = clips / "camera.mp4"
    if not clip.exists():
        encode(clip, panning(100, (2, 0)), gop=25, options={"bf": "0"})
    command = [PYTHON, SERVER, clip, *authentication]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.send_signal(signal.SIGCONT)
        process.stdin.close()
        process.wait(10)


@pytest.fixture
def camera(server):
    return url_of(server)


def url_of(server) -> str:
    return f"rtsp://127.0.0.1:{int(server.stdout.readline())}/camera"


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_rtsp(camera, clips, transport):
    options = {} if transport == "tcp" else {"rtsp_transport": transport}
    with Stream(camera, options=options, timeout=5) as stream:
        assert stream.info.codec == "h264"
        assert (stream.info.width, stream.info.height) == (320, 240)
        assert stream.info.motion in TOLD
        samples = [sample for sample, _ in zip(stream.samples(2), range(4), strict=False)]
    with Stream(clips / "camera.mp4") as file:
        first = next(file.samples(2)).picture
    # There is a key frame every second: the first one is not lost.
    assert (samples[0].picture.rgb() == first.rgb()).all()
    assert not any(sample.change.damaged for sample in samples)
    assert [sample.tick for sample in samples] == [0, 1, 2, 3]
    drift = samples[1].change.drift[2:-2, 2:-2, 0]
    assert drift.mean() == pytest.approx(2 * samples[1].change.frames, rel=0.2)


@pytest.mark.parametrize(
    ("kind", "user", "password", "transport"),
    [
        ("basic", "a@b", "p@:/#%? &+", "tcp"),
        ("basic", "jürgen", "pässwörd€", "udp"),
        ("digest", "us/er%41", "%41:x", "udp"),
        ("digest", "jürgen", "p@:/#%? &+ä", "tcp"),
        ("digest", "admin", "plain", "http"),
    ],
)
def test_a_camera_that_asks_for_a_password(clips, kind, user, password, transport):
    settings = {"options": {"rtsp_transport": transport}, "timeout": 5}
    with serving(clips, kind, user, password) as server:
        camera = url_of(server)
        with Stream(camera, credentials=Credentials(user, password), **settings) as stream:
            assert stream.info.codec == "h264"
            assert stream.info.live
            assert stream.info.source == camera
        for credentials in (None, Credentials(user, "hunter2")):
            with pytest.raises(SourceError, match="401 Unauthorized") as caught:
                Stream(camera, credentials=credentials, **settings).open()
            assert "hunter2" not in str(caught.value)


def test_no_such_camera(camera):
    with pytest.raises(SourceError, match="404"):
        Stream(camera + "/none", timeout=5).open()


def test_a_camera_that_freezes_times_out(camera, server):
    samples = []
    started = time.monotonic()
    with Stream(camera, timeout=1) as stream, pytest.raises(SourceError, match="no data for 1 s"):
        for sample in stream.samples(5):
            samples.append(sample)
            server.send_signal(signal.SIGSTOP)
    assert samples
    assert time.monotonic() - started < 8
