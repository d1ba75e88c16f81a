"""Sources that break off, are damaged, or never make sense."""

import itertools

import numpy as np
import pytest

from costream.errors import SourceError
from costream.video import Stream
from tests.video.encode import encode, panning


def read(path, fps=5):
    """Reads to the end; returns the samples and the health, or the SourceError."""
    stream = Stream(path)
    samples = []
    try:
        with stream:
            for sample in stream.samples(fps):
                sample.picture.luma(4, 4)
                samples.append(sample)
    except SourceError as error:
        return samples, stream.health, error
    for before, after in itertools.pairwise(samples):
        assert after.tick > before.tick
        assert after.time > before.time
    return samples, stream.health, None


@pytest.mark.parametrize("share", [0.05, 0.1, 0.25, 0.4, 0.5, 0.65, 0.8, 0.9])
@pytest.mark.parametrize("clip", ["faststart", "transport"])
def test_a_truncated_file_gives_what_there_is(request, tmp_path, clip, share):
    whole = request.getfixturevalue(clip)
    data = whole.read_bytes()
    path = tmp_path / f"cut{whole.suffix}"
    path.write_bytes(data[: int(len(data) * share)])
    samples, health, error = read(path)
    complete, _, _ = read(whole)
    if error is not None:
        assert share <= 0.1
        return
    assert 0 < len(samples) <= len(complete)
    if clip == "faststart":
        assert health.ended_early
    if share >= 0.5:
        assert len(samples) >= 0.3 * len(complete)
    for cut, full in zip(samples, complete, strict=False):
        assert cut.tick == full.tick


def test_a_whole_file_did_not_end_early(faststart):
    _, health, error = read(faststart)
    assert error is None
    assert not health.ended_early
    assert (health.frames, health.damaged, health.errors) == (100, 0, 0)


def flipped(data, seed, bits, start):
    array = np.frombuffer(data, np.uint8).copy()
    rng = np.random.default_rng(seed)
    where = rng.integers(start, len(array), bits)
    array[where] ^= (1 << rng.integers(0, 8, bits)).astype(np.uint8)
    return array.tobytes()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("clip", ["faststart", "transport"])
def test_flipped_bits_are_noticed_and_survived(request, tmp_path, clip, seed):
    whole = request.getfixturevalue(clip)
    data = whole.read_bytes()
    start = data.index(b"mdat") + 4 if clip == "faststart" else 3000
    path = tmp_path / f"flipped{whole.suffix}"
    path.write_bytes(flipped(data, seed, bits=40, start=start))
    samples, health, error = read(path)
    assert error is None
    assert samples
    assert health.damaged + health.errors > 0
    assert (
        health.damaged == 0
        or any(sample.change.damaged for sample in samples)
        or (len(samples) < health.frames)
    )


@pytest.mark.parametrize("codec", ["mpeg4", "mpeg2video", "libvpx-vp9", "libx265", "mjpeg"])
def test_flipped_bits_in_other_codecs(tmp_path, codec):
    whole = encode(
        tmp_path / "whole.mkv",
        panning(30),
        codec,
        gop=10,
        pixels="yuvj420p" if codec == "mjpeg" else "yuv420p",
        options={"x265-params": "log-level=none"} if codec == "libx265" else {},
    )
    for seed in range(3):
        path = tmp_path / "flipped.mkv"
        path.write_bytes(flipped(whole.read_bytes(), seed, bits=20, start=2000))
        samples, _, error = read(path)
        assert samples or error


def test_damage_marks_the_next_sample_only(transport, tmp_path):
    """A hole in the middle of a transport stream."""
    data = bytearray(transport.read_bytes())
    packets = len(data) // 188
    hole = slice(packets // 2 * 188, (packets // 2 + 3) * 188)
    data[hole] = bytes(hole.stop - hole.start)
    path = tmp_path / "hole.ts"
    path.write_bytes(data)
    samples, health, error = read(path)
    assert error is None
    assert health.damaged + health.errors > 0
    marked = [sample.change.damaged for sample in samples]
    assert any(marked)
    assert not marked[0]
    assert not all(marked)


def test_nothing_but_errors_in_a_short_file(tmp_path):
    whole = encode(tmp_path / "whole.mp4", panning(10), muxer={"movflags": "faststart"})
    data = whole.read_bytes()
    start = data.index(b"mdat") + 4
    path = tmp_path / "noise.mp4"
    path.write_bytes(data[:start] + bytes(len(data) - start))
    _, _, error = read(path)
    assert "holds no picture that can be decoded" in str(error)


def test_joining_in_the_middle_of_a_group_of_pictures(transport, tmp_path):
    """A camera that is joined late gives no picture before its next keyframe, and no error."""
    data = transport.read_bytes()
    path = tmp_path / "late.ts"
    path.write_bytes(data[: 188 * 3] + data[len(data) // 4 // 188 * 188 :])
    samples, health, error = read(path)
    assert error is None
    assert samples
    assert 20 <= health.frames < 60
