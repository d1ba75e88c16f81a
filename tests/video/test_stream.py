"""Reading sources that are as they should be."""

import gc
import io
import itertools
import subprocess
import sys
from dataclasses import replace

import av
import numpy as np
import pytest

from costream.errors import SettingsError, SourceError
from costream.video import DecodeCount, Picture, Stream, StreamHealth
from costream.video.sample import TOLD, StreamInfo
from tests.video.encode import encode, panning, still, texture


def assert_in_order(samples, fps):
    for before, after in itertools.pairwise(samples):
        assert after.tick > before.tick
        assert after.time > before.time
    for sample in samples:
        assert sample.tick == int(sample.time * fps + 1e-6)


def test_info_of_a_file(pan):
    with Stream(pan) as stream:
        assert stream.info == StreamInfo(
            source=str(pan),
            codec="h264",
            profile="High",
            width=320,
            height=240,
            rotation=0,
            frame_rate=25.0,
            duration=2.0,
            motion=stream.info.motion,
        )


def test_a_name_stands_for_the_source(pan):
    with pan.open("rb") as file, Stream(file, name="camera 1") as stream:
        assert stream.info.source == "camera 1"
        list(stream.samples(2))
        with pytest.raises(SourceError, match="camera 1 was read"):
            list(stream.samples(2))
    assert repr(stream) == "Stream('camera 1')"


def test_every_native_frame_is_told_while_sampling(pan):
    records = []
    with Stream(pan) as stream:
        samples = list(stream.samples(2, on_frame=records.append))
    with Stream(pan) as stream:
        assert records == list(stream.frames())
    assert len(records) == 50 > len(samples)


def test_samples_lie_on_the_grid(pan):
    with Stream(pan) as stream:
        samples = list(stream.samples(2))
    assert [sample.tick for sample in samples] == [0, 1, 2, 3]
    assert [sample.time for sample in samples] == pytest.approx([0, 0.52, 1.0, 1.52])
    assert [sample.change.frames for sample in samples] == [1, 13, 12, 13]
    assert not any(sample.change.damaged for sample in samples)
    assert replace(stream.health, decoding=DecodeCount()) == StreamHealth(frames=50)


def test_a_rate_above_the_native_one_takes_every_frame_once(pan):
    with Stream(pan) as stream:
        samples = list(stream.samples(1000))
    assert len(samples) == 50
    assert all(sample.change.frames == 1 for sample in samples)
    assert_in_order(samples, 1000)


def test_pictures_come_in_display_order_and_stay_valid(tmp_path):
    levels = [40 + 8 * i for i in range(20)]
    pictures = [np.full((64, 64), level, np.uint8) for level in levels]
    path = encode(tmp_path / "steps.mp4", pictures, options={"bf": "3", "b-adapt": "0"})
    with Stream(path) as stream:
        samples = list(stream.samples(25))
    seen = [int(sample.picture.luma(1, 1)[0, 0]) for sample in samples]
    assert seen == sorted(seen)
    assert np.abs(np.array(seen) - levels).max() <= 6


def test_pictures_equal_a_plain_decoder(pan):
    with av.open(str(pan)) as container:
        plain = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    with Stream(pan) as stream:
        for sample, expected in zip(stream.samples(25), plain, strict=True):
            assert (sample.picture.rgb() == expected).all()


def test_frames_tell_what_av_tells(pan):
    with av.open(str(pan)) as container:
        types = [av.video.frame.PictureType(f.pict_type).name for f in container.decode(video=0)]
    with Stream(pan) as stream:
        records = list(stream.frames())
    assert [record.type for record in records] == types
    assert [record.index for record in records] == list(range(50))
    assert [record.time for record in records] == pytest.approx([i / 25 for i in range(50)])
    for record in records:
        assert (record.vectors > 0) == (record.type != "I")
        assert record.packet_bytes > 0
        assert not record.damaged


def test_variable_frame_rate_leaves_ticks_out(tmp_path):
    times = [0, 0.04, 0.08, 0.6, 1.4, 3.1, 3.2, 3.25, 4.0]
    path = encode(tmp_path / "vfr.mkv", panning(9, (1, 0)), times=times, options={"bf": "0"})
    with Stream(path) as stream:
        samples = list(stream.samples(2))
    assert [sample.tick for sample in samples] == [0, 1, 2, 6, 8]
    assert [sample.time for sample in samples] == pytest.approx([0, 0.6, 1.4, 3.1, 4.0])
    assert [sample.change.frames for sample in samples] == [1, 3, 1, 1, 3]


def test_frames_without_times_follow_the_rate(tmp_path):
    path = encode(tmp_path / "raw.m4v", panning(25), "mpeg4", container="m4v")
    with Stream(path) as stream:
        samples = list(stream.samples(5))
    assert len(samples) == 5
    assert_in_order(samples, 5)


def test_joined_streams_keep_growing(tmp_path):
    """A camera that restarts: times jump back, and the transport stream goes on."""
    one = encode(tmp_path / "one.ts", panning(50), gop=25).read_bytes()
    (tmp_path / "two.ts").write_bytes(one * 3)
    with Stream(tmp_path / "two.ts") as stream:
        samples = list(stream.samples(5))
    assert_in_order(samples, 5)
    assert 5.5 < samples[-1].time < 6.1


