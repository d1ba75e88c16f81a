"""Damage that FFmpeg's decoders conceal without a word."""

import numpy as np
import pytest

from costream.video import Stream
from tests.video.encode import encode, panning, spoilt
from tests.video.shared import shared_input


def read(path, **settings):
    with Stream(path, **settings) as stream:
        samples = list(stream.samples(1000))
        return samples, stream.health


def marked(samples):
    return [number for number, sample in enumerate(samples) if sample.change.damaged]


def cut(data):
    return data[: 2 * len(data) // 3]


def zeroed(data):
    return data[: len(data) // 2] + bytes(len(data) - len(data) // 2)


def garbled(data, count=64):
    middle = len(data) // 2
    noise = np.random.default_rng(len(data)).integers(0, 255, count, np.uint8).tobytes()
    return data[:middle] + noise + data[middle + count :]


def garbled_a_little(data):
    return garbled(data, 24)


def endless(data):
    """Without the marker at the end, which holds no pixel."""
    return data[:-2]


@pytest.fixture(scope="module")
def jpegs(tmp_path_factory):
    path = tmp_path_factory.mktemp("jpegs") / "a.avi"
    return encode(path, panning(20, (2, 1)), "mjpeg", pixels="yuvj420p")


@pytest.mark.parametrize("spoil", [cut, zeroed, garbled])
@pytest.mark.parametrize("decode", ["all", "auto"])
def test_a_broken_jpeg_is_shown_and_marked(tmp_path, jpegs, spoil, decode):
    hit = spoilt(jpegs, tmp_path / "b.avi", spoil, every=4)
    sound, _ = read(jpegs)
    samples, health = read(tmp_path / "b.avi", decode=decode)
    assert len(samples) == 20
    assert marked(samples) == hit == [3, 7, 11, 15, 19]
    assert (health.frames, health.damaged, health.errors) == (20, 5, 0)
    for number, (found, expected) in enumerate(zip(samples, sound, strict=True)):
        same = (found.picture.rgb() == expected.picture.rgb()).all()
        assert same == (number not in hit)


def test_a_jpeg_without_its_end_is_sound(tmp_path, jpegs):
    assert spoilt(jpegs, tmp_path / "b.avi", endless, every=4)
    sound, _ = read(jpegs)
    samples, health = read(tmp_path / "b.avi")
    assert not marked(samples) and not health.damaged
    for found, expected in zip(samples, sound, strict=True):
        assert (found.picture.rgb() == expected.picture.rgb()).all()


def test_a_jpeg_of_which_nothing_is_left_marks_the_next_frame(tmp_path, jpegs):
    assert spoilt(jpegs, tmp_path / "b.avi", lambda data: data[:20], every=7) == [6, 13]
    samples, health = read(tmp_path / "b.avi")
    assert (health.frames, health.errors, marked(samples)) == (18, 2, [6, 12])


@pytest.mark.parametrize("spoil", [zeroed, garbled_a_little])
def test_our_reader_marks_what_ffmpeg_conceals_in_h265(tmp_path, spoil):
    options = {"preset": "ultrafast", "x265-params": "log-level=none:bframes=0"}
    path = encode(tmp_path / "a.mp4", panning(20, (2, 1)), "libx265", options=options)
    hit = spoilt(path, tmp_path / "b.mp4", spoil, every=5)
    assert not marked(read(path)[0])
    samples, health = read(tmp_path / "b.mp4")
    assert marked(samples) == hit
    assert health.damaged == len(hit)


def test_a_stream_of_which_33_jpegs_were_destroyed():
    samples, health = read(shared_input("mjbad.avi"))
    assert (health.frames, health.damaged, health.errors) == (200, 33, 0)
    assert len(marked(samples)) == 33
