import av
import numpy as np
import pytest

from costream.video import Picture
from tests.video.encode import texture


def colour_frame(height=48, width=64, colour_range=1):
    y = texture(height, width, 1)
    planes = np.concatenate([y.ravel(), np.full(height * width // 4, 90, np.uint8)] * 1)
    planes = np.concatenate([planes, np.full(height * width // 4, 170, np.uint8)])
    frame = av.VideoFrame.from_ndarray(planes.reshape(-1, width), format="yuv420p")
    frame.color_range = colour_range
    return frame


@pytest.mark.parametrize("colour_range", [0, 1, 2])
def test_rgb_equals_ffmpeg(colour_range):
    frame = colour_frame(colour_range=colour_range)
    expected = frame.to_ndarray(format="rgb24")
    assert (Picture.from_frame(frame).rgb() == expected).all()


def test_rgb_equals_ffmpeg_on_decoded_odd_sizes(odd):
    with av.open(str(odd)) as container:
        for frame in container.decode(video=0):
            picture = Picture.from_frame(frame)
            assert (picture.width, picture.height) == (321, 243)
            assert (picture.rgb() == frame.to_ndarray(format="rgb24")).all()


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_rotation_is_clockwise(rotation):
    frame = colour_frame()
    picture = Picture.from_frame(frame, rotation)
    upright = Picture.from_frame(frame)
    expected = np.rot90(upright.rgb(), -rotation // 90)
    assert (picture.rgb() == expected).all()
    assert picture.rgb().shape == (picture.height, picture.width, 3)
    rows, cols = (6, 8) if rotation % 180 == 0 else (8, 6)
    assert (picture.luma(rows, cols) == np.rot90(upright.luma(6, 8), -rotation // 90)).all()


def test_luma_is_the_mean_over_areas():
    pixels = np.repeat(texture(48, 64)[..., None], 3, axis=2)
    got = Picture.from_rgb(pixels).luma(6, 8).astype(int)
    expected = pixels[..., 0].reshape(6, 8, 8, 8).mean((1, 3))
    assert np.abs(got - expected).max() <= 2


def test_luma_expands_limited_range():
    black = np.concatenate([np.full((16, 16), 16, np.uint8), np.full((8, 16), 128, np.uint8)])
    frame = av.VideoFrame.from_ndarray(black, format="yuv420p")
    assert Picture.from_frame(frame).luma(2, 2).max() == 0


def test_from_rgb_keeps_the_pixels_and_takes_a_copy():
    pixels = np.random.default_rng(0).integers(0, 256, (31, 17, 3), dtype=np.uint8)
    before = pixels.copy()
    picture = Picture.from_rgb(pixels)
    pixels[:] = 0
    assert (picture.rgb() == before).all()
    assert (picture.width, picture.height) == (17, 31)
    assert picture.luma(4, 4).shape == (4, 4)


@pytest.mark.parametrize(
    ("shape", "dtype"), [((4, 4), np.uint8), ((4, 4, 3), np.float32), ((4, 4, 4), np.uint8)]
)
def test_from_rgb_refuses_other_arrays(shape, dtype):
    with pytest.raises(ValueError, match="uint8"):
        Picture.from_rgb(np.zeros(shape, dtype))


def test_only_quarter_turns():
    with pytest.raises(ValueError, match="45"):
        Picture.from_frame(colour_frame(), 45)