def test_a_change_of_size_follows_and_marks_the_interval(tmp_path):
    one = encode(tmp_path / "one.h264", panning(20), container="h264").read_bytes()
    two = encode(tmp_path / "two.h264", panning(20, size=(128, 160)), container="h264")
    (tmp_path / "both.h264").write_bytes(one + two.read_bytes())
    with Stream(tmp_path / "both.h264") as stream:
        samples = list(stream.samples(5))
    assert (samples[0].picture.width, samples[-1].picture.width) == (320, 160)
    assert stream.info.width == 320
    switch = next(sample for sample in samples if sample.picture.width == 160)
    assert [s for s in samples if s.change.damaged] == [switch]
    for sample in samples:
        shape = (-(-sample.picture.height // 16), -(-sample.picture.width // 16))
        assert sample.change.peak.shape == shape


def test_odd_sizes(odd):
    with Stream(odd) as stream:
        _, sample, *_ = stream.samples(5)
    assert (stream.info.width, stream.info.height) == (321, 243)
    assert sample.change.peak.shape == (16, 21)
    assert sample.picture.rgb().shape == (243, 321, 3)


def test_interlaced_video(tmp_path):
    path = encode(
        tmp_path / "fields.mp4",
        panning(20, (2, 0)),
        options={"flags": "+ilme+ildct", "x264-params": "tff=1:bf=0"},
    )
    with Stream(path) as stream:
        _, sample, *_ = stream.samples(5)
    assert not sample.change.intra.all()
    assert np.median(sample.change.drift[2:-2, 2:-2, 0]) == pytest.approx(10, abs=3)


def test_reads_a_file_object_and_leaves_it_open(pan):
    with pan.open("rb") as file:
        with Stream(file) as stream:
            assert len(list(stream.samples(2))) == 4
        assert not file.closed


class Unseekable(io.RawIOBase):
    def __init__(self, data):
        self.inner = io.BytesIO(data)

    def readable(self):
        return True

    def seekable(self):
        return False

    def read(self, size=-1):
        return self.inner.read(size)


def test_reads_what_can_not_seek(transport):
    with Stream(Unseekable(transport.read_bytes())) as stream:
        assert len(list(stream.samples(5))) == 12


def test_reads_standard_input(transport):
    program = (
        "from costream.video import Stream\n"
        "stream = Stream('-')\n"
        "print(stream, [s.tick for s in stream.samples(5)], stream.health.frames)"
    )
    with transport.open("rb") as file:
        done = subprocess.run(
            [sys.executable, "-c", program], input=file.read(), capture_output=True, check=True
        )
    assert done.stdout.decode().split("'", 2)[1] == "standard input"
    assert done.stdout.decode().endswith(f"{list(range(12))} 60\n")


def test_a_silent_standard_input_times_out():
    program = (
        "from costream.video import Stream\n"
        "from costream.errors import SourceError\n"
        "try:\n    Stream('-', timeout=0.5).open()\n"
        "except SourceError as error:\n    print(error)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.wait(30) == 0
        assert process.stdout.read() == b"can't open standard input: no data for 0.5 s\n"


def test_opens_when_first_needed(tmp_path):
    stream = Stream(tmp_path / "later.mp4")
    samples = stream.samples(2)
    assert stream.health == StreamHealth()
    encode(tmp_path / "later.mp4", still(5))
    assert next(samples).tick == 0
    stream.close()


def test_is_read_once(pan):
    with Stream(pan) as stream:
        assert list(stream.frames())
        with pytest.raises(SourceError, match=r"make a new Stream"):
            next(stream.samples(2))


def test_a_closed_stream_ends(pan):
    stream = Stream(pan).open()
    samples = stream.samples(25)
    next(samples)
    stream.close()
    assert list(samples) == []
    with pytest.raises(SourceError, match=r"closed"):
        next(stream.frames())


def test_a_picture_outlives_its_stream(pan):
    with Stream(pan) as stream:
        sample = next(stream.samples(2))
        before = sample.picture.rgb()
    assert (sample.picture.rgb() == before).all()


@pytest.mark.parametrize("fps", [0, -2, float("nan")])
def test_sampling_rate_is_checked_at_once(pan, fps):
    with pytest.raises(SettingsError):
        Stream(pan).samples(fps)


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_timeout_is_checked(timeout):
    with pytest.raises(SettingsError, match="timeout"):
        Stream("x.mp4", timeout=timeout)


def test_leaves_no_pictures_behind(pan):
    """PyAV's side data makes reference cycles: none may hold a picture."""

    def pictures():
        return sum(type(o) in (av.VideoFrame, Picture) for o in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = pictures()
        with Stream(pan) as stream:
            for _ in stream.samples(2):
                pass
            assert pictures() - before < 10
    finally:
        gc.enable()


def test_real_clips_read_to_their_end(real_clips):
    for path in real_clips:
        with Stream(path) as stream:
            samples = list(stream.samples(2))
        assert stream.info.motion in TOLD
        assert_in_order(samples, 2)
        health = replace(stream.health, decoding=DecodeCount())
        assert health == StreamHealth(frames=health.frames)
        assert len(samples) == pytest.approx(2 * stream.info.duration, abs=1.5)
        assert all(np.isfinite(sample.change.drift).all() for sample in samples)


def test_rgb_pictures_can_be_made_without_a_stream():
    assert Picture.from_rgb(np.dstack([texture(32, 48)] * 3)).width == 48
