"""QPs against encoders that were told which to use."""

import numpy as np
import pytest

from costream.video import Stream
from tests.video.encode import encode, panning

FIXED = {
    "h264": ("libx264", "mp4", {"qp": "31", "bf": "0"}, 31),
    "h264 with B-frames": ("libx264", "mp4", {"x264-params": "qp=31:pbratio=1:bframes=2"}, 31),
    "mpeg4": ("mpeg4", "mp4", {"qmin": "9", "qmax": "9"}, 18),
    "mpeg2": ("mpeg2video", "ts", {"qmin": "9", "qmax": "9"}, 18),
    "flv1": ("flv", "flv", {"qmin": "9", "qmax": "9"}, 18),
    "h263": ("h263p", "avi", {"qmin": "9", "qmax": "9"}, 18),
}


def qps(path, **settings):
    with Stream(path, **settings) as stream:
        return [sample.change.qp for sample in stream.samples(5)]


@pytest.mark.parametrize("label", FIXED)
def test_the_qp_is_the_one_the_encoder_was_told(tmp_path, label):
    codec, suffix, options, qp = FIXED[label]
    path = encode(tmp_path / f"x.{suffix}", panning(26), codec, options=options)
    for each in qps(path)[1:-1]:
        assert each.shape == (15, 20)
        assert each.dtype == np.float32
        assert np.median(each) == qp


def test_coarser_blocks_are_told_apart(tmp_path):
    pictures = [each // 4 + 96 for each in panning(26)]
    for each in pictures:
        each[:, 160:] = 128
    path = encode(tmp_path / "x.mp4", pictures, options={"crf": "30"})
    assert any(each.std() > 0 for each in qps(path))


def test_a_turned_picture_has_turned_qps(tmp_path):
    settings = {"options": {"crf": "25", "bf": "0"}}
    pictures = panning(11, (2, 1))
    upright = qps(encode(tmp_path / "a.mp4", pictures, **settings))
    turned = qps(encode(tmp_path / "b.mp4", pictures, rotation=90, **settings))
    for one, other in zip(upright, turned, strict=True):
        np.testing.assert_array_equal(np.rot90(one, -1), other)


def test_a_size_that_is_no_multiple_is_covered(odd):
    for each in qps(odd)[1:]:
        assert each.shape == (16, 21)
        assert not np.isnan(each).any()


def test_without_motion_nothing_is_read(pan):
    assert all(np.isnan(each).all() for each in qps(pan, motion=False))
