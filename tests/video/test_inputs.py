"""What is said of files that went wrong elsewhere."""

import itertools
import logging

import numpy as np
import pytest

from costream.video import Stream
from tests.video.shared import shared_input

BARS = 12


@pytest.fixture
def found(request):
    return shared_input(request.param)


def inputs(names, *rows):
    return pytest.mark.parametrize(f"found, {names}", rows, indirect=["found"])


def number(sample):
    """What a picture's bars say; bright is 1, the lowest bit is on the left."""
    luma = sample.picture.luma(2, 4 * BARS)[0].reshape(BARS, 4)[:, 1:3].mean(axis=1)
    return int((luma > 128) @ (1 << np.arange(BARS)))


@pytest.mark.parametrize("decode", ["all", "auto"])
@inputs(
    "frames, seconds",
    ("base.mp4", 500, 19.96),
    ("raw10.h264", 200, 19.9),
    ("newqp.flv", 500, 19.96),
    ("new8x8.flv", 500, 19.96),
    ("lapse30_25.mkv", 20, 570.0),
    ("out9s.flv", 500, 19.96),
    ("gopcut.ts", 375, 14.96),
    ("midgop.ts", 250, 9.96),
    ("fcat_pps.mp4", 500, 19.96),
)
def test_frames_and_time_are_right(found, frames, seconds, decode, caplog):
    caplog.set_level(logging.WARNING)
    with Stream(found, decode=decode) as stream:
        records = list(stream.frames())
    assert len(records) == stream.health.frames == frames
    assert records[-1].time == pytest.approx(seconds, abs=1e-3)
    assert (stream.health.damaged, stream.health.errors) == (0, 0)
    assert not stream.health.ended_early
    assert not [one for one in caplog.records if "bitstream reader" in one.message]


@inputs("frames", ("newqp.flv", 500), ("new8x8.flv", 500), ("fcat_pps.mp4", 500))
def test_evidence_of_both_halves_is_sound(found, frames):
    with Stream(found) as stream:
        maps = [sample.change for sample in stream.samples(25)]
    assert len(maps) == frames
    told = [each for each in maps if not each.keyframes]
    assert not any(each.intra.all() for each in told)
    assert all(np.isfinite(each.residual).all() for each in told)


@pytest.mark.parametrize("decode", ["all", "auto"])
@inputs("first, step", ("newqp.flv", 0, 5), ("raw10.h264", 0, 2), ("out9s.flv", 0, 5))
def test_pictures_are_those_of_their_ticks(found, first, step, decode):
    with Stream(found, decode=decode) as stream:
        seen = [number(sample) for sample in stream.samples(5) if not sample.reused]
    assert seen[0] == first
    assert all(after > before for before, after in itertools.pairwise(seen))
    assert all((one - first) % step == 0 for one in seen)
