"""Which files are said to be cut off."""

from fractions import Fraction

import av
import numpy as np
import pytest

from costream.video import Stream
from tests.video.encode import panning

SIZE = (64, 64)


def write(path, pictures, *, sound=0.0, start=0.0, times=None, codec="libx264"):
    """A file of pictures and so many seconds of sound, which begins at 0."""
    with av.open(str(path), "w") as out:
        video = out.add_stream(codec, rate=25)
        video.height, video.width = SIZE
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        audio = out.add_stream("aac", rate=48000) if sound else None
        for number, picture in enumerate(panning(pictures, (1, 0), size=SIZE)):
            frame = av.VideoFrame.from_ndarray(picture, format="gray").reformat(format="yuv420p")
            seconds = start + (times[number] if times else number / 25)
            frame.pts, frame.time_base = round(1000 * seconds), Fraction(1, 1000)
            out.mux(video.encode(frame))
        out.mux(video.encode())
        if audio is not None:
            silence = np.zeros((1, 1024), np.float32)
            for number in range(int(sound * 48000 / 1024)):
                frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
                frame.sample_rate, frame.pts = 48000, 1024 * number
                out.mux(audio.encode(frame))
            out.mux(audio.encode())
    return path


def ended_early(path):
    with Stream(path) as stream:
        assert list(stream.frames())
    return stream.health.ended_early


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "flv", "ts", "avi"])
@pytest.mark.parametrize(
    "settings",
    [
        {"pictures": 50},
        {"pictures": 50, "sound": 6.0},
        {"pictures": 50, "sound": 6.0, "start": 2.0},
        {"pictures": 50, "start": 2.0},
        {"pictures": 4, "times": [0, 5, 20, 50]},
    ],
    ids=["plain", "long sound", "late pictures", "late start", "slides"],
)
def test_whole_files_are_whole(tmp_path, suffix, settings):
    codec = "mpeg4" if suffix == "avi" else "libx264"
    assert not ended_early(write(tmp_path / f"whole.{suffix}", codec=codec, **settings))


def test_an_edit_that_leaves_out_the_beginning_is_no_cut(tmp_path):
    data = bytearray(write(tmp_path / "whole.mp4", 75).read_bytes())
    entry = data.index(b"elst") + 12
    scale_at = data.index(b"mdhd") + 16
    scale = int.from_bytes(data[scale_at : scale_at + 4], "big")
    length = int.from_bytes(data[entry : entry + 4], "big") - 1000
    begin = int.from_bytes(data[entry + 4 : entry + 8], "big") + scale
    data[entry : entry + 8] = length.to_bytes(4, "big") + begin.to_bytes(4, "big")
    path = tmp_path / "edited.mp4"
    path.write_bytes(data)
    with Stream(path) as stream:
        assert stream.info.duration == pytest.approx(2, abs=0.1)
    assert not ended_early(path)


@pytest.mark.parametrize("suffix", ["mkv", "flv"])
def test_files_that_state_their_length_and_end_before_it_are_cut_off(tmp_path, suffix):
    whole = write(tmp_path / f"whole.{suffix}", 100).read_bytes()
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(whole[: int(len(whole) * 0.6)])
    assert ended_early(path)


def test_a_length_that_was_rounded_up_is_no_cut(tmp_path):
    data = bytearray(write(tmp_path / "whole.flv", 85).read_bytes())
    at = data.index(b"duration") + 9
    data[at : at + 8] = np.array(4.0, ">f8").tobytes()
    path = tmp_path / "rounded.flv"
    path.write_bytes(data)
    with Stream(path) as stream:
        assert stream.info.duration == 4
    assert not ended_early(path)


@pytest.mark.parametrize("suffix", ["mp4", "ts", "mkv"])
def test_rubbish_behind_the_end_is_no_cut(tmp_path, suffix):
    path = write(tmp_path / f"whole.{suffix}", 50)
    path.write_bytes(path.read_bytes() + np.random.default_rng(0).bytes(5000))
    assert not ended_early(path)
