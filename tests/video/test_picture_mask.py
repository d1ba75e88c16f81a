"""Nothing of what is hidden can be told from a picture, however it is coded and shown."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest

from costream.video import BLOCK, Picture, PictureMask, Polygon, Sample, touched
from tests.fakes import still

FORMATS = [
    "yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv410p", "yuv420p10le", "yuv420p10be", "gray",
    "gbrp", "rgb24", "nv12", "yuyv422",
]  # fmt: skip
SLANTED = ((0.1037, 0.2011), (0.5517, 0.0519), (0.7023, 0.6029), (0.3019, 0.9041))


def frames(form: str, hidden: np.ndarray, shape: tuple[int, int]) -> list[av.VideoFrame]:
    """Two frames that are equal outside of what is hidden: bool of the shape."""
    rng = np.random.default_rng(3)
    first = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    second = np.where(hidden[..., None], rng.integers(0, 256, (*shape, 3), dtype=np.uint8), first)
    made = []
    for pixels in (first, second):
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        made.append(frame if form == "rgb24" else frame.reformat(format=form))
    return made


def inner(polygon: Polygon, shape: tuple[int, int]) -> np.ndarray:
    """Pixels of a shape whose neighbours, which colour is shared with, are hidden as well."""
    covered = touched(polygon, shape)
    for _ in range(4):
        padded = np.pad(covered, 1)
        covered = covered & padded[2:, 1:-1] & padded[:-2, 1:-1]
        covered = covered & padded[1:-1, 2:] & padded[1:-1, :-2]
    return covered


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("shape", [(48, 64), (47, 61)])
def test_what_is_hidden_makes_no_difference(form: str, shape: tuple[int, int]) -> None:
    if form in {"yuyv422"} and shape[1] % 2:
        pytest.skip("swscale makes no such frames of odd width")
    mask = PictureMask([SLANTED])
    pictures = [Picture.from_frame(f) for f in frames(form, inner(SLANTED, shape), shape)]
    assert not np.array_equal(pictures[0].rgb(), pictures[1].rgb())
    one, other = (mask.painted(picture) for picture in pictures)
    assert np.array_equal(one.rgb(), other.rgb())
    assert np.array_equal(one.luma(5, 7), other.luma(5, 7))


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("aspect", [Fraction(1), Fraction(3, 2)])
def test_it_is_painted_where_it_is_shown(rotation: int, mirrored: bool, aspect: Fraction) -> None:
    plain = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
    picture = Picture.from_frame(plain, rotation, mirrored=mirrored, aspect=aspect)
    painted = PictureMask([SLANTED]).painted(picture).rgb()
    expected = touched(SLANTED, painted.shape[:2])
    assert painted.shape == picture.rgb().shape
    if aspect == 1:
        assert np.array_equal((painted == 128).all(-1), expected)
    else:
        assert ((painted > 64).all(-1) != expected).mean() < 0.03


def test_the_rest_stays_as_it_is() -> None:
    frame = frames("yuv444p", np.zeros((48, 64), np.bool_), (48, 64))[0]
    picture = Picture.from_frame(frame)
    before = picture.rgb()
    painted = PictureMask([SLANTED]).painted(picture)
    covered = touched(SLANTED, (48, 64))
    assert np.array_equal(painted.rgb()[~covered], before[~covered])
    assert np.array_equal(picture.rgb(), before)
    assert len(np.unique(painted.rgb()[covered])) == 1


def test_a_picture_that_stands_for_several_moments_is_painted_once() -> None:
    mask, picture = PictureMask([SLANTED]), Picture.from_rgb(np.zeros((32, 32, 3), np.uint8))
    assert mask.painted(picture) is mask.painted(picture)


def test_evidence_of_blocks_that_a_mask_touches_counts_for_nothing() -> None:
    picture = Picture.from_rgb(np.zeros((96, 120, 3), np.uint8))
    change = still(picture)
    ones = np.ones_like(change.peak)
    change = replace(
        change, peak=ones, path=ones, activity=ones, residual=ones, intra=ones > 0,
        drift=np.ones_like(change.drift),
    )  # fmt: skip
    corner = ((0.0, 0.0), (17 / 120, 0.0), (17 / 120, 16 / 96), (0.0, 16 / 96))
    seen = PictureMask([corner]).over(Sample(0, 0.0, picture, change)).change
    hidden = np.zeros((6, 8), np.bool_)
    hidden[0, :2] = True
    for name in ("peak", "path", "activity", "residual", "intra"):
        assert np.array_equal(getattr(seen, name) == 0, hidden), name
    assert np.array_equal((seen.drift == 0).all(-1), hidden)
    assert seen.peak.dtype == np.float32 and picture.width % BLOCK
