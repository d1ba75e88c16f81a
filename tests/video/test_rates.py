"""How fast pictures follow each other where the container has no stamps, or false ones."""

import logging

import pytest

from costream.video import Stream
from tests.video.encode import encode, panning

SMALL = (64, 64)
X265 = {"x265-params": "log-level=none"}


def times(path, **options):
    with Stream(path, **options) as stream:
        return [record.time for record in stream.frames()], stream.info.frame_rate


@pytest.mark.parametrize("rate", [5, 10, 50])
@pytest.mark.parametrize(
    ("codec", "container", "options"),
    [
        ("libx264", "h264", {"bf": "0"}),
        ("libx264", "h264", {"bf": "3"}),
        ("libx264", "h264", {"flags": "+ilme+ildct", "x264-params": "tff=1"}),
        ("libx265", "hevc", X265),
        ("mpeg4", "m4v", {}),
    ],
)
def test_a_raw_stream_runs_at_the_codec_s_rate(tmp_path, codec, container, options, rate):
    path = tmp_path / f"raw.{container}.bin"
    encode(path, panning(30, size=SMALL), codec, rate=rate, container=container, options=options)
    got, stated = times(path)
    assert got == pytest.approx([number / rate for number in range(30)])
    assert stated == rate


@pytest.mark.parametrize("codec", ["mpeg1video", "mpeg2video"])
def test_raw_mpeg_runs_at_the_codec_s_rate(tmp_path, codec):
    path = tmp_path / "raw.m2v"
    encode(path, panning(30, size=SMALL), codec, rate=50, container=codec)
    got, stated = times(path)
    # FFmpeg gives the first picture of MPEG-1 the stamp of the one before it.
    assert got[-1] == pytest.approx(29 / 50, abs=0.021)
    assert stated == 50


def test_raw_streams_at_different_rates_that_were_joined(tmp_path):
    data = b"".join(
        encode(
            tmp_path / f"{rate}.h264",
            panning(20, size=SMALL),
            rate=rate,
            container="h264",
            options={"bf": "0"},
        ).read_bytes()
        for rate in (10, 50)
    )
    path = tmp_path / "both.h264"
    path.write_bytes(data)
    got, stated = times(path)
    right = [0.1 * number for number in range(21)] + [2.0 + 0.02 * n for n in range(1, 20)]
    assert got == pytest.approx(right)
    assert stated == 10


def test_a_codec_without_timing_is_assumed_to_run_at_25(tmp_path, caplog):
    path = tmp_path / "raw.mjpeg"
    encode(path, panning(10, size=SMALL), "mjpeg", rate=5, container="mjpeg", pixels="yuvj420p")
    with caplog.at_level(logging.WARNING):
        got, stated = times(path)
    assert got == pytest.approx([number / 25 for number in range(10)])
    assert stated is None
    assert [record.message for record in caplog.records] == [
        f"{path} states no rate: 25 pictures a second are assumed"
    ]


def test_a_unit_of_stamps_is_not_taken_for_a_rate(tmp_path, caplog):
    """x264 states the unit of its stamps, here a millisecond, where the rate varies."""
    path = tmp_path / "vfr.h264"
    seconds = [0.2 * number for number in range(10)]
    encode(path, panning(10, size=SMALL), container="h264", times=seconds)
    got, stated = times(path)
    assert got == pytest.approx([number / 25 for number in range(10)])
    assert stated is None


@pytest.mark.parametrize("container", ["h264", "mjpeg"])
def test_the_user_may_state_the_rate(tmp_path, container):
    codec, pixels = ("libx264", "yuv420p") if container == "h264" else ("mjpeg", "yuvj420p")
    path = tmp_path / f"raw.{container}"
    encode(path, panning(10, size=SMALL), codec, container=container, pixels=pixels)
    got, stated = times(path, options={"framerate": "5/2"})
    assert got == pytest.approx([0.4 * number for number in range(10)])
    assert stated == 2.5


@pytest.mark.parametrize("decode", ["all", "auto"])
@pytest.mark.parametrize("b_frames", ["0", "2"])
def test_time_lapse_keeps_its_stamps(tmp_path, decode, b_frames):
    seconds = [30.0 * number for number in range(20)]
    path = tmp_path / "lapse.mkv"
    encode(path, panning(20, (1, 0), size=SMALL), times=seconds, options={"bf": b_frames})
    with Stream(path, decode=decode) as stream:
        samples = list(stream.samples(2))
    assert [sample.time for sample in samples] == pytest.approx(seconds)
    assert not stream.health.ended_early


def test_matroska_s_first_packets_without_decoding_stamps_are_no_bar_to_decoding_on_changes(
    tmp_path, caplog
):
    path = encode(tmp_path / "b.mkv", [panning(1, size=SMALL)[0]] * 100, options={"bf": "2"})
    with caplog.at_level(logging.WARNING), Stream(path, decode="auto") as stream:
        assert len(list(stream.samples(5))) == 20
    assert stream.health.undecoded > 50
    assert not caplog.records
