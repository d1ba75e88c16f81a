import threading
import time

import av
import numpy as np
import pytest

from costream.errors import SettingsError
from costream.lab.synth import EncoderSettings, LiveCamera, SyntheticCamera
from costream.lab.synth.programme import show_programme
from costream.video import Stream


@pytest.fixture
def camera() -> SyntheticCamera:
    return SyntheticCamera(seed=2, width=160, height=96, fps=25)


@pytest.fixture(autouse=True)
def no_thread_is_left_behind():
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def ended(live: LiveCamera) -> bool:
    """Whether the camera's thread ends by itself within some seconds."""
    deadline = time.monotonic() + 5
    while live.running and time.monotonic() < deadline:
        time.sleep(0.01)
    return not live.running


def test_the_stream_can_be_read_to_its_end(camera):
    with LiveCamera(camera, seconds=4, realtime=False) as live:
        records = list(Stream(live.file).frames())
        assert ended(live)
    assert [record.type for record in records] == (["I"] + ["P"] * 49) * 2


def test_a_world_can_be_on_the_air():
    world = show_programme(3, 70)
    assert [event.kind for event in world.events] == ["fall", "fighting"]
    with LiveCamera(world, seconds=1, realtime=False, start=400) as live:
        records = list(Stream(live.file).frames())
    assert len(records) == 25


def test_the_pictures_are_the_camera_s(camera):
    with LiveCamera(camera, seconds=1, realtime=False, start=500) as live:
        sample = next(Stream(live.file).samples(fps=2))
    difference = np.abs(sample.picture.rgb().astype(int) - camera.frame(500))
    assert difference.mean() < 8


def test_it_is_mpeg_ts_with_h264_by_default(camera):
    with LiveCamera(camera, seconds=1, realtime=False) as live, av.open(live.file) as container:
        assert container.format.name == "mpegts"
        assert container.streams.video[0].codec_context.name == "h264"


def test_it_can_send_h265(camera):
    settings = EncoderSettings(codec="libx265", low_delay=True)
    with LiveCamera(camera, seconds=2, realtime=False, settings=settings) as live:
        stream = Stream(live.file)
        assert stream.info.codec == "hevc"
        assert sum(1 for _ in stream.frames()) == 50


def test_realtime_takes_as_long_as_the_stream(camera):
    begin = time.monotonic()
    with LiveCamera(camera, seconds=1.2) as live:
        count = sum(1 for _ in Stream(live.file).frames())
    assert count == 30
    assert 1.1 < time.monotonic() - begin < 3


def test_a_reader_who_closes_ends_the_thread(camera):
    with LiveCamera(camera, realtime=False) as live:
        assert live.file.read(188)
        live.file.close()
        assert ended(live)


def test_leaving_ends_a_camera_that_nobody_reads(camera):
    begin = time.monotonic()
    with LiveCamera(camera, realtime=False) as live:
        time.sleep(0.4)
        assert live.running  # held up by the full pipe
        assert live.camera is camera
    assert not live.running
    assert time.monotonic() - begin < 3


def test_leaving_in_the_middle_of_reading_ends_it(camera):
    with LiveCamera(camera) as live:
        for sample in Stream(live.file).samples(fps=5):
            if sample.tick == 3:
                break
    assert live.file.closed


def test_an_error_of_the_caller_is_not_hidden(camera):
    with pytest.raises(KeyError), LiveCamera(camera):
        raise KeyError("mine")


def test_what_goes_wrong_in_the_thread_comes_out(camera, monkeypatch):
    def broken(index):
        raise ZeroDivisionError

    monkeypatch.setattr(camera, "frame", broken)
    with pytest.raises(ZeroDivisionError), LiveCamera(camera, seconds=1) as live:
        ended(live)


def test_it_is_on_the_air_once_and_within_its_context(camera):
    live = LiveCamera(camera, seconds=1)
    with pytest.raises(RuntimeError, match="with"):
        _ = live.file
    with live:
        pass
    with pytest.raises(RuntimeError, match="once"), live:
        pass


def test_a_length_of_nothing_is_refused(camera):
    with pytest.raises(SettingsError):
        LiveCamera(camera, seconds=0)
