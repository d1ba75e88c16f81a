"""Small pictures: what they show, how often, and what of motion they tell."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from costream.video import Picture, Stream
from costream.video.thumbnail import ThumbnailMaker, ThumbnailRecipe, motion_of, painted
from tests.fakes import noise_pictures, samples_of, still
from tests.video.encode import encode, panning, popping


def opened(jpeg: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(jpeg)) as image:
        return np.asarray(image)


def test_it_is_the_frame_made_small() -> None:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (9, 16, 3), dtype=np.uint8)
    pixels = np.kron(coarse, np.ones((80, 80, 1), np.uint8))
    (sample,) = samples_of([Picture.from_rgb(pixels)])
    found = ThumbnailMaker(ThumbnailRecipe(width=320)).see(sample)
    assert found is not None and (found.width, found.height) == (1280, 720)
    shown = opened(found.jpeg)
    assert shown.shape == (180, 320, 3)
    centres = shown[10::20, 10::20].astype(int)
    assert abs(centres - coarse.astype(int)).max() < 48


@pytest.mark.parametrize(("width", "shape"), [(640, (96, 128, 3)), (64, (48, 64, 3))])
def test_no_picture_is_made_larger(width: int, shape: tuple[int, ...]) -> None:
    assert noise_pictures(1)[0].small(width).shape == shape


def test_a_turned_picture_is_shown_turned(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", panning(2), rotation=90)
    with Stream(path) as stream:
        sample = next(stream.samples(5))
    small, whole = sample.picture.small(120), sample.picture.rgb()
    assert small.shape == (160, 120, 3)
    means = whole[: 160 * 2, : 120 * 2].reshape(160, 2, 120, 2, 3).mean((1, 3))
    assert abs(means - small).mean() < 4


def test_one_comes_at_most_every_so_often_and_all_are_counted() -> None:
    maker = ThumbnailMaker(ThumbnailRecipe(every=1000.0))
    found = [maker.see(sample) for sample in samples_of(noise_pictures(5))]
    assert [one is not None for one in found] == [True] + [False] * 4
    assert maker.samples == 5
    assert found[0] is not None and maker.jpeg_bytes == pytest.approx(5 * len(found[0].jpeg))


def test_motion_is_what_the_bitstream_tells(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", popping(40, at=5), gop=40, options={"bf": "0"})
    with Stream(path) as stream:
        *_, sample = stream.samples(5)
    motion = motion_of(sample.change, (24, 32))
    assert motion is not None and motion.shape == (24, 32)
    # Rows and columns 64 to 128 of 240 x 320 are fresh noise in every frame.
    assert motion[7:12, 7:12].min() > 128 and motion[:, 20:].max() < 32
    assert motion_of(replace(sample.change, motion="none"), (24, 32)) is None


def test_motion_is_told_by_brightness_where_the_bitstream_tells_nothing() -> None:
    dark = np.full((96, 128, 3), 40, np.uint8)
    lit = dark.copy()
    lit[:48, :64] = 90
    maker = ThumbnailMaker(ThumbnailRecipe(every=0.0))
    samples = samples_of([Picture.from_rgb(pixels) for pixels in (dark, lit)])
    unknown = [replace(s, change=replace(still(s.picture), motion="unused")) for s in samples]
    first, second = (maker.see(sample) for sample in unknown)
    assert first is not None and first.motion is None
    assert second is not None and second.motion is not None
    assert second.motion[:12, :16].min() == 255 and second.motion[12:].max() == 0


def test_masks_are_painted_over_and_a_little_beyond() -> None:
    mask = ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75))
    white = Picture.from_rgb(np.full((96, 128, 3), 255, np.uint8))
    maker = ThumbnailMaker(ThumbnailRecipe(masks=(mask,), every=0.0))
    found = maker.see(samples_of([white])[0])
    assert found is not None
    shown = opened(found.jpeg)
    assert shown[24:73, 32:97].max() < 24 and shown[:16].min() > 243
    assert painted((8, 8), (mask,))[2:6, 2:6].all() and not painted((8, 8), (mask,))[0].any()
