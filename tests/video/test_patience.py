"""Waiting for a first picture, and for a next one."""

import logging

import av
import pytest

from costream.errors import SettingsError, SourceError
from costream.video import Stream
from costream.video.decoder import Decoder
from costream.video.patience import Patience
from tests.video.encode import encode, panning

KEY = 5 * 25


class Wall:
    def __init__(self):
        self.time = 100.0

    def __call__(self):
        return self.time


def test_stream_time_and_the_wall_clock_count():
    wall = Wall()
    patience = Patience(10, wall)
    patience.send(7.0)
    patience.send(16.0)
    assert patience.waited == pytest.approx(9)
    wall.time += 10.5
    assert patience.waited == pytest.approx(10.5)
    assert patience.is_spent


def test_a_picture_starts_it_over():
    wall = Wall()
    patience = Patience(10, wall)
    patience.send(0.0)
    patience.send(50.0)
    wall.time += 20
    patience.reward()
    assert patience.waited == 0
    patience.send(60.0)
    assert not patience.is_spent


@pytest.fixture(scope="module")
def late(tmp_path_factory):
    """Six seconds of which only the last one can be decoded: it begins behind a key frame."""
    folder = tmp_path_factory.mktemp("late")
    whole = encode(
        folder / "whole.ts",
        panning(150, (1, 0), size=(64, 64)),
        gop=KEY,
        options={"bf": "0", "sc_threshold": "0", "keyint_min": str(KEY)},
    )
    return without_first(whole, folder / "late.ts")


def without_first(source, path):
    with av.open(str(source)) as container, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(container.streams.video[0])
        for number, packet in enumerate(container.demux(video=0)):
            if packet.size and number:
                packet.stream = stream
                out.mux(packet)
    return path


@pytest.mark.parametrize("decode", ["all", "auto"])
def test_a_file_that_begins_between_key_frames_is_whole(late, caplog, decode):
    with caplog.at_level(logging.WARNING), Stream(late, decode=decode, patience=0.01) as stream:
        samples = list(stream.samples(5))
    assert len(samples) == 5
    assert not any(sample.change.damaged for sample in samples)
    health = stream.health
    assert (health.frames, health.damaged, health.errors) == (25, 0, 0)
    assert not health.ended_early
    waiting = [record for record in caplog.records if "waiting for a key frame" in record.message]
    assert len(waiting) == 1


def frames_of(path, **options):
    with av.open(str(path)) as container:
        decoder = Decoder(
            container,
            name="camera",
            local=False,
            motion=False,
            timeout=1,
            real_time=True,
            **options,
        )
        return list(decoder.frames())


def test_a_live_source_is_waited_for_by_time_and_not_by_packets(late):
    assert len(frames_of(late, patience=6)) == 25
    with pytest.raises(SourceError, match=r"camera gave no picture in 3 s \(it begins between key"):
        frames_of(late, patience=3)


def test_a_file_without_any_key_frame_says_so(late, tmp_path):
    data = late.read_bytes()
    path = tmp_path / "none.ts"
    path.write_bytes(data[: len(data) // 2 // 188 * 188])
    with pytest.raises(SourceError, match="it begins between key frames, and none came"):
        list(Stream(path).frames())


@pytest.mark.parametrize("patience", [0, -1, float("nan")])
def test_patience_is_checked(patience):
    with pytest.raises(SettingsError, match="patience"):
        Stream("x.mp4", patience=patience)
